//! From tables to [`Config`]: every key with its default and its bounds, in one place.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use tidegate_core::{AccountName, IdError, KeyLabel, Permission, PermissionSet};

use super::mistakes::nearest;
use super::section::Section;
use super::store::store;
use super::tables::{
    AccountConfig, AdminConfig, Config, DeploymentConfig, ExecutorConfig, GatewayConfig, KeyConfig,
    KeySource, KrakenConfig, LogConfig, LogFormat, SandboxConfig, ShutdownConfig, Tier, TracesConfig,
    TradingTier,
};
use super::values::{HostPort, Label, listen_address};
use crate::telemetry::check_filter;

const MINUTE_MS: u64 = 60_000;
/// Below this a history call (4 points) beside the two points that a lane keeps back would never fit.
const TIER_POINTS_MIN: u64 = 6;
const TIER_POINTS_MAX: u64 = 1_000_000;

pub(super) fn config(root: &mut Section<'_>) -> Config {
    let accounts = accounts(root);
    Config {
        deployment: deployment(root.section("deployment")),
        gateway: gateway(root.section("gateway"), &accounts),
        executor: executor(root.section("executor")),
        admin: admin(root.section("admin")),
        log: log(root.section("log")),
        traces: traces(root.section("traces")),
        shutdown: shutdown(root.section("shutdown")),
        store: store(root.section("store")),
        kraken: kraken(root.section("kraken")),
        keys: keys(root, &accounts),
        sandbox: sandbox(root),
        accounts,
    }
}

type Accounts = BTreeMap<AccountName, AccountConfig>;

fn deployment(mut s: Section<'_>) -> DeploymentConfig {
    let config = DeploymentConfig { name: s.parsed("name").unwrap_or_else(|| constant("tidegate")) };
    s.finish();
    config
}

fn gateway(mut s: Section<'_>, accounts: &Accounts) -> GatewayConfig {
    let quota_per_s = s.number("quota_per_s", 1..=1_000_000).and_then(NonZeroU32::new);
    let quota_per_s = quota_per_s.unwrap_or(const { NonZeroU32::new(1_000).expect("above zero") });
    let named = s.has("default_account");
    let default_account = s.parsed("default_account").unwrap_or_else(|| constant("main"));
    // A file without accounts is one for roles that never look at them.
    if (named || !accounts.is_empty()) && !accounts.contains_key(&default_account) {
        let by = if named { "" } else { " (the default)" };
        s.mistake("default_account", format!("{default_account}{by} {}", must_be_account(accounts)));
    }
    let executors = addresses(&mut s, "executors");
    let config = GatewayConfig {
        listen: s.parsed_by("listen", listen_address).unwrap_or(loopback(50051)),
        allow_unauthenticated_off_loopback: allow_off_loopback(&mut s),
        executors,
        default_account,
        allow_cancel_all: s.flag("allow_cancel_all").unwrap_or(false),
        allow_decide_intents: s.flag("allow_decide_intents").unwrap_or(false),
        quota_per_s,
        quota_burst: s.number("quota_burst", 1..=1_000_000).and_then(NonZeroU32::new).unwrap_or(quota_per_s),
        max_request_bytes: s.number("max_request_bytes", 1_024..=64 << 20).unwrap_or(1 << 20),
        max_in_flight: s.number("max_in_flight", 1..=100_000).unwrap_or(1_024),
    };
    s.finish();
    config
}

/// A table of any labels and addresses.
pub(super) fn addresses(s: &mut Section<'_>, key: &str) -> BTreeMap<Label, HostPort> {
    let entries = s.entries::<Label>(key).into_iter().filter_map(|(label, path, value)| {
        let parsed = value.as_str().map(str::parse);
        match parsed.unwrap_or(Err("must be a text host:port in quotes")) {
            Ok(address) => Some((label, address)),
            Err(rule) => {
                s.mistake(&path, rule);
                None
            }
        }
    });
    entries.collect()
}

fn executor(mut s: Section<'_>) -> ExecutorConfig {
    let config = ExecutorConfig {
        listen: s.parsed_by("listen", listen_address).unwrap_or(loopback(50052)),
        allow_unauthenticated_off_loopback: allow_off_loopback(&mut s),
        advertise: s.parsed("advertise"),
        name: s.parsed("name"),
        pool: s.parsed("pool"),
        queue_len_max: s.number("queue_len_max", 1..=100_000).unwrap_or(256),
        allow_edit_order: s.flag("allow_edit_order").unwrap_or(false),
        allow_transfers: s.flag("allow_transfers").unwrap_or(false),
    };
    s.finish();
    config
}

fn admin(mut s: Section<'_>) -> AdminConfig {
    let config = AdminConfig {
        listen: s.parsed_by("listen", listen_address).unwrap_or(loopback(9464)),
        allow_unauthenticated_off_loopback: allow_off_loopback(&mut s),
    };
    s.finish();
    config
}

