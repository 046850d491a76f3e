//! What travels: how a flight ended, and where.

use std::sync::Arc;

/// First byte of every envelope. Another layout gets another one.
const VERSION: u8 = 1;

/// How a flight ended, as other processes get it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome<B> {
    /// With a value, encoded.
    Value(B),
    /// The same, of a value that is a failure.
    Failure(B),
    /// The work panicked, with this message, if it had one.
    Panicked(Option<String>),
    Cancelled,
    TimedOut,
    /// There is a value, which cannot travel: everyone does the work for themselves.
    Unshareable,
    /// The leader keeps the value for itself: every caller does the work for itself.
    Released,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Envelope<B> {
    pub(crate) outcome: Outcome<B>,
    /// What the leader's process calls itself.
    pub(crate) process: Arc<str>,
    /// The trace that the execution belongs to.
    pub(crate) context: Option<Arc<str>>,
}

impl<B: AsRef<[u8]>> Envelope<B> {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (kind, body): (u8, &[u8]) = match &self.outcome {
            Outcome::Value(value) => (0, value.as_ref()),
            Outcome::Failure(value) => (1, value.as_ref()),
            Outcome::Panicked(None) => (2, &[]),
            Outcome::Panicked(Some(message)) => (3, message.as_bytes()),
            Outcome::Cancelled => (4, &[]),
            Outcome::TimedOut => (5, &[]),
            Outcome::Unshareable => (6, &[]),
            Outcome::Released => (7, &[]),
        };
        let mut bytes = vec![VERSION, kind];
        for text in [&*self.process, self.context.as_deref().unwrap_or_default()] {
            let text = prefix(text);
            bytes.extend(u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend(body);
        bytes
    }
}

impl<'b> Envelope<&'b [u8]> {
    /// `None`: this is no envelope, or of a newer kind.
    pub(crate) fn from_bytes(bytes: &'b [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (kind, rest) = rest.split_first()?;
        let (process, rest) = text(rest)?;
        let (context, body) = text(rest)?;
        let empty = |outcome| body.is_empty().then_some(outcome);
        let outcome = match kind {
            0 => Outcome::Value(body),
            1 => Outcome::Failure(body),
            2 => empty(Outcome::Panicked(None))?,
            3 => Outcome::Panicked(Some(std::str::from_utf8(body).ok()?.to_owned())),
            4 => empty(Outcome::Cancelled)?,
            5 => empty(Outcome::TimedOut)?,
            6 => empty(Outcome::Unshareable)?,
            7 => empty(Outcome::Released)?,
            _ => return None,
        };
        let context = (!context.is_empty()).then(|| context.into());
        Some(Self { outcome, process: process.into(), context })
    }
}

/// As much of it as a length of two bytes can tell.
fn prefix(text: &str) -> &str {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(outcome: Outcome<&[u8]>) -> Envelope<&[u8]> {
        Envelope { outcome, process: "web-1".into(), context: Some("00-1-2-01".into()) }
    }

    #[test]
    fn everything_comes_out_as_it_went_in() {
        for outcome in [
            Outcome::Value(&b"value"[..]),
            Outcome::Value(&[]),
            Outcome::Failure(b"failure"),
            Outcome::Panicked(None),
            Outcome::Panicked(Some("oh".into())),
            Outcome::Cancelled,
            Outcome::TimedOut,
            Outcome::Unshareable,
            Outcome::Released,
        ] {
            let envelope = of(outcome);
            assert_eq!(Envelope::from_bytes(&envelope.to_bytes()), Some(envelope));
        }
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let whole = of(Outcome::Cancelled).to_bytes();
        for end in 0..whole.len() {
            assert_eq!(Envelope::from_bytes(&whole[..end]), None, "cut off after {end} bytes");
        }
        for (at, value) in [(0, 2), (1, 8), (2, 0xff), (4, 0xff)] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            assert_eq!(Envelope::from_bytes(&bytes), None, "byte {at} is {value}");
        }
        let mut longer = whole;
        longer.push(0);
        assert_eq!(Envelope::from_bytes(&longer), None);
    }

    #[test]
    fn a_long_name_is_cut() {
        let long = "é".repeat(40_000);
        let envelope = Envelope { outcome: Outcome::Value(&b"v"[..]), process: long.as_str().into(), context: None };
        let bytes = envelope.to_bytes();
        let read = Envelope::from_bytes(&bytes).unwrap();
        assert_eq!(read.outcome, envelope.outcome);
        assert!(long.starts_with(&*read.process) && read.process.len() > 65_000);
    }
}
