//! Values that check themselves. Their errors read "must be ...", so that they finish a sentence.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use http::Uri;
use tidegate_core::{IdError, KeyLabel};

/// A short plain name, by the rule of all labels: 1 to 48 characters of a-z, 0-9, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

impl Label {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse::<KeyLabel>().map(|_| Self(text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address of a listener.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an IP address and a port, for instance 127.0.0.1:50051 or [::1]:0")
}

/// Where another process is found: a DNS name or IP address, and a port from 1 to 65,535.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// The name or address; an IPv6 address is without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether this is on this machine, as far as its name says.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

impl FromStr for HostPort {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be host:port, for instance executor-trade:50052 or 10.0.0.7:50052";
        let (host, port) = text.rsplit_once(':').ok_or(RULE)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(RULE)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_ok() => v6,
            None if is_host(host) => host,
            _ => return Err(RULE),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn is_host(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// The base of Kraken's REST API or of something that plays Kraken: scheme and host, no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestUrl(String);

impl RestUrl {
    /// The URL without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Kraken itself.
    pub fn kraken() -> Self {
        Self(super::KRAKEN_REST_URL.to_owned())
    }

    pub(super) fn of_sandbox(addr: SocketAddr) -> Self {
        Self(format!("http://{addr}"))
    }

    /// Whether this is a host of Kraken's.
    pub fn is_kraken(&self) -> bool {
        self.0.parse::<Uri>().ok().and_then(|uri| uri.host().map(is_krakens)).unwrap_or(true)
    }
}

/// Whether a host name is one of Kraken's.
fn is_krakens(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "kraken.com" || host.ends_with(".kraken.com")
}

impl FromStr for RestUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str =
            "must be http:// or https:// and a host, without path, for instance https://api.kraken.com";
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| RULE)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(RULE)?;
        let plain = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
        let no_user = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        match uri.scheme_str() {
            Some("http") if is_krakens(host) => Err("must be https:// for a host of Kraken's"),
            Some("http" | "https") if plain && no_user => Ok(Self(text.trim_end_matches('/').to_owned())),
            _ => Err(RULE),
        }
    }
}

impl fmt::Display for RestUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address of an OpenTelemetry collector that takes OTLP over gRPC, without TLS: it stands in the same cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(String);

impl CollectorUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CollectorUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str =
            "must be http://host:port of an OTLP collector, for instance http://127.0.0.1:4317";
        let place = text.strip_prefix("http://").ok_or(RULE)?.trim_end_matches('/');
        place.parse::<HostPort>().map_err(|_| RULE)?;
        Ok(Self(format!("http://{place}")))
    }
}

/// The address of a Redis. It may hold a password, so it prints itself without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// The whole URL with its password, for the one who connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl RedisUrl {
    /// Whether the server is on this machine, as far as its name says.
    pub fn is_loopback(&self) -> bool {
        let server = self.place().split('/').next().unwrap_or_default();
        let host = if server.starts_with('[') || server.matches(':').count() == 1 {
            server
                .rsplit_once(':')
                .map_or(server, |(host, port)| if port.ends_with(']') { server } else { host })
        } else {
            server
        };
        is_loopback(host.trim_matches(['[', ']']))
    }

    /// Whether the server speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.0.starts_with("rediss://")
    }

    /// Everything behind user and password.
    fn place(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.rsplit_once('@').map_or(rest, |(_, place)| place)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl FromStr for RedisUrl {
    type Err = &'static str;

    /// Strict, because a URL that is cut in the wrong place prints half a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be redis://[user:password@]host[:port][/number], or rediss:// for TLS, with @ : / ? # % in user and \
                            password percent-encoded";
        let rest = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://")).ok_or(RULE)?;
        let (user, place) = rest.split_once('@').unwrap_or(("", rest));
        let (server, database) = place.split_once('/').unwrap_or((place, ""));
        let server_fits = is_host(server) || server.parse::<HostPort>().is_ok();
        let database_fits = database.bytes().all(|b| b.is_ascii_digit()) && database.len() <= 5;
        if !server_fits || !database_fits || user.contains(['/', '?', '#']) || user.matches(':').count() > 1 {
            return Err(RULE);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls() { "rediss" } else { "redis" };
        write!(f, "{scheme}://{}", self.place())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