fn log(mut s: Section<'_>) -> LogConfig {
    let format = s.parsed_by("format", |text| match text {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be pretty or json"),
    });
    let filter = s.parsed_by("filter", |text| match check_filter(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(wrong) => {
            Err(format!("must be a log filter, for instance info,tidegate_executor=debug ({wrong})"))
        }
    });
    s.finish();
    LogConfig {
        format: format.unwrap_or(LogFormat::Pretty),
        filter: filter.unwrap_or_else(|| "info".to_owned()),
    }
}

fn traces(mut s: Section<'_>) -> TracesConfig {
    let config = TracesConfig {
        otlp_endpoint: s.parsed("otlp_endpoint"),
        sample_percent: s.number("sample_percent", 0..=100).unwrap_or(100),
    };
    s.finish();
    config
}

fn shutdown(mut s: Section<'_>) -> ShutdownConfig {
    let config = ShutdownConfig {
        delay_ms: s.number("delay_ms", 0..=MINUTE_MS).unwrap_or(0),
        grace_ms: s.number("grace_ms", 1_000..=2 * MINUTE_MS).unwrap_or(15_000),
    };
    s.finish();
    config
}

fn kraken(mut s: Section<'_>) -> KrakenConfig {
    let config = KrakenConfig {
        rest_url: s.secret("rest_url"),
        ca_file: path(&mut s, "ca_file"),
        egress: s.parsed("egress").unwrap_or_else(|| constant("default")),
        auth_failures_max: s.number("auth_failures_max", 1..=100_000).unwrap_or(5),
        connect_timeout_ms: s.number("connect_timeout_ms", 1..=MINUTE_MS).unwrap_or(3_000),
        total_timeout_ms: s.number("total_timeout_ms", 1..=MINUTE_MS).unwrap_or(10_000),
        max_body_bytes: s.number("max_body_bytes", 1_024..=256 << 20).unwrap_or(16 << 20),
    };
    s.finish();
    config
}

fn accounts(root: &mut Section<'_>) -> Accounts {
    let mut accounts = Accounts::new();
    for (name, key, value) in root.entries::<AccountName>("accounts") {
        let mut s = root.entry("accounts", &key, value);
        let tier = tier(&mut s).unwrap_or(Tier::Starter);
        let config = AccountConfig {
            tier,
            trading_tier: trading_tier(&mut s).unwrap_or_else(|| named_alike(tier)),
            domain: s.parsed("domain").unwrap_or_else(|| name.clone()),
            iban: s.parsed_by("iban", |text| match text.trim() {
                "" => Err("must be the account's public id, for instance AA00 N84G AAAA BBBB"),
                iban => Ok(iban.to_owned()),
            }),
        };
        s.finish();
        accounts.insert(name, config);
    }
    accounts
}

fn tier(s: &mut Section<'_>) -> Option<Tier> {
    const NAMES: &str = "must be starter, intermediate, pro, wide or a table { max, decay_per_s }";
    if !s.is_table("tier") {
        return s.parsed_by("tier", |text| match text {
            "starter" => Ok(Tier::Starter),
            "intermediate" => Ok(Tier::Intermediate),
            "pro" => Ok(Tier::Pro),
            "wide" => Ok(Tier::Wide),
            _ => Err(NAMES),
        });
    }
    let mut table = s.section("tier");
    table.require("max", "it is the number of points at which Kraken refuses");
    table.require("decay_per_s", "it is the number of points that Kraken takes off each second");
    let max_points = table.number("max", TIER_POINTS_MIN..=TIER_POINTS_MAX);
    let decay = table.decimal("decay_per_s", milli);
    table.finish();
    Some(Tier::Custom { max_points: max_points?, decay_milli_per_s: decay? })
}

fn trading_tier(s: &mut Section<'_>) -> Option<TradingTier> {
    s.parsed_by("trading_tier", |text| match text {
        "starter" => Ok(TradingTier::Starter),
        "intermediate" => Ok(TradingTier::Intermediate),
        "pro" => Ok(TradingTier::Pro),
        "wide" => Ok(TradingTier::Wide),
        _ => Err("must be starter, intermediate, pro or wide"),
    })
}

/// Both counters follow the account's verification level. One in numbers says nothing of the other.
const fn named_alike(tier: Tier) -> TradingTier {
    match tier {
        Tier::Starter | Tier::Custom { .. } => TradingTier::Starter,
        Tier::Intermediate => TradingTier::Intermediate,
        Tier::Pro => TradingTier::Pro,
        Tier::Wide => TradingTier::Wide,
    }
}

