use tidegate_core::{Permission as P, endpoint};

use super::*;

const NOW: UnixUs = UnixUs(1_795_000_000_000_000);

fn candidate(label: &str, permissions: &[P]) -> Candidate {
    let account = "main".parse().expect("a label");
    Candidate::new(label.parse().expect("a label"), account, PermissionSet::of(permissions))
}

fn row(name: &str) -> &'static Endpoint {
    endpoint(name).expect("in the table")
}

fn asked<'a>(name: &str, account: &'a AccountName, key_tag: Option<&'a str>) -> Asked<'a> {
    Asked { endpoint: row(name), account, key_tag, dates: Dates::default(), now: NOW }
}

fn labels(needs_of: &str, tag: Option<&str>, candidates: &[Candidate]) -> Vec<String> {
    let account = "main".parse().expect("a label");
    let chosen = choose(&asked(needs_of, &account, tag), candidates).expect("somebody");
    chosen.iter().map(|c| c.label.to_string()).collect()
}

#[test]
fn least_privilege_then_wait_then_local_then_label() {
    let all = candidate("all", &P::ALL);
    let a = Candidate { predicted_wait_ms: 9, ..candidate("a", &[P::QueryFunds]) };
    let b = Candidate { predicted_wait_ms: 3, ..candidate("b", &[P::QueryFunds]) };
    let c = Candidate { predicted_wait_ms: 3, local: true, ..candidate("c", &[P::QueryFunds]) };
    let d = Candidate { predicted_wait_ms: 3, local: true, ..candidate("d", &[P::QueryFunds]) };
    let least = Candidate { last_resort: true, ..candidate("e", &[P::QueryFunds]) };
    let busy = Candidate { busy: true, ..candidate("b2", &[P::QueryFunds]) };
    let down = Candidate { ready: false, ..candidate("down", &[P::QueryFunds]) };
    let foreign = Candidate { account: "sub".parse().expect("a label"), ..candidate("x", &P::ALL) };
    let pool = [least, busy, foreign, d, all.clone(), down, b, a, c];
    assert_eq!(labels("Balance", None, &pool), ["c", "d", "b", "a", "all", "b2", "e"]);
    let spare = Candidate { last_resort: true, ..candidate("spare", &[P::CloseTrades]) };
    let trade = candidate("trade", &[P::ModifyTrades, P::CloseTrades]);
    assert_eq!(labels("CancelOrder", None, &[spare.clone(), trade.clone()]), ["trade", "spare"]);
    assert_eq!(labels("CancelOrder", None, &[spare, Candidate { ready: false, ..trade }]), ["spare"]);
    let tagged = [candidate("a", &P::ALL), Candidate { tags: vec!["fast".into()], ..all }];
    assert_eq!(labels("Balance", Some("fast"), &tagged), ["all"]);
}

#[test]
fn the_error_names_endpoint_and_the_closest_missing_permission() {
    let account: AccountName = "main".parse().expect("a label");
    let pool = [candidate("reader", &[P::QueryFunds]), candidate("canceller", &[P::CloseTrades])];
    let failed = |name: &str, pool: &[Candidate]| {
        choose(&asked(name, &account, None), pool).expect_err("nobody may").into_error(row(name))
    };
    let error = failed("EditOrder", &pool);
    assert_eq!(error.kind, ErrorKind::NoKey);
    assert!(error.text.contains("EditOrder") && error.text.contains("modify-trades"), "{}", error.text);
    assert!(error.facts.contains(&("missing_permission", "modify-trades".to_owned())), "{error:?}");
    let error = failed("AmendOrder", &pool[..1]);
    assert!(error.facts.contains(&("missing_permission", "modify-trades or close-trades".to_owned())));
    // Kraken's sources differ; a key that only the less likely one admits is told of both.
    let error = failed("TradeBalance", &pool);
    assert!(error.facts.contains(&("missing_permission", "query-open-trades".to_owned())), "{error:?}");
    assert!(error.text.contains("guide to API keys says query-funds"), "{}", error.text);
}

