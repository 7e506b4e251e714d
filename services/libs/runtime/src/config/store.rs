//! `[store]`: where grants live.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::read::{addresses, constant, path};
use super::section::Section;
use super::values::{HostPort, Label, RedisUrl};

const MINUTE_MS: u64 = 60_000;

/// `[store]`: where grants live. Without a Redis the store is in memory, for one process.
///
/// A Redis is given in one of three ways: by its URL, by sentinels, or by nodes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// `redis_url` of a single server, default none. See [`StoreConfig::url`].
    pub redis_url: Option<RedisUrl>,
    /// `redis_url_file`, a file with the URL; default none. Not together with `redis_url`.
    pub redis_url_file: Option<PathBuf>,
    /// `sentinels`, a table of any names and addresses; default empty.
    pub sentinels: BTreeMap<Label, HostPort>,
    /// `sentinel_master`, the name under which the sentinels know the primary; needed with `sentinels`.
    pub sentinel_master: Option<String>,
    /// `sentinel_user`, an ACL user of the sentinels; default none.
    pub sentinel_user: Option<String>,
    /// `sentinel_password_file`, a file with what lets tidegate ask the sentinels; default none.
    pub sentinel_password_file: Option<PathBuf>,
    /// `cluster`, a table of any names and addresses of nodes to ask first; default empty.
    pub cluster: BTreeMap<Label, HostPort>,
    /// `user`, an ACL user of servers found by sentinels or in a cluster; default none, which means `default`.
    pub user: Option<String>,
    /// `password_file`, a file with what lets that user in; default none.
    pub password_file: Option<PathBuf>,
    /// `database` of servers found by sentinels, default 0.
    pub database: u16,
    /// `tls`, whether servers found by sentinels or in a cluster, and the sentinels, speak TLS; default false.
    pub tls: bool,
    /// `ca_file`, PEM of authorities to trust instead of the system's; default none.
    pub ca_file: Option<PathBuf>,
    /// `client_cert_file`, PEM of the certificate to show to servers that ask for one; default none.
    pub client_cert_file: Option<PathBuf>,
    /// `client_key_file`, PEM of its private key; default none.
    pub client_key_file: Option<PathBuf>,
    /// `prefix` of every key in the store, default `tidegate`.
    pub prefix: Label,
    /// `timeout_ms` of one command, default 250.
    pub timeout_ms: u64,
    /// `profile`, default `trial` for servers on loopback, else `strict`.
    pub profile: Option<StoreProfile>,
    /// `wait_replicas`, how many replicas must have a grant or a claim before it counts; default 0 for a single server, 1 where
    /// another server can take its place. A failover leaves two primaries for some ten seconds, each consistent in itself;
    /// that nobody listens to the old one any more is what makes it useless.
    pub wait_replicas: u32,
}

/// How to judge a server that is not fit to keep grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreProfile {
    /// `strict`: refuse it by name.
    Strict,
    /// `trial`: say so, and use it.
    Trial,
}

impl StoreConfig {
    /// Whether processes share the store.
    pub fn is_shared(&self) -> bool {
        self.has_url() || !self.sentinels.is_empty() || !self.cluster.is_empty()
    }

    const fn has_url(&self) -> bool {
        self.redis_url.is_some() || self.redis_url_file.is_some()
    }

    /// Whether all that is asked first, sentinels or nodes of a cluster, is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.sentinels.values().chain(self.cluster.values()).all(HostPort::is_loopback)
    }

    /// The URL of a single server, from the configuration or from the file that it names.
    ///
    /// # Errors
    /// One line: the file that cannot be read, or that its content is not such a URL. Never the content.
    pub fn url(&self) -> Result<Option<RedisUrl>, String> {
        let Some(path) = &self.redis_url_file else {
            return Ok(self.redis_url.clone());
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("store.redis_url_file: the file {} cannot be read: {error}", path.display())
        })?;
        let url = text.trim().parse::<RedisUrl>();
        url.map(Some)
            .map_err(|wrong| format!("store.redis_url_file: the content of {} {wrong}", path.display()))
    }
}