/// Thousandths from a decimal text, digit by digit: nothing is rounded and nothing is ever a float.
fn milli(text: &str) -> Result<u32, &'static str> {
    const RULE: &str =
        "must be above 0 and at most 1000000, with at most three decimals, for instance \"0.33\"";
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str, max: usize| (1..=max).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 7) || !digits(fraction, 3) {
        return Err(RULE);
    }
    let milli = format!("{whole}{fraction:0<3}").parse().map_err(|_| RULE)?;
    if (1..=1_000_000_000).contains(&milli) { Ok(milli) } else { Err(RULE) }
}

fn keys(root: &mut Section<'_>, accounts: &Accounts) -> BTreeMap<KeyLabel, KeyConfig> {
    let entries = root.entries::<KeyLabel>("keys");
    let mut keys = BTreeMap::new();
    for (label, key, value) in entries {
        if let Some(config) = key_config(root.entry("keys", &key, value), accounts) {
            keys.insert(label, config);
        }
    }
    keys
}

fn key_config(mut s: Section<'_>, accounts: &Accounts) -> Option<KeyConfig> {
    s.require("account", &must_be_account(accounts));
    s.require("permissions", "it is the list of Kraken's permission tokens that the key has");
    let account: Option<AccountName> = s.parsed("account");
    if let Some(account) = account.as_ref().filter(|account| !accounts.contains_key(account)) {
        s.mistake("account", format!("{account} {}", must_be_account(accounts)));
    }
    let file_given = s.has("file");
    let file = path(&mut s, "file");
    let sandbox = s.flag("sandbox").unwrap_or(false);
    if file_given == sandbox {
        let given = if file_given { "both are given" } else { "neither is given" };
        s.mistake("file", format!("{given}; must be either file = \"...\" or sandbox = true"));
    }
    let permissions = s.list("permissions", |text| {
        text.parse::<Permission>().map_err(|_| {
            let known = Permission::ALL.map(Permission::token);
            let meant = nearest(text, known).map(|meant| format!("did you mean {meant}? "));
            format!("is not a permission; {}allowed are {}", meant.unwrap_or_default(), known.join(", "))
        })
    });
    let pool = s.parsed("pool").unwrap_or_else(|| constant("default"));
    let nonce_unit = s.parsed_by("nonce_unit", |text| {
        text.parse().map_err(|_| "must be ms, us or ns, the unit in which this key has always counted")
    });
    let window = s.number("window", 0..=i64::MAX.unsigned_abs()).unwrap_or(0);
    let tags = s.list("tags", str::parse).unwrap_or_default();
    let otp_file = path(&mut s, "otp_file");
    let totp_file = path(&mut s, "totp_file");
    if otp_file.is_some() && totp_file.is_some() {
        s.mistake(
            "totp_file",
            "must not be given together with otp_file: a key has a password or an authenticator app",
        );
    }
    let break_glass = s.parsed("break_glass");
    let allow_placing_with_window = s.flag("allow_placing_with_window").unwrap_or(false);
    s.finish();
    Some(KeyConfig {
        account: account?,
        pool,
        source: file.map_or(KeySource::Sandbox, KeySource::File),
        nonce_unit: nonce_unit.unwrap_or_default(),
        window,
        permissions: permissions?.into_iter().collect::<PermissionSet>(),
        tags,
        otp_file,
        totp_file,
        allow_placing_with_window,
        break_glass,
    })
}

fn sandbox(root: &mut Section<'_>) -> SandboxConfig {
    let exists = root.has("sandbox");
    let mut s = root.section("sandbox");
    SandboxConfig {
        enabled: s.flag("enabled").unwrap_or(exists),
        listen: s.parsed_by("listen", listen_address).unwrap_or(loopback(8480)),
        tls_listen: s.parsed_by("tls_listen", listen_address),
        allow_unauthenticated_off_loopback: allow_off_loopback(&mut s),
        ca_out: path(&mut s, "ca_out"),
        options: s.rest(),
    }
}

fn allow_off_loopback(s: &mut Section<'_>) -> bool {
    s.flag("allow_unauthenticated_off_loopback").unwrap_or(false)
}

pub(super) fn path(s: &mut Section<'_>, key: &str) -> Option<PathBuf> {
    s.parsed_by(key, |text| if text.is_empty() { Err("must be a path") } else { Ok(PathBuf::from(text)) })
}

fn must_be_account(accounts: &Accounts) -> String {
    let names: Vec<_> = accounts.keys().map(AccountName::as_str).collect();
    if names.is_empty() {
        return "must be the name of an account, and there is none; add a table [accounts.NAME]".to_owned();
    }
    format!("must be the name of an account: {}", names.join(", "))
}

/// A label that this file spells out.
pub(super) fn constant<L: FromStr<Err = IdError>>(text: &'static str) -> L {
    text.parse().expect("defaults are labels")
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}
