//! Earn: into a strategy and out of it again, what fails on the way, and what is never sent twice.

use std::time::Duration;

use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::earn_service_client::EarnServiceClient;
use tidegate_proto::v1::{allocate_earn_response as allocate, deallocate_earn_response as deallocate};
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::{fact, promises_not_executed};
use tidegate_tests::{eventually, request_id};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const KEYS: [&str; 2] = ["sandbox-fund", "sandbox-ledger"];
const INSTANT: &str = "ESXBTIN-STANT-SANDBX";
const BONDED: &str = "ESETH2B-ONDED-SANDBX";

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(10));
    request
}

fn context() -> Option<v1::CallContext> {
    Some(v1::CallContext { request_id: request_id(), ..Default::default() })
}

fn put_in(strategy_id: &str, amount: &str) -> v1::AllocateEarnRequest {
    v1::AllocateEarnRequest { context: context(), strategy_id: strategy_id.into(), amount: amount.into() }
}

fn take_out(strategy_id: &str, amount: &str) -> v1::DeallocateEarnRequest {
    v1::DeallocateEarnRequest { context: context(), strategy_id: strategy_id.into(), amount: amount.into() }
}

async fn put_in_status(earn: &EarnServiceClient<Channel>, strategy_id: &str) -> Result<bool, Status> {
    let request = v1::GetEarnAllocateStatusRequest { context: None, strategy_id: strategy_id.to_owned() };
    let reply = earn.clone().get_earn_allocate_status(within(request)).await?;
    Ok(reply.into_inner().pending.expect("Kraken says so"))
}

async fn take_out_status(earn: &EarnServiceClient<Channel>, strategy_id: &str) -> Result<bool, Status> {
    let request = v1::GetEarnDeallocateStatusRequest { context: None, strategy_id: strategy_id.to_owned() };
    let reply = earn.clone().get_earn_deallocate_status(within(request)).await?;
    Ok(reply.into_inner().pending.expect("Kraken says so"))
}

async fn allocations(earn: &mut EarnServiceClient<Channel>) -> v1::GetEarnAllocationsResponse {
    let request = v1::GetEarnAllocationsRequest::default();
    earn.get_earn_allocations(within(request)).await.expect("allocations").into_inner()
}

