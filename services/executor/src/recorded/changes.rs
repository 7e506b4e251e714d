//! Each place of each recording, changed.

use proptest::prelude::*;
use proptest::sample::Index;

use super::leaves::Leaf;
use super::tree::{Tree, Way, written};
use super::{Recording, recordings};

/// What Kraken may add tomorrow.
const NEWS: &str = r#"{"a": [1.10]}"#;
const NEWS_NAME: &str = "zz_news";
/// More digits than any number type holds.
const DIGITS: &str = "12345678901234567.12345678901234567890123456789";
const STRANGE: &str = "zz strange";

/// A change, what came of it, and what is wrong with that.
struct Trial<'a> {
    recording: &'a Recording,
    whole: Vec<Leaf>,
    wrong: Vec<String>,
}

impl Trial<'_> {
    fn blame(&mut self, change: &str, way: &[String], came: &Result<Vec<Leaf>, String>, why: &str) {
        let came = match came {
            Ok(leaves) => {
                let news: Vec<_> = leaves.iter().filter(|leaf| !self.whole.contains(leaf)).collect();
                let gone: Vec<_> = self.whole.iter().filter(|leaf| !leaves.contains(leaf)).collect();
                format!("new {news:?}, gone {gone:?}")
            }
            Err(text) => format!("refused: {text}"),
        };
        self.wrong.push(format!("{} {} {change}: {why}; {came}", self.recording.name, written(way)));
    }

    /// A refusal must name the place.
    fn refused(&mut self, change: &str, way: &[String], text: &str) {
        if !names(&self.recording.name, text, way) {
            self.blame(change, way, &Err(text.to_owned()), "the refusal does not name the place");
        }
    }
}

/// Whether a refusal tells where to look: the place itself, or the row that it stands in.
fn names(recording: &str, text: &str, way: &[String]) -> bool {
    let in_row = way.last().is_some_and(|step| step.bytes().all(|b| b.is_ascii_digit()));
    let row = &way[..way.len().saturating_sub(usize::from(in_row))];
    if text.contains(&written(way)) || in_row && text.contains(&written(row)) {
        return true;
    }
    NAMED_OTHERWISE.iter().any(|(name, place, words)| {
        recording.split('@').next() == Some(*name) && written(way).ends_with(place) && text.contains(words)
    })
}

/// Refusals that say what is missing in words of their own.
const NAMED_OTHERWISE: &[(&str, &str, &str)] = &[
    ("AddOrder", "result.txid", "there is no txid in it"),
    ("EditOrder", "result.txid", "neither txid nor orders_cancelled"),
    // With a txid beside it.
    ("EditOrder", "result.error_message", "error_message is zz"),
    ("EditOrder", "result.orders_cancelled", "neither txid nor orders_cancelled"),
    ("RemoveExport", "result.delete", "an object with delete or cancel"),
    ("RemoveExport", "result.cancel", "an object with delete or cancel"),
    // A member that Kraken names after a pair.
    ("Depth", "result.XXBTZUSD", "with the data of a pair"),
    ("OHLC", "result.XXBTZUSD", "with the data of a pair"),
    ("Spread", "result.XXBTZUSD", "with the data of a pair"),
    ("Trades", "result.XXBTZUSD", "with the data of a pair"),
    // Where there are two spellings the documented one is named.
    ("FundingBeta/CalculateFees", "net_amount.asset_amount", "net_amount.asset is not present"),
    ("FundingBeta/CreateWithdrawal", "gross_amount.asset_amount", "gross_amount.asset is not present"),
    ("FundingBeta/ListNetworks", "network_groups.0.id", "network_group_id"),
    ("FundingBeta/ListNetworks", "networks.0.id", "network_id"),
    ("GetApiKeyInfo", "result.nonceWindow", "result.nonce_window"),
];

/// What is left out on purpose.
const NOT_TOLD: &[(&str, &str)] = &[
    // The same volume in whole lots.
    ("Ticker", "XXBTZUSD.a.1"),
    ("Ticker", "XXBTZUSD.b.1"),
    // One or none: which of the two, the kind of the outcome says.
    ("EditOrder", "result.orders_cancelled"),
    // The public half of the key: nobody needs it, and it names the key to Kraken.
    ("GetApiKeyInfo", "result.api_key"),
    ("GetApiKeyInfo", "result.apiKey"),
];

