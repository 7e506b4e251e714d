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

#[test]
fn names_and_verb_with_path_are_unique() {
    let names: BTreeSet<_> = ENDPOINTS.iter().map(|e| e.name).collect();
    let routes: BTreeSet<_> = ENDPOINTS.iter().map(|e| (format!("{:?}", e.verb), e.path)).collect();
    assert_eq!((names.len(), routes.len()), (68, 68));
}
