//! The one configuration of all roles: a TOML file, then variables `TIDEGATE__SECTION__KEY`.
//!
//! The idea: reading never stops at the first mistake. Each table is read key by key with a default for
//! everything, a mistake is noted beside its path, reading goes on, and what nobody asked for is unknown. Only at
//! the end is there either a whole [`Config`] or all [`Mistakes`] at once. Values of the file and of the
//! environment meet before they are read, so both are judged by the same rules.
//!
//! Secrets are not in here, only paths to them. The one exception is the store's URL, which prints itself
//! without its password. Mistakes never quote a value that could be a secret.

mod check;
mod environment;
mod mistakes;
mod read;
mod section;
mod store;
mod tables;
mod values;

pub use mistakes::{Mistake, Mistakes};
pub use store::{StoreConfig, StoreProfile};
pub use tables::{
    AccountConfig, AdminConfig, Config, DeploymentConfig, ExecutorConfig, GatewayConfig, KeyConfig,
    KeySource, KrakenConfig, LogConfig, LogFormat, SandboxConfig, ShutdownConfig, Tier, TracesConfig,
    TradingTier,
};
pub use values::{CollectorUrl, HostPort, Label, RedisUrl, RestUrl};

use mistakes::Report;
use section::Section;

/// What the roles run with when there is no file: loopback, in-memory store, the built-in sandbox and its keys.
const EMBEDDED: &str = include_str!("embedded.toml");

/// Kraken's Spot REST API (Kraken docs: REST introduction).
const KRAKEN_REST_URL: &str = "https://api.kraken.com";

impl Config {
    /// Reads a file (its name for messages, and its text) or, without one, the embedded defaults; then the
    /// variables that begin with `TIDEGATE__`.
    ///
    /// Double underscores separate levels and case does not matter after the prefix. `TIDEGATE__KEYS__DESK_A__POOL`
    /// addresses the entry `[keys.desk-a]` or `[keys.desk_a]`, whichever there is, else it makes `[keys.desk_a]`.
    /// A value is read as TOML where it is TOML (`5`, `true`, `["a", "b"]`), else as plain text.
    ///
    /// # Errors
    /// Every mistake, each with its path.
    pub fn load(
        file: Option<(&str, &str)>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Mistakes> {
        Self::load_noting_keys(file, env).0
    }

    /// What the roles run with when there is neither a file nor a variable.
    ///
    /// # Errors
    /// Never, as a test proves; the signature is that of every other way to a configuration.
    pub fn embedded_defaults() -> Result<Self, Mistakes> {
        Self::load(None, [])
    }

    /// The address of Kraken: as configured, else the sandbox of this process if it runs one, else Kraken itself.
    ///
    /// # Errors
    /// When sandbox keys would be sent to Kraken. [`Config::load`] cannot see this where the sandbox is enabled
    /// in the file but the role at hand does not run it.
    pub fn rest_url(&self, sandbox: Option<std::net::SocketAddr>) -> Result<RestUrl, Mistakes> {
        let url = match (&self.kraken.rest_url, sandbox) {
            (Some(url), _) => url.clone(),
            (None, Some(addr)) => RestUrl::of_sandbox(addr),
            (None, None) => RestUrl::kraken(),
        };
        let report = Report::default();
        check::sandbox_keys_stay_in_the_sandbox(&self.keys, &url, &report);
        report.into_result(url)
    }

    /// Also returns the paths of all keys that were asked for, with `*` for labels.
    fn load_noting_keys(
        file: Option<(&str, &str)>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> (Result<Self, Mistakes>, Vec<String>) {
        let mut report = Report::default();
        let (name, text) = file.unwrap_or(("the embedded defaults", EMBEDDED));
        let mut table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                report.add(name, mistakes::syntax(text, &error));
                return (Err(report.into_mistakes()), Vec::new());
            }
        };
        environment::overlay(&mut table, env, &mut report);
        let mut root = Section::root(table, &report);
        let config = read::config(&mut root);
        root.finish();
        check::all(&config, &report);
        let keys = report.keys();
        (report.into_result(config), keys)
    }
}

#[cfg(test)]
mod tests;
