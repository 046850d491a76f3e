//! Times, as people write them: `"5s"`, `"1m30s"`, `"250ms"`.

use std::time::Duration;

/// In nanoseconds.
const UNITS: [(&str, u128); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// Whole numbers, each with its unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "`{text}` is no time; write whole numbers with units, as in \"5s\", \"250ms\", \"1m30s\" (ns, us, ms, s, m, h)"
        )
    };
    let mut rest = text.trim();
    let mut nanos: u128 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, in_nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        nanos += u128::from(number) * in_nanos;
        rest = after;
    }
    let too_long = |_| format!("`{text}` is longer than a `Duration` can be");
    let seconds = u64::try_from(nanos / 1_000_000_000).map_err(too_long)?;
    Ok(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_write_them() {
        for (text, nanos) in [
            ("0s", 0),
            ("7ns", 7),
            ("7us", 7_000),
            ("250ms", 250_000_000),
            (" 5s ", 5_000_000_000),
            ("1m30s", 90_000_000_000),
            ("2h", 7_200_000_000_000),
        ] {
            assert_eq!(parse(text).map(|duration| duration.as_nanos()), Ok(nanos), "{text}");
        }
        assert_eq!(parse("18446744073709551615s"), Ok(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn what_is_no_time_is_said_to_be_none() {
        for text in ["", "5", "s", "5 s", "5sec", "-5s", "1.5s", "5s!", "99999999999999999999s"] {
            let message = parse(text).unwrap_err();
            assert!(message.starts_with(&format!("`{text}` is no time; write")), "{message}");
        }
        assert!(parse("18446744073709551615h").unwrap_err().ends_with("than a `Duration` can be"));
    }
}
