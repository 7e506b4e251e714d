use serde_json::value::RawValue;
use tidegate_kraken::PreparedRequest;
use tidegate_kraken::wire::{Wire, read};

use super::*;

fn wire<T: Wire>(json: &str) -> T {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read(Some(&raw)).expect("fits")
}

fn unfit<T: Wire>(json: &str) -> bool {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read::<T>(Some(&raw)).is_err()
}

fn fields(params: Result<Params, Error>) -> Vec<String> {
    params.expect_err("wrong").fields.into_iter().map(|wrong| wrong.field).collect()
}

fn at(seconds: i64, nanos: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos })
}

#[test]
fn requests_say_no_more_than_was_asked() {
    let id = "ESSYTDA-MFPB4-XKUMKZ";
    assert_eq!(move_of(id, "0.10").expect("good").query(), format!("strategy_id={id}&amount=0.10"));
    assert_eq!(status_of(id).expect("good").query(), format!("strategy_id={id}"));
    assert_eq!(strategies_of(&v1::GetEarnStrategiesRequest::default()).expect("good").query(), "");
    assert_eq!(allocations_of(&v1::GetEarnAllocationsRequest::default()).expect("good").query(), "");
    let all = v1::GetEarnAllocationsRequest {
        context: None,
        ascending: true,
        converted_asset: "EUR".into(),
        hide_zero_allocations: true,
    };
    let query = allocations_of(&all).expect("good").query();
    assert_eq!(query, "ascending=true&converted_asset=EUR&hide_zero_allocations=true");
}

#[test]
fn kinds_of_locks_go_as_a_list_of_json() {
    let all = v1::GetEarnStrategiesRequest {
        context: None,
        asset: "DOT".into(),
        lock_kinds: vec![v1::EarnLockKind::Flex.into(), v1::EarnLockKind::Timed.into()],
        ascending: true,
        page_token: "2".into(),
        limit: 65_535,
    };
    let params = strategies_of(&all).expect("good");
    let endpoint = tidegate_core::endpoint("Earn/Strategies").expect("in the table");
    let request = PreparedRequest::of(endpoint, &params, tidegate_core::Nonce(7), None).expect("written");
    assert_eq!(request.content_type(), Some("application/json"));
    let json = r#"{"nonce":"7","asset":"DOT","lock_type":["flex","timed"],"ascending":true,"cursor":"2","limit":65535}"#;
    assert_eq!(&request.body()[..], json.as_bytes());
}

#[test]
fn all_mistakes_are_named_at_once() {
    assert_eq!(fields(move_of("", "")), ["strategy_id", "amount"]);
    for amount in ["0", "-1", "1e3", "0.000"] {
        assert_eq!(fields(move_of("ES", amount)), ["amount"], "{amount}");
    }
    assert_eq!(fields(status_of("E S")), ["strategy_id"]);
    let wrong = v1::GetEarnStrategiesRequest {
        asset: "D T".into(),
        lock_kinds: vec![0, 9, 1, 1],
        page_token: " ".into(),
        limit: 65_536,
        ..Default::default()
    };
    let expected = ["asset", "lock_kinds[0]", "lock_kinds[1]", "lock_kinds[3]", "page_token", "limit"];
    assert_eq!(fields(strategies_of(&wrong)), expected);
    let wrong = v1::GetEarnAllocationsRequest { converted_asset: "E U".into(), ..Default::default() };
    assert_eq!(fields(allocations_of(&wrong)), ["converted_asset"]);
}