#[test]
fn a_key_that_satisfies_every_reading_goes_before_a_smaller_one_and_a_denied_one_behind_all() {
    let likely = candidate("a", &[P::QueryOpenTrades]);
    let surely = candidate("b", &[P::QueryOpenTrades, P::QueryFunds]);
    let pool = [likely.clone(), surely.clone(), candidate("other", &[P::QueryFunds])];
    assert_eq!(labels("TradeBalance", None, &pool), ["b", "a"]);
    assert_eq!(
        labels("OpenOrders", None, &pool),
        ["a", "b"],
        "where the sources agree the smaller one serves"
    );
    let pool = [likely, Candidate { denied: true, ..surely }];
    assert_eq!(labels("TradeBalance", None, &pool), ["a", "b"]);
    let spare = Candidate { last_resort: true, ..candidate("spare", &[P::CloseTrades]) };
    let denied = Candidate { denied: true, ..candidate("trade", &[P::ModifyTrades]) };
    assert_eq!(labels("CancelOrder", None, &[spare, denied]), ["trade", "spare"]);
}

#[test]
fn history_is_asked_of_a_key_that_may_see_it() {
    let account: AccountName = "main".parse().expect("a label");
    let second = |s: u64| UnixUs(s * 1_000_000);
    let year = Dates { from: Some(second(1_700_000_000)), to: Some(second(1_731_000_000)) };
    let dated = Candidate { dates: year, ..candidate("dated", &[P::QueryLedger]) };
    let whole = candidate("whole", &[P::QueryLedger, P::ExportData]);
    let pool = [dated.clone(), whole.clone()];
    let ask = |from: u64, to: u64| {
        let dates = Dates { from: (from > 0).then_some(second(from)), to: (to > 0).then_some(second(to)) };
        Asked { dates, ..asked("Ledgers", &account, None) }
    };
    let first =
        |asked: Asked<'_>, pool: &[Candidate]| choose(&asked, pool).map(|ranked| ranked[0].label.to_string());
    assert_eq!(first(ask(1_700_000_000, 1_731_000_000), &pool).as_deref(), Ok("dated"));
    assert_eq!(first(ask(1_699_999_999, 1_731_000_000), &pool).as_deref(), Ok("whole"));
    assert_eq!(first(ask(1_700_000_000, 0), &pool).as_deref(), Ok("whole"), "an open end would be cut");
    assert_eq!(
        first(ask(0, 0), std::slice::from_ref(&dated)).as_deref(),
        Ok("dated"),
        "a part is better than nothing"
    );
    // Without a key that may, what is missing is said; one that is away is waited for.
    let failed = choose(&ask(1, 2), [&dated]).expect_err("not that time").into_error(row("Ledgers"));
    assert_eq!(failed.kind, ErrorKind::NoKey);
    assert!(failed.text.contains("dated from 2023-11-14T22:13:20Z until 2024-11-07"), "{}", failed.text);
    assert!(failed.facts.iter().any(|(name, _)| *name == "missing_dates"), "{failed:?}");
    let away = Candidate { ready: false, why_not: "it has expired".to_owned(), ..whole };
    let failed = choose(&ask(1, 2), [&dated, &away]).expect_err("away").into_error(row("Ledgers"));
    assert_eq!(failed.kind, ErrorKind::Unavailable);
    assert!(failed.text.contains("(whole: it has expired)"), "{}", failed.text);
    // What is not about the past does not look at dates.
    let dated = Candidate { permissions: PermissionSet::of(&[P::QueryFunds]), ..dated };
    assert_eq!(labels("Balance", None, &[dated]), ["dated"]);
}

#[test]
fn unknown_accounts_tags_and_sleeping_keys_are_told_apart() {
    let (main, sub) = ("main".parse().expect("a label"), "sub".parse().expect("a label"));
    let pool = [Candidate { ready: false, ..candidate("reader", &[P::QueryFunds]) }];
    let failed = |account, tag| choose(&asked("Balance", account, tag), &pool).expect_err("nobody");
    assert!(matches!(failed(&sub, None), ChooseError::NoAccount { .. }));
    assert!(matches!(failed(&main, Some("x")), ChooseError::NoTag { .. }));
    let asleep = failed(&main, None);
    assert!(matches!(asleep, ChooseError::NotReady { .. }));
    assert_eq!(asleep.into_error(row("Balance")).kind, ErrorKind::Unavailable);
}