async fn balance(gateway: &Channel, asset: &str) -> String {
    let mut account = AccountServiceClient::new(gateway.clone());
    let reply = account.get_balance(within(v1::GetBalanceRequest::default())).await.expect("a balance");
    reply.into_inner().balances[asset].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amount_goes_in_and_comes_out_and_is_seen_all_the_way() {
    let house =
        House::build(Plan { sandbox: "earn_ms = 600000".into(), ..Plan::default() }).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut earn = EarnServiceClient::new(gateway.clone());

    let kinds = v1::GetEarnStrategiesRequest {
        lock_kinds: vec![v1::EarnLockKind::Instant.into(), v1::EarnLockKind::Bonded.into()],
        asset: "XBT".into(),
        ..Default::default()
    };
    let found = earn.get_earn_strategies(within(kinds)).await.expect("strategies").into_inner().strategies;
    assert_eq!((found.len(), found[0].strategy_id.as_str(), found[0].can_allocate), (1, INSTANT, true));
    assert_eq!(found[0].lock.as_ref().expect("a lock").kind(), v1::EarnLockKind::Instant);
    assert_eq!(found[0].user_cap, "5.0000000000");

    let request = put_in(INSTANT, "0.5");
    for _ in 0..2 {
        let reply = earn.allocate_earn(within(request.clone())).await.expect("taken").into_inner();
        assert!(matches!(reply.outcome, Some(allocate::Outcome::Accepted(_))), "{reply:?}");
    }
    assert_eq!(
        house.pages.requests("Earn/Allocate").await.expect("a log").len(),
        1,
        "told again, not sent again"
    );
    assert!(put_in_status(&earn, INSTANT).await.expect("a status"), "it is under way");
    let one = allocations(&mut earn).await.allocations.remove(0);
    assert_eq!(one.pending.expect("under way").native, "0.5000000000");
    let busy = earn.allocate_earn(within(put_in(INSTANT, "0.5"))).await.expect_err("another one");
    assert_eq!(busy.code(), Code::FailedPrecondition, "{busy:?}");
    assert!(fact(&busy, "kraken_error").expect("Kraken's words").starts_with("EEarnings:Busy"));
    assert!(promises_not_executed(&busy));

    // The other strategy is free, and quick from now on.
    house.pages.switch(&json!({"earn_ms": 0})).await.expect("a switch");
    let reply = earn.allocate_earn(within(put_in(BONDED, "1"))).await.expect("taken").into_inner();
    assert!(matches!(reply.outcome, Some(allocate::Outcome::Accepted(_))), "{reply:?}");
    eventually("the amount to be in", || async {
        (!put_in_status(&earn, BONDED).await.expect("a status")).then_some(())
    })
    .await;
    assert_eq!(balance(&gateway, "XETH").await, "999.0000000000");
    let all = allocations(&mut earn).await.allocations;
    let one = all.iter().find(|one| one.strategy_id == BONDED).expect("it is there");
    let bonding = one.bonding.as_ref().expect("on its way in");
    assert_eq!((bonding.count, bonding.parts.len()), (1, 1));
    let (came, goes) = (bonding.parts[0].create_time, bonding.parts[0].expire_time);
    assert_eq!(goes.expect("a time").seconds - came.expect("a time").seconds, 86_400);
    assert_eq!(one.total.as_ref().expect("a total").native, "1.0000000000");

    let reply = earn.deallocate_earn(within(take_out(BONDED, "0.4"))).await.expect("taken").into_inner();
    assert!(matches!(reply.outcome, Some(deallocate::Outcome::Accepted(_))), "{reply:?}");
    eventually("the amount to be on its way out", || async {
        (!take_out_status(&earn, BONDED).await.expect("a status")).then_some(())
    })
    .await;
    let all = allocations(&mut earn).await.allocations;
    let one = all.iter().find(|one| one.strategy_id == BONDED).expect("it is there");
    assert_eq!(
        one.unbonding.as_ref().and_then(|out| out.amount.clone()).expect("out").native,
        "0.4000000000"
    );

    let ledger = v1::GetLedgersRequest { entry_type: "earn".into(), ..Default::default() };
    let mut account = AccountServiceClient::new(gateway.clone());
    let entries = account.get_ledgers(within(ledger)).await.expect("a page").into_inner().entries;
    assert_eq!((entries.len(), entries[0].amount.as_str()), (1, "-1.0000000000"));
    assert_eq!(entries[0].entry_subtype, "allocation");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_told_in_krakens_words_at_once_or_by_the_status() {
    let house =
        House::build(Plan { sandbox: "earn_ms = 0".into(), ..Plan::default() }).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let mut earn = EarnServiceClient::new(channel(&process).await.expect("a channel"));
    for (request, words) in [
        (put_in(INSTANT, "0.00001"), "EEarnings:Below min"),
        (put_in("ESNOBOD-YKNOW-SITATA", "1"), "EGeneral:Invalid arguments:Invalid strategy ID"),
        (put_in("ESUSDFL-EXIBL-SANDBX", "1"), "EEarnings:Permission denied"),
    ] {
        let status = earn.allocate_earn(within(request)).await.expect_err(words);
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        assert!(fact(&status, "kraken_error").expect("Kraken's words").starts_with(words), "{status:?}");
        assert_eq!(fact(&status, "settles").as_deref(), Some("request_id"), "{status:?}");
    }
    earn.allocate_earn(within(put_in(INSTANT, "5.1"))).await.expect("taken");
    earn.deallocate_earn(within(take_out(BONDED, "1"))).await.expect("taken");
    let failed = eventually("the moves to fail", || async {
        Some((put_in_status(&earn, INSTANT).await.err()?, take_out_status(&earn, BONDED).await.err()?))
    })
    .await;
    for (status, words) in [(failed.0, "EEarnings:Above max"), (failed.1, "EEarnings:Insufficient funds")] {
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        assert!(fact(&status, "kraken_error").expect("Kraken's words").starts_with(words), "{status:?}");
    }
    let sent = house.pages.requests("Earn/Allocate").await.expect("a log").len();
    let status = earn.allocate_earn(within(put_in("", "-1"))).await.expect_err("two mistakes");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(house.pages.requests("Earn/Allocate").await.expect("a log").len(), sent, "never sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_whose_answer_is_lost_is_not_made_again() {
    let house =
        House::build(Plan { sandbox: "earn_ms = 0".into(), ..Plan::default() }).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut earn = EarnServiceClient::new(gateway.clone());
    let faults = [
        ("reset", json!(true), true),
        ("execute_then_http_status", json!(502), true),
        ("http_status", json!(502), false),
        ("execute_then_error", json!("EService:Busy"), true),
    ];
    let mut inside = 0;
    for (fault, value, executed) in faults {
        let mut spoilt = json!({"endpoint": "Earn/Allocate"});
        spoilt[fault] = value;
        house.pages.switch(&json!({"faults": [spoilt]})).await.expect("a fault");
        let before = house.pages.requests("Earn/Allocate").await.expect("a log").len();
        let request = put_in(INSTANT, "1");
        for _ in 0..3 {
            let mut asked = Request::new(request.clone());
            asked.set_timeout(Duration::from_secs(2));
            let reply = earn.allocate_earn(asked).await.expect("a reply").into_inner();
            assert!(matches!(reply.outcome, Some(allocate::Outcome::Unresolved(_))), "{fault}: {reply:?}");
        }
        assert_eq!(house.pages.requests("Earn/Allocate").await.expect("a log").len(), before + 1, "{fault}");
        inside += u32::from(executed);
        assert_eq!(balance(&gateway, "XXBT").await, format!("{}.0000000000", 100 - inside), "{fault}");
    }
}
