//! Who may see it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use subtle::ConstantTimeEq;

const COOKIE: &str = "coflight_board";

#[derive(Clone)]
pub(crate) enum Admission {
    Loopback,
    Token(Arc<str>),
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "Loopback",
            Self::Token(_) => "Token(…)",
        })
    }
}

pub(crate) async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let verdict = match &admission {
        Admission::Loopback => by_address(&request).map(|()| None),
        Admission::Token(token) => by_token(&request, token),
    };
    match verdict {
        Ok(None) => next.run(request).await,
        Ok(Some(redirect)) => redirect,
        Err(refused) => refused,
    }
}

/// A connection from this machine, made by somebody who knows that it is to this machine.
#[expect(clippy::result_large_err, reason = "it is the answer")]
fn by_address(request: &Request) -> Result<(), Response> {
    let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else {
        return Err(refuse(
            "the server does not say where requests come from: serve it with into_make_service_with_connect_info, or set a token",
        ));
    };
    if !is_loopback(peer.ip()) {
        return Err(refuse("only for this machine, unless a token is set"));
    }
    let passed_on = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    if passed_on.iter().any(|name| request.headers().contains_key(*name)) {
        return Err(refuse("a proxy passes this on for somebody else: only for this machine, unless a token is set"));
    }
    // Else a page of another site, whose name was made to mean this machine, could read it through a browser here.
    if !host(request).is_some_and(names_this_machine) {
        return Err(refuse("ask for it by localhost or a loopback address, or set a token"));
    }
    Ok(())
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn host(request: &Request) -> Option<&str> {
    let of_uri = request.uri().authority().map(axum::http::uri::Authority::as_str);
    of_uri.or_else(|| request.headers().get(header::HOST)?.to_str().ok())
}

fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        // What is left of an IPv6 address must be in its brackets.
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}

/// `Some`: a browser that brought the token in its address gets it as a cookie, and is sent to the address without.
#[expect(clippy::result_large_err, reason = "it is the answer")]
fn by_token(request: &Request, token: &str) -> Result<Option<Response>, Response> {
    let is_it = |given: &str| bool::from(given.as_bytes().ct_eq(token.as_bytes()));
    let headers = request.headers();
    if bearer(headers).is_some_and(is_it) || cookies(headers).any(|given| is_it(&decoded(given))) {
        return Ok(None);
    }
    let given = request.uri().query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("token="));
    if !given.is_some_and(|given| is_it(&decoded(given))) {
        let mut refused =
            refuse("this needs the token: open it once with ?token=…, or send it as `authorization: Bearer …`");
        *refused.status_mut() = StatusCode::UNAUTHORIZED;
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return Err(refused);
    }
    // The address as the client knows it, from where it stands.
    let mut response = Redirect::to("?").into_response();
    let cookie = format!("{COOKIE}={}; HttpOnly; SameSite=Strict; Path=/", encoded(token));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Some(response))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Any token, as it may stand in a cookie or a query.
fn encoded(token: &str) -> String {
    token.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refuse(why: &str) -> Response {
    (StatusCode::FORBIDDEN, format!("{why}\n")).into_response()
}
