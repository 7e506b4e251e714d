//! What the binary says when asked on the command line.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidegate_tests::house::{House, Plan, sandbox_key};
use tidegate_tests::process::binary;

/// Every endpoint with its alternatives, from the recorded facts.
fn facts() -> Vec<(String, Vec<BTreeSet<String>>)> {
    let facts: Vec<Value> =
        serde_json::from_str(include_str!("../../data/endpoints.json")).expect("a JSON list");
    let tokens = |set: &Value| {
        set.as_array().expect("tokens").iter().map(|t| t.as_str().expect("text").to_owned()).collect()
    };
    facts
        .iter()
        .map(|fact| {
            let sets =
                fact["permission_tokens"].as_array().expect("alternatives").iter().map(tokens).collect();
            (fact["name"].as_str().expect("a name").to_owned(), sets)
        })
        .collect()
}

/// What a command prints; it must end well.
async fn said(dir: &std::path::Path, args: &[&str]) -> String {
    let output = tokio::process::Command::new(binary())
        .current_dir(dir)
        .args(args)
        .output()
        .await
        .expect("the binary");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_says_of_every_endpoint_what_the_recorded_facts_say() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = said(dir.path(), &["permissions"]).await;
    let (matrix, legend) = text.split_once("\n\n").expect("a matrix and a legend");
    let token_of: BTreeMap<&str, &str> = legend
        .lines()
        .skip_while(|line| !line.starts_with("COLUMN"))
        .skip(1)
        .map(|line| {
            (
                line.split_whitespace().next().expect("a column"),
                line.split_whitespace().nth(1).expect("a token"),
            )
        })
        .collect();
    assert_eq!(token_of.len(), 13, "{legend}");
    let mut rows = matrix.lines();
    let columns: Vec<&str> = rows.next().expect("a head").split_whitespace().skip(1).take(13).collect();
    let rows: BTreeMap<&str, Vec<&str>> = rows
        .map(|row| {
            let mut words = row.split_whitespace();
            (words.next().expect("a name"), words.take(13).collect())
        })
        .collect();
    let facts = facts();
    assert_eq!(rows.len(), facts.len());
    for (name, sets) in &facts {
        let cells = &rows[name.as_str()];
        for (column, cell) in columns.iter().zip(cells) {
            let token = token_of[column];
            let within: Vec<usize> = (0..sets.len()).filter(|set| sets[*set].contains(token)).collect();
            let wanted = match (within.is_empty(), sets.len()) {
                (true, _) => String::new(),
                (false, 1) => "+".to_owned(),
                (false, _) => within.iter().map(|set| ["a", "b", "c"][*set]).collect(),
            };
            assert!(
                *cell == wanted || (wanted.is_empty() && [".", "?"].contains(cell)),
                "{name} {token}: {cell}"
            );
        }
    }
    assert_eq!(rows["TradeBalance"].iter().filter(|cell| **cell == "?").count(), 1, "the sources differ");
}

/// The lines of a table that begins with this head, by their first word.
fn table<'t>(text: &'t str, head: &str) -> BTreeMap<&'t str, &'t str> {
    let lines = text.lines().skip_while(|line| !line.contains(head)).skip(1);
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(' '))
        .map(|(name, rest)| (name, rest.trim()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_s_keys_are_told_what_they_can_serve_and_what_would_help() {
    const KEYS: [&str; 3] = ["sandbox-read", "sandbox-trade", "sandbox-cancel"];
    let house = House::build(Plan::default()).await.expect("a house");
    let file = house.dir().join("keys.toml");
    std::fs::write(&file, house.config(&KEYS, "").expect("a config")).expect("written");
    let text = said(house.dir(), &["permissions", "--config", file.to_str().expect("a path")]).await;
    let (main, second) = text.split_once("\naccount second").expect("two accounts");
    let (served, unserved) = (table(main, "SERVED BY"), table(main, "SMALLEST KEY"));

    let have: BTreeMap<&str, BTreeSet<String>> = KEYS
        .into_iter()
        .map(|label| {
            let tokens = sandbox_key(label).expect("a key")["permission_tokens"].clone();
            (label, serde_json::from_value(tokens).expect("tokens"))
        })
        .collect();
    for (name, sets) in facts().iter().filter(|(_, sets)| !sets.is_empty()) {
        let fit: BTreeSet<&str> = have
            .iter()
            .filter(|(_, have)| sets.iter().any(|set| set.is_subset(have)))
            .map(|(label, _)| *label)
            .collect();
        if fit.is_empty() {
            let smallest = sets.iter().map(BTreeSet::len).min().expect("a set");
            let line =
                unserved.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not among {unserved:?}"));
            for set in sets.iter().filter(|set| set.len() == smallest) {
                assert!(set.iter().all(|token| line.contains(token)), "{name}: {line}");
            }
            assert!(!served.contains_key(name.as_str()), "{name}");
        } else {
            let line = served.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not among {served:?}"));
            let labels = line.split(';').next().expect("labels").split(", ");
            let labels: BTreeSet<&str> = labels.map(|label| label.trim_end_matches('?')).collect();
            assert_eq!(labels, fit, "{name}");
        }
    }
    assert!(served["CancelOrder"].starts_with("sandbox-cancel, sandbox-trade"), "{}", served["CancelOrder"]);
    assert!(
        served["WalletTransfer"].contains("refused while executor.allow_transfers is false"),
        "{served:?}"
    );
    assert!(unserved["Ledgers"].ends_with("query-ledger"), "{}", unserved["Ledgers"]);
    // An account without keys is told what would help, too.
    assert!(second.contains("can serve 0 of 56"), "{second}");
    assert_eq!(table(second, "SMALLEST KEY").len(), 56);
}