/// As Kraken documents them: one with every member, one with the least, and what it never wrote yet.
const STRATEGIES: &str = r#"{"items":[{"id":"ESSYTDA-MFPB4-XKUMKZ","asset":"DOT","lock_type":{"type":"bonded",
    "bonding_period":604800,"bonding_period_variable":false,"bonding_rewards":false,"exit_queue_period":"0",
    "payout_frequency":604800,"unbonding_period":2419200,"unbonding_period_variable":false,
    "unbonding_rewards":true},"apr_estimate":{"low":"8.0000","high":"12.0000"},"user_min_allocation":"0.01",
    "user_cap":null,"allocation_fee":"0.0000","deallocation_fee":"0.0000",
    "auto_compound":{"type":"optional","default":true},"yield_source":{"type":"staking","validator":5},
    "can_allocate":true,"can_deallocate":true,"allocation_restriction_info":[],"weather":"rain"},
    {"id":"ESF5ESO-MZVCQ-7ROYLO","asset":"ETH","lock_type":{"type":"flex"},"apr_estimate":null,
    "allocation_fee":0,"deallocation_fee":0,"auto_compound":{"type":"enabled"},
    "yield_source":{"type":"off_chain"},"can_allocate":false,"can_deallocate":false,
    "allocation_restriction_info":["tier"]},
    {"id":"ES","asset":"XBT","lock_type":{"type":"frozen"}}],"next_cursor":"2"}"#;

