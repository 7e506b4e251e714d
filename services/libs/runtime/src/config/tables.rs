//! The tables of the configuration, as the roles see them. Every field says its default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use tidegate_core::{AccountName, KeyLabel, NonceUnit, PermissionSet, PoolName};

use super::store::StoreConfig;
use super::values::{CollectorUrl, HostPort, Label, RestUrl};

/// The configuration of all roles; each reads its own tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[deployment]`
    pub deployment: DeploymentConfig,
    /// `[gateway]`
    pub gateway: GatewayConfig,
    /// `[executor]`
    pub executor: ExecutorConfig,
    /// `[admin]`
    pub admin: AdminConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[traces]`
    pub traces: TracesConfig,
    /// `[shutdown]`
    pub shutdown: ShutdownConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[kraken]`
    pub kraken: KrakenConfig,
    /// `[accounts.NAME]`
    pub accounts: BTreeMap<AccountName, AccountConfig>,
    /// `[keys.LABEL]`
    pub keys: BTreeMap<KeyLabel, KeyConfig>,
    /// `[sandbox]`
    pub sandbox: SandboxConfig,
}

/// `[deployment]`: which tidegate this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentConfig {
    /// `name`, default `tidegate`. Part of every derived client order id: two deployments on one account need
    /// two names, and a changed name loses sight of orders placed under the old one.
    pub name: Label,
}

/// `[gateway]`: the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// `listen`, default `127.0.0.1:50051`.
    pub listen: SocketAddr,
    /// `allow_unauthenticated_off_loopback`, default false.
    pub allow_unauthenticated_off_loopback: bool,
    /// `executors`, a table of any names and addresses; default empty, which suits `all`. The executors behind an
    /// address are all that its host name resolves to, as a headless service does; it is resolved again and again.
    pub executors: BTreeMap<Label, HostPort>,
    /// `default_account`, for calls that name none; default `main`.
    pub default_account: AccountName,
    /// `allow_cancel_all`, default false.
    pub allow_cancel_all: bool,
    /// `allow_decide_intents`, whether callers may say what became of an act that needs a person; default false.
    pub allow_decide_intents: bool,
    /// `quota_per_s`, calls per second of one caller; default 1,000.
    pub quota_per_s: NonZeroU32,
    /// `quota_burst`, calls at once of one caller; default as much as a second gives.
    pub quota_burst: NonZeroU32,
    /// `max_request_bytes`, default 1 MiB.
    pub max_request_bytes: usize,
    /// `max_in_flight`, calls of all callers; default 1,024.
    pub max_in_flight: usize,
}

/// `[executor]`: the side that holds keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutorConfig {
    /// `listen`, default `127.0.0.1:50052`.
    pub listen: SocketAddr,
    /// `allow_unauthenticated_off_loopback`, default false.
    pub allow_unauthenticated_off_loopback: bool,
    /// `advertise`, where others reach this process; default the bound address.
    pub advertise: Option<HostPort>,
    /// `name` of this process, which break-glass keys are given to; default none.
    pub name: Option<Label>,
    /// `pool`, whose keys are mounted; default none, which means all keys.
    pub pool: Option<PoolName>,
    /// `queue_len_max`, calls that wait in one lane; default 256.
    pub queue_len_max: usize,
    /// `allow_edit_order`, default false: what became of an edit whose answer is lost may never be known.
    pub allow_edit_order: bool,
    /// `allow_transfers`, default false: whether money may leave an account, and addresses for it be changed. Every caller may
    /// then do it, because callers are not told apart.
    pub allow_transfers: bool,
}

/// `[admin]`: metrics and health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// `listen`, default `127.0.0.1:9464`.
    pub listen: SocketAddr,
    /// `allow_unauthenticated_off_loopback`, default false.
    pub allow_unauthenticated_off_loopback: bool,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `pretty`: text for people.
    Pretty,
    /// `json`: one object to a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `format`, default `pretty`.
    pub format: LogFormat,
    /// `filter`, directives of tracing-subscriber's EnvFilter; default `info`.
    pub filter: String,
}

/// `[traces]`: OpenTelemetry spans over OTLP (gRPC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracesConfig {
    /// `otlp_endpoint`, a collector, `http://host:4317`; default none, which means that no spans are made.
    pub otlp_endpoint: Option<CollectorUrl>,
    /// `sample_percent` of calls that bring no decision of their own; default 100. A strategy that sends W3C trace
    /// context has decided for its calls.
    pub sample_percent: u8,
}

/// `[shutdown]`: from the signal to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownConfig {
    /// `delay_ms`, for how long a gateway goes on as before after its readiness went off; default 0. Long enough for
    /// whoever balances connections to notice, so that no caller is sent to a process that is leaving.
    pub delay_ms: u64,
    /// `grace_ms`, for how long calls under way may then take to finish; default 15,000.
    pub grace_ms: u64,
}

