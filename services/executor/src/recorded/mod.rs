//! What becomes of Kraken's answers on their whole way to the caller, endpoint by endpoint.
//!
//! *The idea.* `tests/data/recorded` holds a whole body for each endpoint of the recorded facts, and further forms of some
//! (`Name@form.json`). Each is read by the functions that the services use. Then every place of every body is changed in turn,
//! mechanically, in each way in which Kraken's answers are known to differ from their documentation, and what is allowed to come
//! of it is little: the same reply; the same with the new thing in it word for word; or a refusal that names the place. Never a
//! panic, never a value that Kraken did not write, never digits that are not Kraken's.

mod changes;
mod leaves;
mod replies;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use prost_reflect::{DynamicMessage, MessageDescriptor};

use self::leaves::{Leaf, leaves, reply_of};
use self::tree::Tree;

/// Its answer is an archive and no shape; `kraken/tests/download` and the tests of reports have it.
const ARCHIVE: &str = "RetrieveExport";

/// A recorded body.
struct Recording {
    /// `Earn/Strategies`, or with the form `OpenPositions@joined`.
    name: String,
    endpoint: String,
    bare: bool,
    way: replies::Way,
    reply: MessageDescriptor,
    /// The result.
    result: Tree,
}

impl Recording {
    /// What a caller is told if Kraken answers with this result.
    fn told(&self, result: &Tree) -> Result<Vec<Leaf>, String> {
        self.told_of(&if self.bare {
            result.to_string()
        } else {
            format!(r#"{{"error":[],"result":{result}}}"#)
        })
    }

    fn told_of(&self, body: &str) -> Result<Vec<Leaf>, String> {
        let bytes = replies::told(&self.endpoint, &self.way, body)?;
        Ok(leaves(&DynamicMessage::decode(self.reply.clone(), bytes.as_slice()).expect("a reply")))
    }

    /// What a caller is told of the recording as it is.
    fn whole(&self) -> Vec<Leaf> {
        self.told(&self.result).unwrap_or_else(|text| panic!("{}: {text}", self.name))
    }
}

fn data(name: &str) -> std::path::PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data")).join(name)
}

/// All of them, by name.
fn recordings() -> &'static [Recording] {
    static ALL: LazyLock<Vec<Recording>> = LazyLock::new(read_all);
    &ALL
}

fn read_all() -> Vec<Recording> {
    let files = std::fs::read_dir(data("recorded")).expect("the directory");
    let mut all: Vec<Recording> = files
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").replace('.', "/");
            let endpoint = name.split('@').next().unwrap_or_default().to_owned();
            let body = Tree::of(&std::fs::read_to_string(&path).expect("readable"));
            let bare = endpoint.starts_with("FundingBeta/");
            let result = if bare { Some(&body) } else { body.member("result") };
            let result = result.unwrap_or_else(|| panic!("{name} has no result")).clone();
            let way = replies::way(&endpoint).unwrap_or_else(|| panic!("no row for {endpoint}"));
            let reply = reply_of(&endpoint);
            Recording { name, endpoint, bare, way, reply, result }
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Kraken's endpoints by the recorded facts, with the shape that is documented.
fn facts() -> BTreeMap<String, Tree> {
    let facts = std::fs::read_to_string(data("endpoints.json")).expect("readable");
    let Tree::List(facts) = Tree::of(&facts) else { panic!("a list") };
    let name = |fact: &Tree| match fact.member("name") {
        Some(Tree::Leaf(json)) => serde_json::from_str::<String>(json).expect("a name"),
        _ => panic!("{fact} has no name"),
    };
    facts.iter().map(|fact| (name(fact), fact.member("result_shape").expect("a shape").clone())).collect()
}

#[test]
fn every_endpoint_has_a_recording_and_each_recording_an_endpoint() {
    let known: BTreeSet<String> = facts().into_keys().filter(|name| name != ARCHIVE).collect();
    let recorded: BTreeSet<String> = recordings().iter().map(|recording| recording.name.clone()).collect();
    let (forms, plain): (BTreeSet<String>, BTreeSet<String>) =
        recorded.into_iter().partition(|name| name.contains('@'));
    assert_eq!(plain, known);
    assert!(forms.len() > 10, "{forms:?}");
}

/// Names that stand for something of Kraken's, and not for a member: assets, pairs, ids.
fn is_a_name(step: &str) -> bool {
    let upper = step.chars().filter(char::is_ascii_uppercase).count();
    upper >= 3 || step == "USDC.F" || step.bytes().all(|b| b.is_ascii_digit())
}

#[test]
fn every_documented_member_is_in_the_recordings() {
    let members = |tree: &Tree| -> BTreeSet<String> {
        let ways = tree.places().into_iter().map(|(way, _)| way);
        ways.map(|way| {
            way.iter().map(|step| if is_a_name(step) { "*" } else { step }).collect::<Vec<_>>().join(".")
        })
        .collect()
    };
    let mut recorded: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for recording in recordings() {
        recorded.entry(recording.endpoint.clone()).or_default().extend(members(&recording.result));
    }
    let mut missing = Vec::new();
    for (name, shape) in facts().into_iter().filter(|(name, _)| name != ARCHIVE) {
        let there = &recorded[&name];
        missing.extend(
            members(&shape).into_iter().filter(|m| !there.contains(m)).map(|m| format!("{name}: {m}")),
        );
    }
    // Shapes that are only sketched in the facts, and recorded as clients saw them.
    let sketched = |line: &String| {
        ["FundingBeta/ListMethods: methods.*.network_id", "FundingBeta/ListAddresses: addresses.*.name"]
            .contains(&line.as_str())
    };
    missing.retain(|line| !sketched(line));
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_recording_is_read_to_the_reply_of_its_rpc() {
    for recording in recordings() {
        let name = recording.way.reply.rsplit("::").next().unwrap_or_default();
        assert!(name.eq_ignore_ascii_case(recording.reply.name()), "{}: {name}", recording.name);
        let whole = recording.whole();
        // Bodies that say nothing but yes are known by their outcome.
        assert!(!whole.is_empty() || recording.name.ends_with("Status"), "{} says nothing", recording.name);
    }
}

/// Fields of replies that no answer of Kraken's can fill by itself.
const OURS: &[&str] = &[
    // What is looked up or only checked is told by others than Kraken's answer.
    "Accepted.looked_up",
    "Accepted.validated_only",
    "CancelAllOrdersAfterResponse.over",
    // Filled from what is known of the pairs.
    "GetDepthResponse.symbol",
    "GetGroupedBookResponse.symbol",
    "GetLevel3Response.symbol",
    "GetOHLCResponse.symbol",
    "GetSpreadResponse.symbol",
    "GetTradesResponse.symbol",
    "OpenPosition.symbol",
    "OrderDescription.symbol",
    "OwnTrade.symbol",
    "Ticker.symbol",
];

#[test]
fn every_field_of_every_reply_is_filled_by_a_recording() {
    let (mut wanted, mut filled) = (BTreeSet::new(), BTreeSet::new());
    for recording in recordings() {
        leaves::fields(&recording.reply, &mut wanted);
        filled.extend(
            recording
                .whole()
                .into_iter()
                .map(|(place, _)| place.split('[').next().unwrap_or_default().to_owned()),
        );
    }
    let empty: Vec<_> =
        wanted.iter().filter(|name| !filled.contains(*name) && !OURS.contains(&name.as_str())).collect();
    assert!(empty.is_empty(), "{empty:#?}");
}