pub(super) fn store(mut s: Section<'_>) -> StoreConfig {
    let mut config = StoreConfig {
        redis_url: s.secret("redis_url"),
        redis_url_file: path(&mut s, "redis_url_file"),
        sentinels: addresses(&mut s, "sentinels"),
        sentinel_master: s.parsed_by("sentinel_master", name),
        sentinel_user: s.parsed_by("sentinel_user", name),
        sentinel_password_file: path(&mut s, "sentinel_password_file"),
        cluster: addresses(&mut s, "cluster"),
        user: s.parsed_by("user", name),
        password_file: path(&mut s, "password_file"),
        database: s.number("database", 0..=9_999).unwrap_or(0),
        tls: s.flag("tls").unwrap_or(false),
        ca_file: path(&mut s, "ca_file"),
        client_cert_file: path(&mut s, "client_cert_file"),
        client_key_file: path(&mut s, "client_key_file"),
        prefix: s.parsed("prefix").unwrap_or_else(|| constant("tidegate")),
        timeout_ms: s.number("timeout_ms", 1..=MINUTE_MS).unwrap_or(250),
        profile: s.parsed_by("profile", |text| match text {
            "strict" => Ok(StoreProfile::Strict),
            "trial" => Ok(StoreProfile::Trial),
            _ => Err("must be strict or trial"),
        }),
        wait_replicas: 0,
    };
    let failover = !config.sentinels.is_empty() || !config.cluster.is_empty();
    config.wait_replicas = s.number("wait_replicas", 0..=9).unwrap_or(u32::from(failover));
    if failover && config.wait_replicas == 0 && config.profile != Some(StoreProfile::Trial) {
        let why = "must be at least 1 with sentinels or a cluster, or store.profile = \"trial\": for some seconds after a \
                   failover two primaries would give one key to two owners";
        s.mistake("wait_replicas", why);
    }
    one_way_to_redis(&config, &s);
    settings_belong_to_their_way(&config, &s);
    tls_is_whole(&config, &s);
    s.finish();
    config
}

/// A name that Redis knows. It may hold what labels may not, but nothing that would break a command in two.
fn name(text: &str) -> Result<String, &'static str> {
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err("must be 1 to 128 plain characters without spaces") }
}

fn one_way_to_redis(config: &StoreConfig, s: &Section<'_>) {
    if config.redis_url.is_some() && config.redis_url_file.is_some() {
        s.mistake("redis_url", "is given as well as redis_url_file; keep one of them");
    }
    let url = if config.redis_url.is_some() { "redis_url" } else { "redis_url_file" };
    let ways = [
        (url, config.has_url()),
        ("sentinels", !config.sentinels.is_empty()),
        ("cluster", !config.cluster.is_empty()),
    ];
    let given: Vec<&str> = ways.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if let [first, others @ ..] = given.as_slice()
        && !others.is_empty()
    {
        let others = others.join(" and ");
        s.mistake(
            first,
            format!("is given as well as {others}; a store is one server, sentinels or a cluster"),
        );
    }
}

fn settings_belong_to_their_way(config: &StoreConfig, s: &Section<'_>) {
    let (sentinels, cluster) = (!config.sentinels.is_empty(), !config.cluster.is_empty());
    if sentinels && config.sentinel_master.is_none() {
        s.mistake("sentinel_master", "is missing; it is the name under which the sentinels know the primary");
    }
    for (key, given) in [
        ("sentinel_master", config.sentinel_master.is_some()),
        ("sentinel_user", config.sentinel_user.is_some()),
        ("sentinel_password_file", config.sentinel_password_file.is_some()),
    ] {
        if given && !sentinels {
            s.mistake(key, "is for store.sentinels, and there are none");
        }
    }
    for (key, given) in [
        ("user", config.user.is_some()),
        ("password_file", config.password_file.is_some()),
        ("tls", config.tls),
    ] {
        if given && !sentinels && !cluster {
            s.mistake(
                key,
                "is for store.sentinels and store.cluster; the URL of a single server says it itself",
            );
        }
    }
    if config.database > 0 && !sentinels {
        let why = if cluster { "a cluster has no other than 0" } else { "a URL says it itself" };
        s.mistake("database", format!("is for store.sentinels; {why}"));
    }
    for (user, given, file, has_file) in [
        ("user", &config.user, "password_file", config.password_file.is_some()),
        (
            "sentinel_user",
            &config.sentinel_user,
            "sentinel_password_file",
            config.sentinel_password_file.is_some(),
        ),
    ] {
        if given.is_some() && !has_file {
            s.mistake(file, format!("is missing; store.{user} needs a password"));
        }
    }
}

fn tls_is_whole(config: &StoreConfig, s: &Section<'_>) {
    // What is in the file of a URL is not known yet.
    let plain = !config.tls && config.redis_url_file.is_none();
    let plain = plain && !config.redis_url.as_ref().is_some_and(RedisUrl::is_tls);
    let files = [
        ("ca_file", config.ca_file.is_some()),
        ("client_cert_file", config.client_cert_file.is_some()),
        ("client_key_file", config.client_key_file.is_some()),
    ];
    for (key, _) in files.iter().filter(|(_, given)| *given && plain) {
        s.mistake(key, "is for TLS; must come with a rediss:// URL, or with store.tls = true");
    }
    for (key, here, other, there) in [
        ("client_key_file", files[2].1, "client_cert_file", files[1].1),
        ("client_cert_file", files[1].1, "client_key_file", files[2].1),
    ] {
        if !here && there {
            s.mistake(key, format!("is missing; store.{other} is of no use alone"));
        }
    }
}
