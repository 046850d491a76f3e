//! What can be chosen.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use coflight::tower::{Beyond, TRACING_HEADERS};
use http::uri::Authority;
use http::{HeaderName, Uri};
use lexopt::{Arg, ValueExt};

/// What `--help` prints.
pub const HELP: &str = "\
A reverse proxy that coalesces: of equal GET and HEAD requests that meet, one goes to the upstream.

usage: proxy --upstream URL [options]

  --upstream URL             http://HOST[:PORT] or https://HOST[:PORT]
  --listen ADDRESS           default 127.0.0.1:8080
  --http2                    the upstream speaks HTTP/2 without being asked (https finds out by itself)
  --upstream-ca FILE         certificates to trust for https, as PEM, instead of the web's
  --preserve-host            sends the client's host instead of the upstream's
  --forward-client-address   sends x-forwarded-for; then only requests from one address are coalesced
  --ignore-header NAME       does not tell requests apart by this header; may be repeated. Ignored anyway: traceparent,
                             x-request-id, and others that only number requests
  --max-flights N            different requests to the upstream at a time, default 10000; beyond: 503
  --max-connections N        from clients, default 10000; more have to wait
  --head-timeout SECONDS     for the upstream's answer to begin, default 30
  --stall-timeout SECONDS    without a byte: from the upstream, or taken by a client; default 30
  --timeout SECONDS          for a whole coalesced exchange; default none
  --keep BYTES               of a response for those who come late or read slowly, default 1048576
  --keep-in-all BYTES        of all responses together, default 67108864
  --beyond close|cut-off     readers who lag by more than --keep are served as long as there is room in all (default), or
                             cut off
  --no-header                no x-coflight: led|joined|alone in responses
  --admin PATH               where /board and /metrics are, default at the root
  --token TOKEN              lets whoever knows it see them from anywhere; default: only from this machine. Better given
                             as the environment variable COFLIGHT_TOKEN, which others on this machine do not see
  --no-access-log            no line on standard output for each request
  --grace SECONDS            for requests in progress when it is told to stop, default 10
";

/// What was chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where requests go: scheme and authority.
    pub upstream: Uri,
    /// Where they come from.
    pub listen: SocketAddr,
    /// HTTP/2 with prior knowledge.
    pub http2: bool,
    /// Certificates to trust instead of the web's.
    pub upstream_ca: Option<PathBuf>,
    /// The client's host is sent on.
    pub preserve_host: bool,
    /// The client's address is sent on, and part of the key.
    pub forward_client_address: bool,
    /// Headers that are no part of the key.
    pub ignore: Vec<HeaderName>,
    /// Different requests to the upstream at a time.
    pub max_flights: usize,
    /// Connections of clients.
    pub max_connections: usize,
    /// For the upstream's answer to begin.
    pub head_timeout: Duration,
    /// Without a byte.
    pub stall_timeout: Duration,
    /// For a whole coalesced exchange.
    pub timeout: Option<Duration>,
    /// Bytes of one response.
    pub keep: usize,
    /// Bytes of all responses.
    pub keep_in_all: usize,
    /// What becomes of slow readers.
    pub beyond: Beyond,
    /// Whether responses say how they came.
    pub header: bool,
    /// Before `/board` and `/metrics`.
    pub admin: String,
    /// Who may see them from anywhere.
    pub token: Option<String>,
    /// Whether there is a line for each request.
    pub access_log: bool,
    /// For requests in progress at the end.
    pub grace: Duration,
}

impl Options {
    /// The defaults, for an upstream.
    #[must_use]
    pub fn new(upstream: Uri) -> Self {
        Self {
            upstream,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            http2: false,
            upstream_ca: None,
            preserve_host: false,
            forward_client_address: false,
            ignore: TRACING_HEADERS.to_vec(),
            max_flights: 10_000,
            max_connections: 10_000,
            head_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            timeout: None,
            keep: 1 << 20,
            keep_in_all: 64 << 20,
            beyond: Beyond::default(),
            header: true,
            admin: String::new(),
            token: None,
            access_log: true,
            grace: Duration::from_secs(10),
        }
    }