/// `[kraken]`: the way to the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KrakenConfig {
    /// `rest_url`, default none. See [`Config::rest_url`].
    pub rest_url: Option<RestUrl>,
    /// `ca_file`, PEM of a certificate authority to trust instead of the system's; default none.
    pub ca_file: Option<PathBuf>,
    /// `egress`, the name of the IP address that requests leave from, default `default`.
    pub egress: Label,
    /// `auth_failures_max`: after so many failed authentications within a minute calls rest, default 5. How many Kraken
    /// forgives is nowhere documented.
    pub auth_failures_max: usize,
    /// `connect_timeout_ms`, default 3,000.
    pub connect_timeout_ms: u64,
    /// `total_timeout_ms` of one request with its answer, default 10,000.
    pub total_timeout_ms: u64,
    /// `max_body_bytes` of an answer, default 16 MiB.
    pub max_body_bytes: usize,
}

/// Kraken's REST counter of a key (Kraken docs: Spot REST rate limits, by verification tier).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// `starter`
    Starter,
    /// `intermediate`
    Intermediate,
    /// `pro`
    Pro,
    /// `wide`: practically unlimited, for sandboxes.
    Wide,
    /// A table `{ max, decay_per_s }`.
    Custom {
        /// `max`: points at which Kraken refuses.
        max_points: u32,
        /// `decay_per_s`, here in thousandths of a point per second.
        decay_milli_per_s: u32,
    },
}

/// Kraken's trading counters of an account (Kraken docs: Spot trading limits, by verification tier).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradingTier {
    /// `starter`
    Starter,
    /// `intermediate`
    Intermediate,
    /// `pro`
    Pro,
    /// `wide`: unlimited, for sandboxes.
    Wide,
}

/// `[accounts.NAME]`: a Kraken account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// `tier`, default `starter`, the narrowest.
    pub tier: Tier,
    /// `trading_tier`: by which its trading counters are kept, one per pair; default the named `tier`, and `starter` where that is a
    /// table.
    pub trading_tier: TradingTier,
    /// `domain`: the master account whose counters this one shares; default the account's own name.
    pub domain: AccountName,
    /// `iban`, Kraken's public id of the account, compared with what each key says; default none.
    pub iban: Option<String>,
}

/// Where the two halves of an API key come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `file`: two lines, API key and private key.
    File(PathBuf),
    /// `sandbox = true`: the built-in sandbox's key of the same label.
    Sandbox,
}

/// `[keys.LABEL]`: an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyConfig {
    /// `account`, no default.
    pub account: AccountName,
    /// `pool`, default `default`.
    pub pool: PoolName,
    /// `file` or `sandbox`, exactly one of them.
    pub source: KeySource,
    /// `nonce_unit`, default `us`.
    pub nonce_unit: NonceUnit,
    /// `window` in ticks of the nonce unit, as configured at Kraken; default 0.
    pub window: u64,
    /// `permissions`, no default. Compared with what Kraken says of the key.
    pub permissions: PermissionSet,
    /// `tags` that calls can ask for, default none.
    pub tags: Vec<Label>,
    /// `otp_file`: a file with the static password of a key that has one; default none.
    pub otp_file: Option<PathBuf>,
    /// `totp_file`: a file with the seed (base32) of a key whose second factor is an authenticator app; default none. Such a
    /// key makes one call in thirty seconds.
    pub totp_file: Option<PathBuf>,
    /// `allow_placing_with_window`, default false. A window weakens Kraken's own guard against duplicates.
    pub allow_placing_with_window: bool,
    /// `break_glass`: the name of the one process that uses this key, for cancels without a store; default none.
    pub break_glass: Option<Label>,
}

impl KeyConfig {
    /// Whether a process mounts the key: it is of its pool, and not another process's for emergencies.
    pub fn is_for(&self, executor: &ExecutorConfig) -> bool {
        self.is_in_pool_of(executor) && (self.break_glass.is_none() || self.break_glass == executor.name)
    }

    /// Whether the key is of a process's pool.
    pub fn is_in_pool_of(&self, executor: &ExecutorConfig) -> bool {
        executor.pool.as_ref().is_none_or(|pool| self.pool == *pool)
    }
}

/// `[sandbox]`: the built-in simulated Kraken.
#[derive(Clone, Debug, PartialEq)]
pub struct SandboxConfig {
    /// `enabled`: whether `all` runs it; default true where the table exists. Without a file it does.
    pub enabled: bool,
    /// `listen`, default `127.0.0.1:8480`.
    pub listen: SocketAddr,
    /// `tls_listen`, default none.
    pub tls_listen: Option<SocketAddr>,
    /// `allow_unauthenticated_off_loopback`, default false. The sandbox's keys are public.
    pub allow_unauthenticated_off_loopback: bool,
    /// `ca_out`: where to write the certificate authority of the TLS listener; default none.
    pub ca_out: Option<PathBuf>,
    /// Everything else in the table, for the sandbox to judge.
    pub options: toml::Table,
}
