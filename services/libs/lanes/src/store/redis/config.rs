//! Where a shared store is, and who may come in.

use std::fmt;
use std::str::FromStr;

use crate::store::{StoreFacts, StoreProfile};

/// Host and port of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RedisAddr {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for RedisAddr {
    type Err = &'static str;

    /// Reads `host:port` as servers write it, with or without brackets round an IPv6 address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be host:port";
        let (host, port) = text.rsplit_once(':').ok_or(RULE)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().map_err(|_| RULE)?;
        if host.is_empty() { Err(RULE) } else { Ok(Self { host: host.to_owned(), port }) }
    }
}

impl fmt::Display for RedisAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// As whom servers are called. Secrets: it prints itself without them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RedisLogin {
    /// An ACL user; without one Redis means `default`.
    pub user: Option<String>,
    /// What lets that user in.
    pub password: Option<String>,
}

impl fmt::Debug for RedisLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisLogin(..)")
    }
}

/// Whom to believe, and what to show, behind TLS.
#[derive(Clone, Default)]
pub struct RedisTls {
    /// PEM of the authorities to trust instead of the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// PEM of a client's certificate chain and of its private key, for servers that ask for one.
    pub client_pem: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisTls(..)")
    }
}

/// How the server that counts is found.
#[derive(Clone)]
pub enum RedisPlace {
    /// It is always the same one.
    Server {
        /// `redis[s]://[user:password@]host[:port][/db]`. A secret, because it may hold a password.
        url: String,
        /// For `rediss://` alone.
        tls: RedisTls,
    },
    /// Sentinels say which one is the primary.
    Sentinels {
        /// Any of them; more are not discovered.
        sentinels: Vec<RedisAddr>,
        /// The name under which they know the primary.
        primary_name: String,
        /// For the primary.
        login: RedisLogin,
        /// Its database.
        database: u16,
        /// For the sentinels.
        sentinel_login: RedisLogin,
        /// For primary and sentinels alike; none means without TLS.
        tls: Option<RedisTls>,
    },
    /// The nodes of a cluster say which of them holds the keys of a domain.
    Cluster {
        /// Nodes to ask first, primaries or replicas.
        nodes: Vec<RedisAddr>,
        /// For every node.
        login: RedisLogin,
        /// None means without TLS.
        tls: Option<RedisTls>,
    },
}

/// How to reach Redis.
#[derive(Clone)]
pub struct RedisConfig {
    /// Where it is.
    pub place: RedisPlace,
    /// First part of every key, so that deployments can share a server.
    pub prefix: String,
    /// How long a connection attempt, and one command, may take.
    pub timeout_ms: u64,
    /// Whose time and identity count.
    pub facts: StoreFacts,
    /// Name of the deployment that owns the prefix.
    pub deployment: String,
    /// Whether an unfit server is refused.
    pub profile: StoreProfile,
    /// How many replicas must have a grant before it counts. Zero for a single server.
    pub wait_replicas: u32,
}

impl fmt::Debug for RedisConfig {
    /// Without the place, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("prefix", &self.prefix)
            .field("timeout_ms", &self.timeout_ms)
            .finish_non_exhaustive()
    }
}