#[test]
fn every_field_of_a_strategy_is_told() {
    let page = strategies(wire(STRATEGIES));
    assert_eq!(page.next_page_token, "2");
    let [first, second, third]: [v1::EarnStrategy; 3] = page.strategies.try_into().expect("three");
    let expected = v1::EarnStrategy {
        strategy_id: "ESSYTDA-MFPB4-XKUMKZ".into(),
        asset: "DOT".into(),
        lock: Some(v1::EarnLock {
            kind: v1::EarnLockKind::Bonded.into(),
            payout_frequency_s: Some(604_800),
            bonding_period_s: Some(604_800),
            bonding_period_variable: Some(false),
            bonding_rewards: Some(false),
            exit_queue_period_s: Some(0),
            unbonding_period_s: Some(2_419_200),
            unbonding_period_variable: Some(false),
            unbonding_rewards: Some(true),
            extra: Default::default(),
        }),
        apr_estimate: Some(v1::EarnRateEstimate {
            low: "8.0000".into(),
            high: "12.0000".into(),
            extra: Default::default(),
        }),
        user_min_allocation: "0.01".into(),
        user_cap: String::new(),
        allocation_fee: "0.0000".into(),
        deallocation_fee: "0.0000".into(),
        auto_compound: Some(v1::EarnAutoCompound {
            kind: "optional".into(),
            default_on: Some(true),
            extra: Default::default(),
        }),
        yield_source: "staking".into(),
        can_allocate: true,
        can_deallocate: true,
        allocation_restrictions: Vec::new(),
        extra: [("weather", r#""rain""#), ("yield_source.validator", "5")]
            .map(|(name, json)| (name.to_owned(), json.to_owned()))
            .into(),
    };
    assert_eq!(first, expected);
    let lock = second.lock.expect("a lock");
    assert_eq!((lock.kind(), lock.unbonding_period_s), (v1::EarnLockKind::Flex, None));
    assert_eq!((second.allocation_fee.as_str(), second.apr_estimate), ("0", None));
    assert_eq!((second.can_allocate, second.allocation_restrictions), (false, vec!["tier".to_owned()]));
    let lock = third.lock.expect("a lock");
    assert_eq!((lock.kind(), lock.extra["type"].as_str()), (v1::EarnLockKind::Unspecified, r#""frozen""#));
    assert!(!third.can_allocate, "what Kraken does not say can be done is not said to be");
    assert!(strategies(wire(r#"{"items":[]}"#)).strategies.is_empty());
}

const ALLOCATIONS: &str = r#"{"converted_asset":"USD","total_allocated":"49.2398","total_rewarded":"0.0675",
    "next_cursor":null,"items":[{"strategy_id":"ESF5ESO-MZVCQ-7ROYLO","native_asset":"ETH","amount_allocated":{
    "bonding":{"native":"0.0210000000","converted":"39.0645","allocation_count":1,"allocations":[
    {"native":"0.0210000000","converted":"39.0645","created_at":"2026-06-01T10:52:05Z",
    "expires":"2026-06-19T02:34:05.807Z"}]},"exit_queue":{"native":0.5,"converted":"1","allocations":[
    {"native":"0.5","created_at":"soon"}]},"pending":{"native":"-0.0010000000","converted":"-1.8602"},
    "total":{"native":"0.0210000000","converted":"39.0645"},"melting":{"native":"1"}},
    "total_rewarded":{"native":"0.0000310000","converted":"0.0577"},"payout":{
    "period_start":"2026-06-07T00:00:00Z","period_end":"2026-06-14T00:00:00Z",
    "accumulated_reward":{"native":"0.1","converted":"2"},"estimated_reward":{"native":"0.2","converted":"4"}}},
    {"strategy_id":"ES","native_asset":"XBT","amount_allocated":{"total":{"native":"0"}}}]}"#;

#[test]
fn every_state_of_an_allocation_is_told() {
    let page = allocations(wire(ALLOCATIONS));
    assert_eq!((page.converted_asset.as_str(), page.total_allocated.as_str()), ("USD", "49.2398"));
    assert_eq!((page.total_rewarded.as_str(), page.next_page_token.as_str()), ("0.0675", ""));
    let [first, second]: [v1::EarnAllocation; 2] = page.allocations.try_into().expect("two");
    let both = |amount: &Option<v1::EarnAmount>| {
        let amount = amount.as_ref().expect("an amount");
        format!("{} {}", amount.native, amount.converted)
    };
    let bonding = first.bonding.as_ref().expect("bonding");
    assert_eq!((both(&bonding.amount).as_str(), bonding.count), ("0.0210000000 39.0645", 1));
    let part = &bonding.parts[0];
    assert_eq!((part.create_time, part.expire_time), (at(1_780_311_125, 0), at(1_781_836_445, 807_000_000)));
    let queue = first.exit_queue.as_ref().expect("a queue");
    assert_eq!((both(&queue.amount).as_str(), queue.count), ("0.5 1", 1));
    assert_eq!(
        (queue.parts[0].create_time, queue.parts[0].extra["created_at"].as_str()),
        (None, r#""soon""#)
    );
    assert_eq!((both(&first.pending).as_str(), &first.unbonding), ("-0.0010000000 -1.8602", &None));
    assert_eq!((both(&first.total).as_str(), first.amount_extra.len()), ("0.0210000000 39.0645", 1));
    assert_eq!(both(&first.total_rewarded), "0.0000310000 0.0577");
    let payout = first.payout.as_ref().expect("a payout");
    assert_eq!((payout.period_start, payout.period_end), (at(1_780_790_400, 0), at(1_781_395_200, 0)));
    assert_eq!(
        (both(&payout.accumulated_reward), both(&payout.estimated_reward)),
        ("0.1 2".into(), "0.2 4".into())
    );
    assert_eq!((both(&second.total).as_str(), &second.payout, &second.pending), ("0 ", &None, &None));
    assert!(unfit::<EarnAllocations>("{}") && unfit::<EarnStrategies>("null"));
}

#[test]
fn what_was_taken_is_told_and_what_is_unclear_is_not() {
    for (json, pending) in [("true", None), (r#"{"pending":false}"#, Some(false))] {
        let outcome = deallocated(wire(json), vec!["W".into()]).outcome;
        assert!(matches!(outcome, Some(deallocate::Outcome::Accepted(a)) if a.pending == pending), "{json}");
        let outcome = allocated(wire(json), Vec::new()).outcome;
        assert!(matches!(outcome, Some(allocate::Outcome::Accepted(a)) if a.pending == pending), "{json}");
    }
    for json in ["false", "null", "{}", "[]", "1"] {
        assert!(unfit::<EarnTaken>(json), "{json}");
    }
    assert_eq!(allocate_status(wire(r#"{"pending":true}"#)).pending, Some(true));
    assert_eq!(deallocate_status(wire(r#"{"pending":false,"new":1}"#)).extra["new"], "1");
    assert_eq!(allocate_status(wire("null")).pending, None);
}
