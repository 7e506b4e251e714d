//! Every row of the endpoint table against the recorded facts about Kraken's API.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_core::{ENDPOINTS, Encoding, Needs, Permission, PermissionSet, Verb};

fn recorded() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../../tests/data/endpoints.json")).expect("a JSON list")
}

#[test]
fn the_table_says_what_the_recorded_facts_say() {
    let recorded = recorded();
    assert_eq!(recorded.len(), ENDPOINTS.len());
    for (row, fact) in ENDPOINTS.iter().zip(&recorded) {
        let name = fact["name"].as_str().expect("a name");
        assert_eq!(row.name, name);
        assert_eq!(row.path, fact["path"], "{name}");
        let verb = match row.verb {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        };
        assert_eq!(verb, fact["method"], "{name}");
        let encoding = match row.encoding {
            Encoding::Query => "query",
            Encoding::Form => "form",
            Encoding::Json => "json",
        };
        assert_eq!(encoding, fact["content_type"], "{name}");
        assert_eq!(u64::from(row.rest_points_documented), fact["counter_cost"], "{name}");
        let charged = fact.get("counter_cost_conservative").unwrap_or(&fact["counter_cost"]);
        assert_eq!(u64::from(row.rest_points), *charged, "{name}");
        assert_eq!(row.trading_limited, fact["trading_limited"], "{name}");
        assert_eq!(row.is_private(), fact["visibility"] == "private", "{name}");
        let repeatable = fact["idempotent"].as_bool().expect("a bool");
        assert!(repeatable || row.effect.is_mutating(), "{name} is not repeatable, so it must not be a read");

        let needed: Vec<PermissionSet> = fact["permission_tokens"]
            .as_array()
            .expect("alternatives")
            .iter()
            .map(|all| {
                let tokens = all.as_array().expect("tokens");
                tokens.iter().map(|t| t.as_str().expect("text").parse::<Permission>().expect(name)).collect()
            })
            .collect();
        match row.needs {
            Needs::Public => assert!(needed.is_empty(), "{name}"),
            Needs::AnyKey => assert_eq!(needed, [PermissionSet::EMPTY], "{name}"),
            Needs::AnyOf(sets) => assert_eq!(needed, sets, "{name}"),
        }
    }
}

/// Where the sources conflict: the endpoint, how that is known, and what the other source asks for. A quotation is of the notes
/// of the recorded facts; the rest is in the tables of conflicts that were compiled with them.
type OtherReading = (&'static str, Option<&'static str>, &'static [&'static [&'static str]]);
const OTHER_READINGS: &[OtherReading] = &[
    ("TradeBalance", Some("the key guide lists it under Query Funds"), &[&["query-funds"]]),
    ("TradesHistory", None, &[&["query-closed-trades"], &["query-open-trades"]]),
    ("QueryTrades", None, &[&["query-closed-trades"], &["query-open-trades"]]),
    ("DepositAddresses", Some("key guide lists it under Deposit"), &[&["add-funds"]]),
    ("CreateSubaccount", None, &[&["modify-trades"]]),
    (
        "FundingBeta/UpdateAddress",
        Some("verb, path and page address are inferred"),
        &[&["add-withdraw-address", "update-withdraw-address"]],
    ),
];

#[test]
fn the_table_names_the_other_readings_and_no_more() {
    let read: Vec<(&str, Vec<Needs>)> = ENDPOINTS
        .iter()
        .filter(|row| !row.other_readings.is_empty())
        .map(|row| (row.name, row.other_readings.iter().map(|reading| reading.needs).collect()))
        .collect();
    assert_eq!(read.len(), OTHER_READINGS.len(), "{read:?}");
    for ((name, needs), (wanted_name, _, wanted)) in read.iter().zip(OTHER_READINGS) {
        assert_eq!(name, wanted_name);
        let [Needs::AnyOf(sets)] = needs[..] else { panic!("{name}: {needs:?}") };
        let tokens: Vec<Vec<&str>> =
            sets.iter().map(|set| set.iter().map(Permission::token).collect()).collect();
        assert_eq!(tokens, wanted.iter().map(|set| set.to_vec()).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn every_conflict_that_the_recorded_facts_speak_of_is_in_the_list() {
    for fact in recorded() {
        let (name, notes) = (fact["name"].as_str().expect("a name"), fact["notes"].as_str().expect("notes"));
        let listed = OTHER_READINGS.iter().find(|(listed, ..)| *listed == name);
        if notes.contains("key guide") {
            assert!(listed.is_some(), "{name}: {notes}");
        }
        if let Some((_, Some(quotation), _)) = listed {
            assert!(notes.contains(quotation), "{name} does not say {quotation:?}: {notes}");
        }
    }
}

#[test]
fn what_tells_of_the_past_is_what_takes_a_stretch_of_time_or_the_ids_of_such() {
    let by_id = ["QueryOrders", "OrderAmends", "QueryTrades", "QueryLedgers"];
    for fact in recorded() {
        let name = fact["name"].as_str().expect("a name");
        let params = fact["params"].as_array().expect("parameters");
        let has = |wanted: &str| params.iter().any(|param| param["name"] == wanted);
        let stretch = (has("start") && has("end")) || (has("starttm") && has("endtm"));
        let row = ENDPOINTS.iter().find(|row| row.name == name).expect("a row");
        assert_eq!(row.is_history(), stretch || by_id.contains(&name), "{name}");
    }
}

#[test]
fn names_and_verb_with_path_are_unique() {
    let names: BTreeSet<_> = ENDPOINTS.iter().map(|e| e.name).collect();
    let routes: BTreeSet<_> = ENDPOINTS.iter().map(|e| (format!("{:?}", e.verb), e.path)).collect();
    assert_eq!((names.len(), routes.len()), (68, 68));
}