fn is_not_told(recording: &Recording, way: &[String]) -> bool {
    NOT_TOLD.iter().any(|(name, place)| recording.endpoint == *name && written(way).ends_with(place))
}

fn each(mut look: impl FnMut(&mut Trial<'_>)) {
    let mut wrong = Vec::new();
    for recording in recordings() {
        let mut trial = Trial { recording, whole: recording.whole(), wrong: Vec::new() };
        look(&mut trial);
        wrong.append(&mut trial.wrong);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn leaves_of(tree: &Tree) -> Vec<(Way, String)> {
    let places = tree.places().into_iter();
    places
        .filter_map(|(way, place)| match place {
            Tree::Leaf(json) => Some((way, json.clone())),
            _ => None,
        })
        .collect()
}

/// Whether a text of JSON could as well be a number of it.
fn is_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok() && !text.contains(['e', 'E'])
}

fn quoted(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

/// Everything that is told was told before, as often at most, or stands in the answer word for word. What is not known of a part
/// may be said in words of ours.
fn is_part(told: &[Leaf], whole: &[Leaf], answer: &str) -> bool {
    let mut left: Vec<&Leaf> = whole.iter().collect();
    let ours = |place: &str| place.starts_with("Unresolved.") || place.ends_with(".unresolved");
    told.iter().all(|leaf| {
        let (place, text) = leaf;
        ours(place)
            || left.iter().position(|other| *other == leaf).map(|at| left.swap_remove(at)).is_some()
            || place.contains("xtra[") && answer.contains(text.as_str())
    })
}

#[test]
fn what_is_new_in_an_object_is_passed_on_word_for_word() {
    each(|trial| {
        for (way, place) in trial.recording.result.places() {
            let Tree::Object(members) = place else { continue };
            let mut changed = trial.recording.result.clone();
            let Tree::Object(more) = changed.at(&way) else { unreachable!("the same place") };
            more.push((NEWS_NAME.to_owned(), Tree::Leaf(NEWS.to_owned())));
            let came = trial.recording.told(&changed);
            match &came {
                Ok(leaves) => {
                    // Under a name that Kraken could have given to one more of a kind, it is one more of that kind.
                    let leaves = leaves.iter().filter(|(_, text)| text != NEWS_NAME).cloned();
                    let (news, rest): (Vec<_>, Vec<_>) = leaves
                        .partition(|(place, text)| text.contains("[1.10]") || place.contains(NEWS_NAME));
                    if news.iter().filter(|(_, text)| text.contains("[1.10]")).count() != 1 {
                        trial.blame("with news", &way, &came, "the news is not told once");
                    }
                    // One more of a kind is an object more as well.
                    let said = |all: &[Leaf]| {
                        all.iter().filter(|(_, text)| !text.is_empty()).cloned().collect::<Vec<_>>()
                    };
                    let (rest, whole) = (said(&rest), said(&trial.whole));
                    if !is_part(&rest, &whole, &changed.to_string()) || rest.len() < whole.len() {
                        trial.blame("with news", &way, &came, "something else has changed");
                    }
                }
                // What is named by Kraken (assets, pairs, ids) must be of one kind.
                Err(text) if members.iter().any(|(name, _)| super::is_a_name(name)) => {
                    trial.refused("with news", &[&way[..], &[NEWS_NAME.to_owned()]].concat(), text);
                }
                Err(_) => trial.blame("with news", &way, &came, "it costs the answer"),
            }
        }
    });
}

#[test]
fn what_is_missing_is_not_told_or_named() {
    each(|trial| {
        let places = trial.recording.result.places();
        for (way, _) in places.iter().filter(|(way, _)| !way.is_empty()) {
            let with_null = trial.recording.result.with(way, "null");
            let null = trial.recording.told(&with_null);
            let (_, outer) = way.split_last().expect("not the whole");
            let mut outer_tree = trial.recording.result.clone();
            let missing = match outer_tree.at(outer) {
                Tree::Object(_) => trial.recording.result.without(way),
                // In a row a place cannot be missing.
                _ => with_null.clone(),
            };
            let (answer, missing) = (missing.to_string(), trial.recording.told(&missing));
            for (change, came, answer) in
                [("missing", &missing, answer), ("null", &null, with_null.to_string())]
            {
                match came {
                    Ok(leaves) if !is_part(leaves, &trial.whole, &answer) => {
                        trial.blame(change, way, came, "something is told that Kraken did not say");
                    }
                    Ok(_) => {}
                    Err(text) => trial.refused(change, way, text),
                }
            }
            let is_entry = super::is_a_name(way.last().expect("a step"));
            if !is_entry && missing.is_ok() != null.is_ok() {
                trial.blame("null", way, &null, "missing and null do not mean the same");
            }
        }
    });
}

/// Other members are passed on as JSON, so that a text is told with its quotes.
fn plain(leaves: &[Leaf]) -> Vec<(&str, &str)> {
    fn text((place, text): &Leaf) -> (&str, &str) {
        (place, if place.contains("xtra[") { text.trim_matches('"') } else { text })
    }
    leaves.iter().map(text).collect()
}

#[test]
fn numbers_may_be_texts_and_texts_that_are_numbers_may_be_numbers() {
    each(|trial| {
        for (way, json) in leaves_of(&trial.recording.result) {
            let (change, other) = match quoted(&json) {
                None if is_number(&json) => ("as text", format!("\"{json}\"")),
                Some(text) if is_number(text) => ("as number", text.to_owned()),
                _ => continue,
            };
            let came = trial.recording.told(&trial.recording.result.with(&way, &other));
            match &came {
                Ok(leaves) if plain(leaves) == plain(&trial.whole) => {}
                Err(text) if change == "as number" => trial.refused(change, &way, text),
                _ => trial.blame(change, &way, &came, "it is told differently"),
            }
        }
    });
}

#[test]
fn digits_are_kraken_s_or_the_place_is_named() {
    each(|trial| {
        for (way, json) in leaves_of(&trial.recording.result) {
            let text = quoted(&json).unwrap_or(&json);
            if !is_number(text) {
                continue;
            }
            // As nanoseconds the other number is a second and the rest of it.
            for (number, told) in [(DIGITS, DIGITS), ("1.7810004E9", "781000400")] {
                let written = if quoted(&json).is_some() && number == DIGITS {
                    format!("\"{number}\"")
                } else {
                    number.to_owned()
                };
                let came = trial.recording.told(&trial.recording.result.with(&way, &written));
                match &came {
                    Ok(leaves)
                        if leaves.iter().any(|(_, text)| text.contains(told) || text.contains(number)) => {}
                    Ok(_) if is_not_told(trial.recording, &way) => {}
                    Ok(_) => trial.blame(number, &way, &came, "the digits are not Kraken's"),
                    Err(text) => trial.refused(number, &way, text),
                }
            }
        }
    });
}

#[test]
fn words_that_nobody_knows_are_told_or_named() {
    each(|trial| {
        for (way, json) in leaves_of(&trial.recording.result) {
            if quoted(&json).is_none() {
                continue;
            }
            let came = trial.recording.told(&trial.recording.result.with(&way, &format!("\"{STRANGE}\"")));
            match &came {
                Ok(leaves) if leaves.iter().any(|(_, text)| text.contains(STRANGE)) => {}
                Ok(_) if is_not_told(trial.recording, &way) => {}
                Ok(_) => trial.blame(STRANGE, &way, &came, "the word is lost"),
                Err(text) => trial.refused(STRANGE, &way, text),
            }
        }
    });
}

#[test]
fn what_is_of_another_kind_is_told_or_named() {
    each(|trial| {
        for (way, place) in trial.recording.result.places() {
            // The last is what of an object is told: a member that nobody knows.
            for (other, told) in [
                (r#"["zz", {}]"#, r#"["zz", {}]"#),
                ("true", "true"),
                ("-7", "-7"),
                (r#"{"zz": [true]}"#, "[true]"),
            ] {
                let changed = trial.recording.result.with(&way, other);
                let came = trial.recording.told(&changed);
                match &came {
                    Ok(leaves) if leaves.iter().any(|(_, text)| text.contains(told)) => {}
                    Ok(_)
                        if place.to_string() == other || place.to_string() == "false" && other == "true" => {}
                    Ok(_) if is_not_told(trial.recording, &way) || is_recorded(trial.recording, &changed) => {
                    }
                    Ok(_) => trial.blame(other, &way, &came, "it is lost"),
                    // Of the whole answer there is nothing to name.
                    Err(text) if way.is_empty() => assert!(!text.is_empty()),
                    Err(text) => trial.refused(other, &way, text),
                }
            }
        }
    });
}

/// Whether it is another form of the same answer.
fn is_recorded(recording: &Recording, result: &Tree) -> bool {
    recordings().iter().any(|other| other.endpoint == recording.endpoint && other.result == *result)
}

/// Endpoints for which an empty answer is one, and what it may be.
const EMPTY: &[(&str, &[&str])] = &[
    ("AssetPairs", &["{}"]),
    ("Assets", &["{}"]),
    ("Balance", &["{}"]),
    ("BalanceEx", &["{}"]),
    ("CreditLines", &["{}", "null"]),
    ("DepositAddresses", &["[]"]),
    ("DepositMethods", &["[]"]),
    ("DepositStatus", &["[]"]),
    ("Earn/AllocateStatus", &["{}", "null"]),
    ("Earn/DeallocateStatus", &["{}", "null"]),
    ("ExportStatus", &["[]"]),
    ("FundingBeta/DeleteAddress", &["{}"]),
    ("FundingBeta/UpdateAddress", &["{}"]),
    ("OpenPositions", &["{}", "[]"]),
    ("QueryLedgers", &["{}"]),
    ("QueryOrders", &["{}"]),
    ("QueryTrades", &["{}"]),
    ("Ticker", &["{}"]),
    ("WithdrawAddresses", &["[]"]),
    // It could not be asked for any more.
    ("WithdrawCancel", &["false"]),
    ("WithdrawMethods", &["[]"]),
    ("WithdrawStatus", &["[]"]),
];

fn is_answer(endpoint: &str, empty: &str) -> bool {
    EMPTY.iter().any(|(name, forms)| *name == endpoint && forms.contains(&empty))
}

#[test]
fn an_empty_answer_is_an_answer_only_where_it_is_known_to_be() {
    each(|trial| {
        for empty in ["{}", "[]", "null", "\"\"", "false", "0", "[{}]", "[[]]"] {
            let came = trial.recording.told(&Tree::Leaf(empty.to_owned()));
            let allowed = is_answer(&trial.recording.endpoint, empty);
            match &came {
                Ok(_) if !allowed => trial.blame(empty, &[], &came, "it is taken for an answer"),
                Ok(leaves) if leaves.iter().any(|(_, text)| !text.is_empty()) => {
                    trial.blame(empty, &[], &came, "something is told that Kraken did not say");
                }
                Err(_) if allowed => trial.blame(empty, &[], &came, "it is not taken for an answer"),
                Ok(_) | Err(_) => {}
            }
        }
        for body in ["", "{", r#"{"error":[]}"#, r#"{"result":{}}"#, "[]", "null"] {
            let came = trial.recording.told_of(body);
            // A member that is missing is one that is null.
            let null = body == r#"{"error":[]}"# && is_answer(&trial.recording.endpoint, "null");
            if came.is_ok() && !trial.recording.bare && !null {
                trial.blame(body, &[], &came, "it is taken for an answer");
            }
        }
    });
}

fn anything() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a text")),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            ("[a-z]{0,8}", inner).prop_map(|(name, value)| format!("{{\"{name}\":{value}}}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Several places at once, with anything in them.
    #[test]
    fn nothing_that_kraken_writes_brings_a_panic(
        which: Index, changes in proptest::collection::vec((any::<Index>(), anything()), 1..4),
    ) {
        let all = recordings();
        let recording = &all[which.index(all.len())];
        let mut result = recording.result.clone();
        for (place, json) in changes {
            let ways = result.places().into_iter().map(|(way, _)| way).collect::<Vec<_>>();
            *result.at(&ways[place.index(ways.len())].clone()) = Tree::of(&json);
        }
        if let Err(text) = recording.told(&result) {
            prop_assert!(!text.is_empty());
        }
    }
}
