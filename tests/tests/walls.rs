//! Who may depend on whom: the walls of the house, read from `cargo metadata`.
//!
//! Normal dependencies count; what a crate uses for its own tests does not.

use std::collections::{BTreeMap, BTreeSet};
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
