//! Keys that place orders, more than the sandbox has built in: without a window each has one call in flight, and here many
//! calls hang. None has a window, because such a key is promised nothing where something on the way delivers twice.
//!
//! Every twentieth request is delivered twice here, and each second delivery is a refused nonce. Two of them that nobody
//! can explain close a key for a minute, and the pauses grow with each time: with too few keys all of them are closed most
//! of the time, and callers wait.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

const PERMISSIONS: &str = "[\"modify-trades\", \"close-trades\"]";

fn label(at: usize) -> String {
    format!("trader-{at}")
}

/// Writes so many for the sandbox and returns the file for its `keys_file`.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(dir: &Path, count: usize) -> anyhow::Result<PathBuf> {
    let mut keys = Vec::new();
    for label in (0..count).map(label) {
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
pub(super) fn tables(dir: &Path, count: usize) -> String {
    let mut text = String::new();
    for label in (0..count).map(label) {
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
