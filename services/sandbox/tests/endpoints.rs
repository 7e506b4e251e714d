//! Every row of the exchange's own table against the recorded facts about Kraken's API. The rows were written from the
//! documentation a second time; this is where a slip of the pen in either copy shows.

use serde_json::Value;

#[test]
fn the_exchange_asks_what_the_recorded_facts_say() {
    let facts: Vec<Value> =
        serde_json::from_str(include_str!("../../../tests/data/endpoints.json")).expect("a JSON list");
    let rows: Vec<_> = tidegate_sandbox::table().collect();
    assert_eq!(rows.len(), facts.len());
    for fact in &facts {
        let name = fact["name"].as_str().expect("a name");
        let row = rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row {name}"));
        assert_eq!(row.path, fact["path"], "{name}");
        assert_eq!(row.verb, fact["method"], "{name}");
        assert_eq!(row.public, fact["visibility"] == "public", "{name}");
        let permissions = serde_json::to_value(row.permissions).expect("a list of lists");
        assert_eq!(permissions, fact["permission_tokens"], "{name}");
        assert_eq!(u64::from(row.cost), fact["counter_cost"], "{name}");
        let conservative = fact.get("counter_cost_conservative").unwrap_or(&fact["counter_cost"]);
        assert_eq!(u64::from(row.cost_conservative), *conservative, "{name}");
    }
}
