//! The command line: what there is, and what the process ends with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tidegate_runtime::telemetry::init_telemetry;
use tidegate_runtime::{Config, Mistakes};

use crate::roles::{self, Role};
use crate::{call, errors, permissions, tables};

/// Exit code for a configuration with mistakes (`EX_USAGE` of sysexits).
const BAD_CONFIG: u8 = 64;

/// The one door to Kraken for every strategy that a trading team runs.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything in one process: gateway, executor and, where configured, the sandbox.
    All(RoleArgs),
    /// The edge: callers connect here.
    Gateway(RoleArgs),
    /// The side that holds keys.
    Executor(RoleArgs),
    /// A simulated Kraken.
    Sandbox(RoleArgs),
    /// Look at a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the configured keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Look after the store that processes share.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Halt accounts: from then on nothing is placed or changed there, whoever asks; cancels and reads go on, and so does what was
    /// claimed before. It holds for every process on the store, until it is taken back or the store loses its memory.
    Halt {
        /// TOML file.
        #[arg(long)]
        config: PathBuf,
        /// The account. Without it: every account of the configuration.
        #[arg(long)]
        account: Option<String>,
        /// Why, in words for whoever is refused.
        #[arg(long)]
        reason: String,
    },
    /// Take back a halt that was laid on the same account, or on all.
    Resume {
        /// TOML file.
        #[arg(long)]
        config: PathBuf,
        /// The account. Without it: every account of the configuration.
        #[arg(long)]
        account: Option<String>,
    },
    /// What is halted, and why.
    Halts {
        /// TOML file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Every kind of error, its gRPC code and what to do.
    Errors {
        /// The whole catalogue as Markdown, Kraken's own errors included: docs/ERRORS.md.
        #[arg(long)]
        page: bool,
    },
    /// Every endpoint of Kraken with the permissions that it needs, its cost and its RPC; with a configuration, which of them its
    /// keys can serve for each account, and what the smallest key would be that could serve the others.
    Permissions {
        /// TOML file.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// One call, for instance: tidegate call Account/GetBalance '{}'
    Call {
        /// Service and method; the package and the ending "Service" may be left out.
        method: String,
        /// The request in protobuf's JSON form.
        #[arg(default_value = "{}")]
        json: String,
        /// Where the gateway listens.
        #[arg(long, default_value = "127.0.0.1:50051")]
        address: String,
    },
}

#[derive(Debug, Args)]
struct RoleArgs {
    /// TOML file. Without it: loopback, in-memory store, built-in sandbox and its keys.
    #[arg(long)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read a file as a role would, with the environment, and name every mistake.
    Check {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Prepare an empty store, once, before the first start: then the first owners of keys need not wait as after a
    /// loss. A store that is in use is left as it is.
    Init(RoleArgs),
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// The configured keys: label, account, pool, nonce unit, window, permissions. Never the keys.
    List(RoleArgs),
}

/// Runs the command of this process.
pub(crate) fn run() -> ExitCode {
    match Cli::parse().command {
        Command::All(args) => serve(Role::All, args.config.as_deref()),
        Command::Gateway(args) => serve(Role::Gateway, args.config.as_deref()),
        Command::Executor(args) => serve(Role::Executor, args.config.as_deref()),
        Command::Sandbox(args) => serve(Role::Sandbox, args.config.as_deref()),
        Command::Config(ConfigCommand::Check { file }) => match load(Some(&file)) {
            Ok(config) => say(&format!(
                "{}: no mistakes; {} account(s), {} key(s)",
                file.display(),
                config.accounts.len(),
                config.keys.len()
            )),
            Err(code) => code,
        },
        Command::Keys(KeysCommand::List(args)) => match load(args.config.as_deref()) {
            Ok(config) => say(crate::keys::list(&config).trim_end()),
            Err(code) => code,
        },
        Command::Store(StoreCommand::Init(args)) => match load(args.config.as_deref()) {
            Ok(config) => block_on(crate::store::prepare(&config)),
            Err(code) => code,
        },
        Command::Halt { config, account, reason } => halt(&config, account.as_deref(), Some(&reason)),
        Command::Resume { config, account } => halt(&config, account.as_deref(), None),
        Command::Halts { config } => match load(Some(&config)) {
            Ok(config) => block_on(crate::halts::list(&config)),
            Err(code) => code,
        },
        Command::Errors { page: true } => say(errors::page().trim_end()),
        Command::Errors { page: false } => say(tables::errors().trim_end()),
        Command::Permissions { config: None } => say(permissions::matrix().trim_end()),
        Command::Permissions { config: Some(file) } => match load(Some(&file)) {
            Ok(config) => say(permissions::of_keys(&config).trim_end()),
            Err(code) => code,
        },
        Command::Call { method, json, address } => ask(&address, &method, &json),
    }
}

#[expect(clippy::print_stdout, reason = "a command answers on standard output")]
fn say(text: &str) -> ExitCode {
    println!("{text}");
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "what is wrong goes to standard error, before logging begins")]
fn fail(text: &str, code: u8) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(code)
}

/// Reads the configuration, or prints every mistake in it.
fn load(file: Option<&Path>) -> Result<Config, ExitCode> {
    let text = file.map(|path| {
        std::fs::read_to_string(path).map_err(|error| {
            fail(&format!("the configuration file {} cannot be read: {error}", path.display()), BAD_CONFIG)
        })
    });
    let text = text.transpose()?;
    let name = file.map(|path| path.display().to_string()).unwrap_or_default();
    let mistakes = |mistakes: Mistakes| fail(mistakes.to_string().trim_end(), BAD_CONFIG);
    Config::load(text.as_deref().map(|text| (name.as_str(), text)), std::env::vars()).map_err(mistakes)
}

fn serve(role: Role, file: Option<&Path>) -> ExitCode {
    let config = match load(file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot start: {error}"), 1),
    };
    let entered = runtime.enter();
    let traces = match init_telemetry(&config.log, &config.traces, role.name()) {
        Ok(traces) => traces,
        Err(error) => return fail(&error, BAD_CONFIG),
    };
    drop(entered);
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return fail("a TLS provider was installed twice", 1);
    }
    let ended = runtime.block_on(roles::run(role, config, file.is_none()));
    traces.finish();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn halt(config: &Path, account: Option<&str>, reason: Option<&str>) -> ExitCode {
    match load(Some(config)) {
        Ok(config) => block_on(crate::halts::lay(&config, account, reason)),
        Err(code) => code,
    }
}

fn block_on(lines: impl Future<Output = Result<Vec<String>, String>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot start: {error}"), 1),
    };
    match runtime.block_on(lines) {
        Ok(lines) => say(&lines.join("\n")),
        Err(error) => fail(&error, 1),
    }
}

fn ask(address: &str, method: &str, json: &str) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot start: {error}"), 1),
    };
    let print = |text: &str| {
        let _ = say(text);
    };
    match runtime.block_on(call::call(address, method, json, print)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}
