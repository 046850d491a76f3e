//! Which responses may be shared, and with whom.

use http::header::{self, HeaderMap, HeaderName};
use http::response::Parts;
use http::{HeaderValue, StatusCode};

/// What a response says about being shared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// It is for the one whose request it answers, and nobody else.
    Alone,
    /// It is for everyone whose headers of these names are the same.
    WithEqual(Vec<HeaderName>),
}

/// Looks at `set-cookie`, `cache-control` and `vary`; whatever cannot be read counts as a no.
pub(crate) fn sharing(response: &Parts) -> Sharing {
    let headers = &response.headers;
    if response.status == StatusCode::SWITCHING_PROTOCOLS
        || headers.contains_key(header::SET_COOKIE)
        || headers.contains_key("set-cookie2")
        || headers.get_all(header::CACHE_CONTROL).iter().any(forbids)
    {
        return Sharing::Alone;
    }
    let mut names = Vec::new();
    for value in headers.get_all(header::VARY) {
        let Ok(value) = value.to_str() else { return Sharing::Alone };
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name.parse() {
                Ok(name) if name != "*" => names.push(name),
                _ => return Sharing::Alone,
            }
        }
    }
    names.sort_unstable_by(|a: &HeaderName, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    Sharing::WithEqual(names)
}

/// Whether a `cache-control` has `private` or `no-store` in it, also with an argument, or with something that should not be there.
fn forbids(value: &HeaderValue) -> bool {
    let Ok(value) = value.to_str() else { return true };
    // Wherever they stand, also as an argument of something else, which can only forbid more.
    let mut words = value.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.any(|word| word.eq_ignore_ascii_case("private") || word.eq_ignore_ascii_case("no-store"))
}

/// Whether two requests have the same values of these headers, in the same order.
pub(crate) fn equal(names: &[HeaderName], a: &HeaderMap, b: &HeaderMap) -> bool {
    names.iter().all(|name| a.get_all(name).iter().eq(b.get_all(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &'static str)]) -> Sharing {
        let mut response = http::Response::new(());
        for (name, value) in headers {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        sharing(&response.into_parts().0)
    }

    #[test]
    fn what_is_for_one_alone() {
        for headers in [
            [("set-cookie", "a=b")],
            [("set-cookie2", "a=b")],
            [("cache-control", "private")],
            [("cache-control", "max-age=5, Private")],
            [("cache-control", "private=\"x-a, x-b\"")],
            [("cache-control", "No-Store")],
            [("cache-control", "private; max-age=0")],
            [("cache-control", "max-age=5, ;no-store")],
            [("cache-control", "max-age=0; private")],
            [("cache-control", "max-age=0 no-store")],
            [("vary", "*")],
            [("vary", "accept, *")],
            [("vary", "not a name")],
        ] {
            assert_eq!(of(&headers), Sharing::Alone, "{headers:?}");
        }
        assert_eq!(of(&[("cache-control", "public"), ("cache-control", "no-store")]), Sharing::Alone);
        for name in [header::VARY, header::CACHE_CONTROL] {
            let mut response = http::Response::new(());
            response.headers_mut().insert(name, HeaderValue::from_bytes(b"\xff").unwrap());
            assert_eq!(sharing(&response.into_parts().0), Sharing::Alone);
        }
    }

    #[test]
    fn what_is_for_all_whose_headers_are_equal() {
        for headers in
            [[("cache-control", "public, max-age=5")], [("cache-control", "no-cache")], [("x-private", "private")]]
        {
            assert_eq!(of(&headers), Sharing::WithEqual(Vec::new()), "{headers:?}");
        }
        let names = vec![header::ACCEPT, header::USER_AGENT];
        assert_eq!(of(&[("vary", "User-Agent,, Accept"), ("vary", "accept")]), Sharing::WithEqual(names));
    }

    #[test]
    fn values_are_compared_one_by_one() {
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-a", HeaderValue::from_static(value));
            }
            headers
        };
        let names = [HeaderName::from_static("x-a")];
        assert!(equal(&names, &with(&["1", "2"]), &with(&["1", "2"])) && equal(&names, &with(&[]), &with(&[])));
        for (a, b) in
            [(&["1", "2"][..], &["2", "1"][..]), (&["1"], &[]), (&["1"], &["1", "1"]), (&["1, 2"], &["1", "2"])]
        {
            assert!(!equal(&names, &with(a), &with(b)), "{a:?} {b:?}");
        }
        assert!(equal(&[], &with(&["1"]), &with(&[])));
    }
}
