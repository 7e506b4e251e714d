//! The surface: each endpoint of Kraken has exactly one unary RPC, and each RPC that ends at Kraken an endpoint.
//!
//! What there is at Kraken comes from the recorded facts, what there is here from the compiled-in descriptor. What has no RPC
//! yet is listed in `tests/data/not_served.txt`.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, Value};
use tidegate_proto::{FILE_DESCRIPTOR_SET, METHODS};

/// Kraken's endpoints, by the recorded facts.
fn endpoints() -> BTreeSet<String> {
    let facts: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../data/endpoints.json")).expect("a JSON list");
    facts.iter().map(|fact| fact["name"].as_str().expect("a name").to_owned()).collect()
}

fn not_served() -> Vec<String> {
    let lines = include_str!("../data/not_served.txt").lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// Endpoint to the RPCs that end in it, and whether they stream; from the descriptor that a client gets by reflection.
fn rpcs() -> BTreeMap<String, Vec<(String, bool)>> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("a descriptor set");
    let option = pool.get_extension_by_name("tidegate.v1.kraken_endpoint").expect("the option");
    let mut found: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    for service in pool.services().filter(|service| service.package_name() == "tidegate.v1") {
        for method in service.methods() {
            let options = method.options();
            if !options.has_extension(&option) {
                continue;
            }
            let Value::String(endpoint) = options.get_extension(&option).into_owned() else {
                panic!("{} names no endpoint", method.full_name());
            };
            let streams = method.is_server_streaming() || method.is_client_streaming();
            found.entry(endpoint).or_default().push((method.full_name().to_owned(), streams));
        }
    }
    found
}

#[test]
fn each_endpoint_has_exactly_one_unary_rpc_or_is_listed_as_not_served() {
    let (rpcs, listed) = (rpcs(), not_served());
    let mut wrong = Vec::new();
    for endpoint in endpoints() {
        let all = rpcs.get(&endpoint).map(Vec::as_slice).unwrap_or_default();
        // A stream is a second way to the endpoint of a unary RPC.
        let counted = all.iter().filter(|(_, streams)| !streams);
        match (counted.count(), listed.contains(&endpoint)) {
            (1, false) | (0, true) => {}
            (0, false) => wrong.push(format!("{endpoint} has no unary RPC and is not in not_served.txt")),
            (1, true) => wrong.push(format!("{endpoint} has an RPC: take it out of not_served.txt")),
            (count, _) => wrong.push(format!("{endpoint} has {count} RPCs: {all:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_rpc_ends_in_an_endpoint_that_there_is() {
    let endpoints = endpoints();
    for (endpoint, rpcs) in rpcs() {
        assert!(endpoints.contains(&endpoint), "{rpcs:?} end in {endpoint}, which Kraken does not have");
    }
}

#[test]
fn the_list_names_each_endpoint_once_and_no_other() {
    let (listed, endpoints) = (not_served(), endpoints());
    let distinct: BTreeSet<_> = listed.iter().collect();
    assert_eq!(distinct.len(), listed.len(), "{listed:?}");
    for endpoint in &listed {
        assert!(endpoints.contains(endpoint), "not_served.txt: Kraken has no endpoint {endpoint}");
    }
}

#[test]
fn the_gateway_s_table_says_what_the_descriptor_says() {
    let mut tabled: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    for method in METHODS {
        if let Some(endpoint) = method.endpoint {
            let name = format!("{}.{}", method.service, method.name);
            tabled.entry(endpoint.to_owned()).or_default().push((name, method.streaming));
        }
    }
    assert_eq!(tabled, rpcs());
}
