//! From the configuration to keys: the one place where files with secrets are read.

use std::fmt::Write as _;
use std::path::Path;

use tidegate_core::KeyLabel;
use tidegate_executor::{Key, Otp};
use tidegate_kraken::{ClientOptions, Credential, RestClient, Totp};
use tidegate_lanes::{Fingerprint, GrantKey, Tier, TradeTier};
use tidegate_runtime::Config;
use tidegate_runtime::config::{KeyConfig, KeySource, RestUrl, Tier as TierConfig, TradingTier};
use tidegate_sandbox::Otp as SandboxOtp;
use tracing::info;
use zeroize::Zeroizing;

/// The keys of this process's pool. All that is wrong with them is said at once, one line each.
pub(crate) fn load(config: &Config) -> Result<Vec<Key>, String> {
    let (mut keys, mut wrong) = (Vec::new(), Vec::new());
    for (label, key) in config.keys.iter().filter(|(_, key)| key.is_in_pool_of(&config.executor)) {
        if !key.is_for(&config.executor) {
            let owner = key.break_glass.as_ref().map(ToString::to_string).unwrap_or_default();
            info!(key = %label, owner, "a break-glass key of another process is not used here");
            continue;
        }
        match load_one(config, label, key) {
            Ok(key) => keys.push(key),
            Err(text) => wrong.push(format!("keys.{label}: {text}")),
        }
    }
    if wrong.is_empty() { Ok(keys) } else { Err(wrong.join("\n")) }
}

fn load_one(config: &Config, label: &KeyLabel, key: &KeyConfig) -> Result<Key, String> {
    let account = config.accounts.get(&key.account).ok_or("its account is not configured")?;
    let (api_key, secret, built_in_otp) = match &key.source {
        KeySource::File(path) => {
            let (api_key, secret) = read_pair(path)?;
            (api_key, secret, None)
        }
        KeySource::Sandbox => {
            let known = tidegate_sandbox::keys().iter().find(|known| known.label == label.as_str());
            let known =
                known.ok_or("the sandbox has no key of this label; see services/sandbox/README.md")?;
            (known.api_key.clone(), known.secret.clone(), known.otp.clone())
        }
    };
    let otp = second_factor(key, built_in_otp)?;
    let credential = Credential::new(api_key.clone(), &secret).map_err(|error| error.to_string())?;
    Ok(Key {
        label: label.clone(),
        account: key.account.clone(),
        iban: account.iban.clone(),
        pool: key.pool.clone(),
        of_sandbox: matches!(key.source, KeySource::Sandbox),
        grant_key: GrantKey {
            domain: account.domain.clone(),
            fingerprint: Fingerprint::of_api_key(&api_key),
        },
        credential,
        otp,
        unit: key.nonce_unit,
        window: key.window,
        permissions: key.permissions,
        tags: key.tags.iter().map(ToString::to_string).collect(),
        tier: tier(account.tier),
        trade_tier: trade_tier(account.trading_tier),
        break_glass: key.break_glass.is_some(),
    })
}

/// The second factor from its file, or that of a built-in key. The content is never quoted.
fn second_factor(key: &KeyConfig, built_in: Option<SandboxOtp>) -> Result<Option<Otp>, String> {
    let password = |text: &str| match text.trim() {
        "" => Err("the password is empty".to_owned()),
        password => Ok(Otp::Password(password.to_owned().into())),
    };
    let codes = |seed: &str| Totp::new(seed).map(Otp::Codes).map_err(|error| error.to_string());
    let (path, made) = match (&key.otp_file, &key.totp_file, built_in) {
        (Some(path), _, _) => (path, password(&Zeroizing::new(read(path)?))),
        (None, Some(path), _) => (path, codes(&Zeroizing::new(read(path)?))),
        (None, None, Some(SandboxOtp::Static(text))) => return password(&text).map(Some),
        (None, None, Some(SandboxOtp::Totp(seed))) => return codes(&seed).map(Some),
        (None, None, None) => return Ok(None),
    };
    made.map(Some).map_err(|wrong| format!("the file {}: {wrong}", path.display()))
}

const fn tier(tier: TierConfig) -> Tier {
    match tier {
        TierConfig::Starter => Tier::STARTER,
        TierConfig::Intermediate => Tier::INTERMEDIATE,
        TierConfig::Pro => Tier::PRO,
        TierConfig::Wide => Tier::WIDE,
        TierConfig::Custom { max_points, decay_milli_per_s } => {
            Tier { max_milli: max_points as u64 * 1_000, decay_milli_per_s: decay_milli_per_s as u64 }
        }
    }
}

const fn trade_tier(tier: TradingTier) -> Option<TradeTier> {
    match tier {
        TradingTier::Starter => Some(TradeTier::STARTER),
        TradingTier::Intermediate => Some(TradeTier::INTERMEDIATE),
        TradingTier::Pro => Some(TradeTier::PRO),
        TradingTier::Wide => None,
    }
}

/// Two lines: API key and private key. The content is never quoted.
fn read_pair(path: &Path) -> Result<(String, String), String> {
    let text = read(path)?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines[..] {
        [api_key, secret] => Ok((api_key.to_owned(), secret.to_owned())),
        _ => Err(format!(
            "the file {} has {} lines with text; it needs two: the API key and the private key",
            path.display(),
            lines.len()
        )),
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("the file {} cannot be read: {error}", path.display()))
}

/// The way to Kraken.
pub(crate) fn rest_client(config: &Config, url: &RestUrl) -> Result<RestClient, String> {
    let ca_pem = match &config.kraken.ca_file {
        Some(path) => {
            let bytes = std::fs::read(path);
            Some(bytes.map_err(|error| {
                format!("kraken.ca_file: the file {} cannot be read: {error}", path.display())
            })?)
        }
        None => None,
    };
    let options = ClientOptions {
        ca_pem,
        connect_timeout_ms: config.kraken.connect_timeout_ms,
        body_limit_bytes: config.kraken.max_body_bytes,
        ..ClientOptions::new(url.as_str())
    };
    RestClient::new(options).map_err(|error| format!("kraken: {error}"))
}

/// The configured keys for people.
pub(crate) fn list(config: &Config) -> String {
    let mut text = format!(
        "{:<24} {:<12} {:<10} {:<5} {:>10} {}\n",
        "LABEL", "ACCOUNT", "POOL", "UNIT", "WINDOW", "PERMISSIONS"
    );
    for (label, key) in &config.keys {
        let (account, pool, unit) = (key.account.as_str(), key.pool.as_str(), key.nonce_unit.as_str());
        let _ = writeln!(
            text,
            "{:<24} {account:<12} {pool:<10} {unit:<5} {:>10} {}",
            label.as_str(),
            key.window,
            key.permissions
        );
    }
    text
}
