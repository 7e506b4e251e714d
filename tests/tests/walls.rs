//! Who may depend on whom: the walls of the house, read from `cargo metadata`. And what may not be on the way of money: floats.
//!
//! Normal dependencies count; what a crate uses for its own tests does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Ours, and which of ours each may know.
const ROOMS: &[(&str, &[&str])] = &[
    ("tidegate-core", &[]),
    ("tidegate-proto", &[]),
    ("tidegate-kraken", &["tidegate-core"]),
    ("tidegate-lanes", &["tidegate-core"]),
    ("tidegate-runtime", &["tidegate-core"]),
    ("tidegate-gateway", &["tidegate-core", "tidegate-lanes", "tidegate-proto", "tidegate-runtime"]),
    (
        "tidegate-executor",
        &["tidegate-core", "tidegate-kraken", "tidegate-lanes", "tidegate-proto", "tidegate-runtime"],
    ),
    ("tidegate-sandbox", &[]),
    ("tidegate-model", &[]),
    // Its inputs are messages as callers write them, so it needs prost below.
    (
        "tidegate-fuzzed",
        &["tidegate-core", "tidegate-executor", "tidegate-kraken", "tidegate-proto", "tidegate-runtime"],
    ),
    // Runs the machines themselves against the exchange itself, and nothing of the services around them.
    ("tidegate-sim", &["tidegate-core", "tidegate-kraken", "tidegate-lanes", "tidegate-sandbox"]),
];

/// Heavy dependencies and their one home (or homes, where there is a reason).
const HOMES: &[(&str, &[&str])] = &[
    ("redis", &["tidegate-lanes"]),
    ("reqwest", &["tidegate-kraken"]),
    ("tonic", &["tidegate-proto", "tidegate-runtime", "tidegate-gateway", "tidegate-executor", "tidegate"]),
    ("prost", &["tidegate-proto", "tidegate-gateway", "tidegate-executor", "tidegate-fuzzed"]),
    ("axum", &["tidegate-runtime", "tidegate-sandbox"]),
    ("governor", &["tidegate-gateway"]),
    ("stateright", &["tidegate-model"]),
    ("opentelemetry", &["tidegate-runtime"]),
    ("prometheus", &["tidegate-runtime"]),
    // The sandbox signs and checks with its own code; nobody else needs a MAC.
    ("hmac", &["tidegate-kraken", "tidegate-sandbox"]),
];

/// Crate name to the names of its normal dependencies.
fn normal_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let normal = dependencies.iter().filter(|d| d["kind"].is_null());
            let names = normal.map(|d| d["name"].as_str().expect("a name").to_owned()).collect();
            (package["name"].as_str().expect("a name").to_owned(), names)
        })
        .collect()
}

fn is_ours(name: &str) -> bool {
    name.starts_with("tidegate")
}

#[test]
fn every_crate_knows_only_whom_it_may() {
    let found = normal_dependencies();
    for (room, allowed) in ROOMS {
        let known = found.get(*room).unwrap_or_else(|| panic!("no crate {room} in the workspace"));
        for name in known.iter().filter(|name| is_ours(name)) {
            assert!(allowed.contains(&name.as_str()), "{room} must not know {name}");
        }
    }
    let walled: BTreeSet<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    let free = ["tidegate", "tidegate-tests"];
    for name in found.keys().filter(|name| !free.contains(&name.as_str())) {
        assert!(walled.contains(name.as_str()), "{name} has no row in this table: say whom it may know");
    }
}

#[test]
fn heavy_dependencies_have_one_home() {
    let found = normal_dependencies();
    for (dependency, homes) in HOMES {
        let users: Vec<_> = found
            .iter()
            .filter(|(name, known)| *name != "tidegate-tests" && known.contains(*dependency))
            .map(|(name, _)| name.as_str())
            .collect();
        assert!(!users.is_empty(), "nobody uses {dependency} any more: take its row out");
        for user in users {
            assert!(homes.contains(&user), "{user} must not depend on {dependency}");
        }
    }
}

/// Everything that an amount goes through, from the caller to Kraken and back, and what judges it.
const WAY_OF_MONEY: &[&str] = &[
    "proto/src",
    "proto/tidegate",
    "services/libs/core/src",
    "services/libs/kraken/src",
    "services/libs/lanes/src",
    "services/gateway/src",
    "services/executor/src",
    "services/sandbox/src",
    "services/tidegate/src",
];

/// All files under a directory.
fn files(directory: &Path, all: &mut Vec<PathBuf>) {
    for entry in
        std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
    {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, all) } else { all.push(path) }
    }
}

/// The words for floats in a source, with their lines. What is behind `//` does not count.
fn floats(source: &str) -> Vec<(usize, &str)> {
    let code = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    let words = code.enumerate().flat_map(|(at, line)| {
        line.split(|c: char| !c.is_alphanumeric() && c != '_').map(move |word| (at + 1, word))
    });
    // `as_f64` and its like too.
    words
        .filter(|(_, word)| {
            word.ends_with("f32") || word.ends_with("f64") || ["float", "double"].contains(word)
        })
        .collect()
}

#[test]
fn no_float_is_on_the_way_of_money() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (mut seen, mut found) = (0, Vec::new());
    for room in WAY_OF_MONEY {
        let mut all = Vec::new();
        files(&root.join(room), &mut all);
        for path in
            all.iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs" || kind == "proto"))
        {
            let source = std::fs::read_to_string(path).expect("readable");
            seen += 1;
            found.extend(
                floats(&source).into_iter().map(|(line, word)| format!("{}:{line}: {word}", path.display())),
            );
        }
    }
    assert!(seen > 150, "only {seen} files");
    assert!(found.is_empty(), "{}", found.join("\n"));
    // Measures are no money; and what finds nothing there would find nothing anywhere.
    let metrics = root.join("services/libs/runtime/src/telemetry/metrics.rs");
    assert!(!floats(&std::fs::read_to_string(metrics).expect("readable")).is_empty());
    for float in ["let x: f64 = 1", "raw.as_f64()", "x as f32", "  double price = 3;"] {
        assert_eq!(floats(float).len(), 1, "{float}");
    }
    assert!(floats("never a float // nor f64\n/// double").len() == 1, "comments do not count");
}