    /// From the command's arguments; none if they ask for help.
    ///
    /// # Errors
    ///
    /// One line that says what is wrong.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        Self::read(lexopt::Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    fn read(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut options = Self::new(Uri::default());
        let mut given = false;
        options.token = std::env::var("COFLIGHT_TOKEN").ok().filter(|token| !token.is_empty());
        while let Some(argument) = parser.next()? {
            let Arg::Long(name) = argument else { return Err(argument.unexpected()) };
            let name = name.to_owned();
            match name.as_str() {
                "help" => return Ok(None),
                "upstream" => {
                    options.upstream = upstream(&parser.value()?.string()?)?;
                    given = true;
                }
                "listen" => options.listen = parser.value()?.parse()?,
                "http2" => options.http2 = true,
                "upstream-ca" => options.upstream_ca = Some(parser.value()?.into()),
                "preserve-host" => options.preserve_host = true,
                "forward-client-address" => options.forward_client_address = true,
                "ignore-header" => options.ignore.push(parser.value()?.parse()?),
                "max-flights" => options.max_flights = parser.value()?.parse()?,
                "max-connections" => options.max_connections = parser.value()?.parse()?,
                "head-timeout" => options.head_timeout = seconds(&mut parser)?,
                "stall-timeout" => options.stall_timeout = seconds(&mut parser)?,
                "timeout" => options.timeout = Some(seconds(&mut parser)?),
                "keep" => options.keep = parser.value()?.parse()?,
                "keep-in-all" => options.keep_in_all = parser.value()?.parse()?,
                "beyond" => {
                    options.beyond = match parser.value()?.string()?.as_str() {
                        "cut-off" => Beyond::CutOff,
                        "close" => Beyond::Close,
                        other => return Err(format!("--beyond is close or cut-off, not '{other}'").into()),
                    };
                }
                "no-header" => options.header = false,
                "admin" => options.admin = prefix(&parser.value()?.string()?)?,
                "token" => options.token = Some(parser.value()?.string()?),
                "no-access-log" => options.access_log = false,
                "grace" => options.grace = seconds(&mut parser)?,
                _ => return Err(format!("there is no option --{name}").into()),
            }
        }
        if !given {
            return Err("--upstream is missing: where should requests go?".into());
        }
        if options.token.as_ref().is_some_and(String::is_empty) {
            return Err("--token is empty".into());
        }
        if options.max_connections == 0 || options.max_flights == 0 {
            return Err("with a limit of 0 nothing would ever be answered".into());
        }
        Ok(Some(options))
    }
}

fn upstream(text: &str) -> Result<Uri, lexopt::Error> {
    let wrong =
        || lexopt::Error::from(format!("--upstream is http://HOST[:PORT] or https://HOST[:PORT], not '{text}'"));
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let fits = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().map(Authority::as_str).is_some_and(|authority| !authority.contains('@'))
        && uri.path() == "/"
        && uri.query().is_none();
    if fits { Ok(uri) } else { Err(wrong()) }
}

fn prefix(text: &str) -> Result<String, lexopt::Error> {
    let trimmed = text.trim_end_matches('/');
    let fits = (trimmed.is_empty() || trimmed.starts_with('/')) && trimmed.parse::<Uri>().is_ok() | trimmed.is_empty();
    if fits && !trimmed.contains(['?', '{', '}', '*']) {
        Ok(trimmed.to_owned())
    } else {
        Err(format!("--admin is a path that begins with '/', not '{text}'").into())
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, lexopt::Error> {
    let text = parser.value()?.string()?;
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // A time of nothing at all would fail whatever it limits.
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| format!("'{text}' is not a number of seconds above 0").into())
}
