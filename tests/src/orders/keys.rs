//! Keys that place orders, more than the sandbox has built in: without a window each has one call in flight, and here many
//! calls hang. None has a window, because such a key is promised nothing where something on the way delivers twice.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// How many there are.
pub(super) const COUNT: usize = 24;

const PERMISSIONS: &str = "[\"modify-trades\", \"close-trades\"]";

fn label(at: usize) -> String {
    format!("trader-{at}")
}

/// Writes them for the sandbox and returns the file for its `keys_file`.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(dir: &Path) -> anyhow::Result<PathBuf> {
    let mut keys = Vec::new();
    for label in (0..COUNT).map(label) {
        let random = || uuid::Uuid::new_v4().into_bytes();
        let secret = STANDARD.encode([random(), random(), random(), random()].concat());
        std::fs::write(dir.join(&label), format!("{label}\n{secret}\n"))?;
        keys.push(json!({
            "label": label, "api_key": label, "secret": secret, "account": "main", "nonce_window": 0,
            "nonce_unit": "us", "permission_tokens": ["modify-trades", "close-trades"],
        }));
    }
    let file = dir.join("traders.json");
    std::fs::write(&file, json!({ "keys": keys }).to_string())?;
    Ok(file)
}

/// Their tables for the configuration of the pool `trade`.
pub(super) fn tables(dir: &Path) -> String {
    let mut text = String::new();
    for label in (0..COUNT).map(label) {
        let file = dir.join(&label);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[keys.{label}]\naccount = \"main\"\npool = \"trade\"\nfile = \"{}\"\nnonce_unit = \"us\"\nwindow = 0\npermissions = \
             {PERMISSIONS}\n",
            file.display()
        );
    }
    text
}
