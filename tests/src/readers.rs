//! Equal keys that read, as many as a story needs: keys of the sandbox that are not built in.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// The label of one of them, the first is 0.
pub fn label(at: usize) -> String {
    format!("reader-{at}")
}

/// Writes so many keys for the sandbox and returns the file for its `keys_file`. `window` is in microseconds.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path, count: usize, window: u64) -> anyhow::Result<PathBuf> {
    let mut keys = Vec::new();
    for at in 0..count {
        let label = label(at);
        let random = || uuid::Uuid::new_v4().into_bytes();
        let secret = STANDARD.encode([random(), random(), random(), random()].concat());
        std::fs::write(dir.join(&label), format!("{label}\n{secret}\n"))?;
        keys.push(json!({
            "label": label, "api_key": label, "secret": secret, "account": "main", "nonce_window": window,
            "nonce_unit": "us", "permission_tokens": ["query-funds"],
        }));
    }
    let file = dir.join("readers.json");
    std::fs::write(&file, json!({ "keys": keys }).to_string())?;
    Ok(file)
}

/// The tables of all of them for tidegate's configuration.
pub fn tables(dir: &Path, count: usize, window: u64) -> String {
    let mut text = String::new();
    for label in (0..count).map(label) {
        let file = dir.join(&label);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[keys.{label}]\naccount = \"main\"\nfile = \"{}\"\nnonce_unit = \"us\"\nwindow = {window}\npermissions = \
             [\"query-funds\"]\n",
            file.display()
        );
    }
    text
}
