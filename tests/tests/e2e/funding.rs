//! Money in and out: kept in unless an operator says otherwise, sent at most once, and seen by every call that speaks of it.

use std::time::Duration;

use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::add_export_response::Outcome as Added;
use tidegate_proto::v1::funding_service_client::FundingServiceClient;
use tidegate_proto::v1::get_deposit_addresses_response::Outcome as Addresses;
use tidegate_proto::v1::report_service_client::ReportServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_proto::v1::wallet_transfer_response::Outcome as Transferred;
use tidegate_proto::v1::withdraw_cancel_response::Outcome as Cancelled;
use tidegate_proto::v1::withdraw_response::Outcome as Withdrawn;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::{fact, promises_not_executed};
use tidegate_tests::process::Process;
use tidegate_tests::{eventually, request_id};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const KEYS: [&str; 2] = ["sandbox-fund", "sandbox-ledger"];

/// Movements take no time, or so long that nothing goes on.
async fn house(step_ms: u64) -> House {
    let sandbox = format!("funding_step_ms = {step_ms}");
    House::build(Plan { sandbox, ..Plan::default() }).await.expect("a house")
}

async fn careful(house: &House) -> Process {
    house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process")
}

/// A process that is allowed to move money.
async fn bold(house: &House) -> Process {
    let config = house.config(&KEYS, "").expect("a config");
    let config = config.replacen("[executor]\n", "[executor]\nallow_transfers = true\n", 1);
    house.all("one", &config).await.expect("the process")
}

async fn funding(process: &Process) -> FundingServiceClient<Channel> {
    FundingServiceClient::new(channel(process).await.expect("a channel"))
}

fn within<T>(message: T, ms: u64) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_millis(ms));
    request
}

fn soon<T>(message: T) -> Request<T> {
    within(message, 10_000)
}

fn context() -> Option<v1::CallContext> {
    Some(v1::CallContext { request_id: request_id(), ..Default::default() })
}

fn withdrawal() -> v1::WithdrawRequest {
    v1::WithdrawRequest {
        context: context(),
        asset: "XBT".into(),
        key: "cold-wallet-1".into(),
        amount: "0.725".into(),
        ..Default::default()
    }
}

fn transfer() -> v1::WalletTransferRequest {
    v1::WalletTransferRequest {
        context: context(),
        asset: "XBT".into(),
        from_wallet: v1::Wallet::Spot.into(),
        to_wallet: v1::Wallet::Futures.into(),
        amount: "2".into(),
    }
}

fn cancel(reference_id: &str) -> v1::WithdrawCancelRequest {
    v1::WithdrawCancelRequest {
        context: context(),
        asset: "XBT".into(),
        reference_id: reference_id.to_owned(),
    }
}

fn new_address() -> v1::GetDepositAddressesRequest {
    v1::GetDepositAddressesRequest {
        context: context(),
        asset: "XBT".into(),
        method: "Bitcoin".into(),
        new_address: true,
        ..Default::default()
    }
}

async fn sent(house: &House, endpoint: &str) -> usize {
    house.pages.requests(endpoint).await.expect("a log").len()
}

async fn spoil(house: &House, endpoint: &str, name: &str, value: serde_json::Value) {
    let mut fault = json!({"endpoint": endpoint});
    fault[name] = value;
    house.pages.switch(&json!({"faults": [fault]})).await.expect("a fault");
}

/// What the main account has of an asset.
async fn spot(house: &House, asset: &str) -> String {
    let funds = house.pages.funds().await.expect("the funds");
    funds["accounts"]["main"]["spot"][asset].as_str().expect("an amount").to_owned()
}

async fn withdraw(asking: &mut FundingServiceClient<Channel>, what: &v1::WithdrawRequest) -> Withdrawn {
    let reply = asking.withdraw(soon(what.clone())).await.expect("a reply").into_inner();
    reply.outcome.expect("an outcome")
}

async fn withdrawals(asking: &mut FundingServiceClient<Channel>) -> Vec<v1::Withdrawal> {
    let request = v1::GetWithdrawStatusRequest::default();
    asking.get_withdraw_status(soon(request)).await.expect("a list").into_inner().withdrawals
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_kept_in_unless_an_operator_lets_it_out() {
    let house = house(0).await;
    let one = careful(&house).await;
    let mut asking = funding(&one).await;
    let refused = [
        asking.withdraw(soon(withdrawal())).await.map(|_| ()),
        asking.wallet_transfer(soon(transfer())).await.map(|_| ()),
    ];
    for status in refused {
        let status = status.expect_err("not allowed");
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        assert!(status.message().contains("executor.allow_transfers"), "{status:?}");
        assert!(promises_not_executed(&status));
    }
    assert_eq!((sent(&house, "Withdraw").await, sent(&house, "WalletTransfer").await), (0, 0));

    // What keeps money in, and what only asks, needs no leave.
    let status = asking.withdraw_cancel(soon(cancel("FTnone"))).await.expect_err("no such withdrawal");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(fact(&status, "kraken_error").as_deref(), Some("EFunding:Unknown reference id"));
    let info = v1::GetWithdrawInfoRequest {
        asset: "XBT".into(),
        key: "cold-wallet-1".into(),
        amount: "0.725".into(),
        ..Default::default()
    };
    let info = asking.get_withdraw_info(soon(info)).await.expect("an answer").into_inner();
    assert_eq!([&info.amount, &info.fee, &info.limit], ["0.7249800000", "0.0000200000", "100.0000000000"]);
    assert_eq!(spot(&house, "XXBT").await, "100.0000000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_shows_in_every_call_that_speaks_of_it() {
    let house = house(0).await;
    let one = careful(&house).await;
    let mut asking = funding(&one).await;
    let request = v1::GetDepositMethodsRequest { asset: "XBT".into(), ..Default::default() };
    let methods = asking.get_deposit_methods(soon(request)).await.expect("ways in").into_inner().methods;
    let names: Vec<_> = methods.iter().map(|one| (one.method.as_str(), one.limit.as_str())).collect();
    assert_eq!(names, [("Bitcoin", ""), ("Bitcoin Lightning", "0.5000000000")]);

    let list = v1::GetDepositAddressesRequest { context: None, new_address: false, ..new_address() };
    let addresses = |reply: v1::GetDepositAddressesResponse| match reply.outcome {
        Some(Addresses::Accepted(accepted)) => accepted.addresses,
        other => panic!("{other:?}"),
    };
    let none = asking.get_deposit_addresses(soon(list.clone())).await.expect("a list").into_inner();
    assert!(addresses(none).is_empty());
    // One that is made has a name for the act, and is made once.
    let nameless = v1::GetDepositAddressesRequest { context: None, ..new_address() };
    let status = asking.get_deposit_addresses(soon(nameless)).await.expect_err("no request id");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let wanted = new_address();
    let made = asking.get_deposit_addresses(soon(wanted.clone())).await.expect("an address").into_inner();
    let again = asking.get_deposit_addresses(soon(wanted)).await.expect("the same").into_inner();
    assert_eq!((&again, sent(&house, "DepositAddresses").await), (&made, 2));
    let made = addresses(made);
    assert!(made.len() == 1 && made[0].unused && made[0].expire_time.is_none());

    for amount in ["0.25", "0.5", "0.75"] {
        let payment =
            json!({"account": "main", "asset": "XBT", "amount": amount, "address": made[0].address});
        house.pages.deposit(&payment).await.expect("a deposit");
    }
    let mut seen = Vec::new();
    let mut request = v1::GetDepositStatusRequest { asset: "XBT".into(), page_size: 2, ..Default::default() };
    loop {
        let page = asking.get_deposit_status(soon(request.clone())).await.expect("a page").into_inner();
        seen.extend(page.deposits);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let told: Vec<_> = seen.iter().map(|one| (one.amount.as_str(), one.status())).collect();
    let done = v1::FundingStatus::Success;
    assert_eq!(told, [("0.7500000000", done), ("0.5000000000", done), ("0.2500000000", done)]);
    assert!(seen.iter().all(|one| one.info == made[0].address && one.time.is_some()));
    let used = asking.get_deposit_addresses(soon(list)).await.expect("a list").into_inner();
    assert!(!addresses(used)[0].unused);

    let mut account = AccountServiceClient::new(channel(&one).await.expect("a channel"));
    let request = v1::GetLedgersRequest { entry_type: "deposit".into(), ..Default::default() };
    let entries = account.get_ledgers(soon(request)).await.expect("entries").into_inner().entries;
    let ids = |list: Vec<&String>| list.into_iter().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(
        ids(entries.iter().map(|entry| &entry.reference_id).collect()),
        ids(seen.iter().map(|one| &one.reference_id).collect())
    );
    let balance = account.get_balance(soon(v1::GetBalanceRequest::default())).await.expect("a balance");
    assert_eq!(balance.into_inner().balances["XXBT"], "101.5000000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_and_a_transfer_show_in_every_call_that_speaks_of_them() {
    let house = house(0).await;
    let one = bold(&house).await;
    let mut asking = funding(&one).await;
    let request = v1::GetWithdrawMethodsRequest { asset: "XBT".into(), ..Default::default() };
    let methods = asking.get_withdraw_methods(soon(request)).await.expect("ways out").into_inner().methods;
    assert_eq!((methods.len(), methods[0].network.as_str()), (1, "Bitcoin"));
    let request = v1::GetWithdrawAddressesRequest { key: "cold-wallet-1".into(), ..Default::default() };
    let saved = asking.get_withdraw_addresses(soon(request)).await.expect("addresses").into_inner().addresses;
    assert_eq!((saved.len(), saved[0].verified), (1, Some(true)));

    let wanted =
        v1::WithdrawRequest { address: saved[0].address.clone(), max_fee: "0.00002".into(), ..withdrawal() };
    let Withdrawn::Accepted(out) = withdraw(&mut asking, &wanted).await else { panic!("not accepted") };
    let reply = asking.wallet_transfer(soon(transfer())).await.expect("a reply").into_inner();
    let Some(Transferred::Accepted(moved)) = reply.outcome else { panic!("{reply:?}") };

    let listed = withdrawals(&mut asking).await;
    assert_eq!(listed.len(), 1, "a transfer is no withdrawal");
    let seen = &listed[0];
    assert_eq!((&seen.reference_id, &seen.info), (&out.reference_id, &saved[0].address));
    assert_eq!((seen.status(), seen.remark()), (v1::FundingStatus::Success, v1::FundingRemark::Unspecified));
    assert_eq!([&seen.amount, &seen.fee, &seen.key], ["0.7249800000", "0.0000200000", "cold-wallet-1"]);
    assert!(!seen.transaction_id.is_empty());

    let mut account = AccountServiceClient::new(channel(&one).await.expect("a channel"));
    let entries = account.get_ledgers(soon(v1::GetLedgersRequest::default())).await.expect("entries");
    let told: Vec<_> = entries
        .get_ref()
        .entries
        .iter()
        .map(|one| {
            [&one.entry_type, &one.entry_subtype, &one.amount, &one.fee, &one.reference_id]
                .map(String::as_str)
        })
        .collect();
    let zero = "0.0000000000";
    assert!(
        told.contains(&["withdrawal", "", "-0.7249800000", "0.0000200000", &out.reference_id]),
        "{told:?}"
    );
    assert!(
        told.contains(&["transfer", "spottofutures", "-2.0000000000", zero, &moved.reference_id]),
        "{told:?}"
    );
    let funds = house.pages.funds().await.expect("the funds");
    assert_eq!(funds["accounts"]["main"]["spot"]["XXBT"], "97.2750000000");
    assert_eq!(funds["accounts"]["main"]["futures"]["XXBT"], "2.0000000000");
    assert_eq!(
        (&funds["outside"]["XXBT"], &funds["total"]["XXBT"]),
        (&json!("0.7249800000"), &json!("200.0000000000"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_is_asked_back_while_it_is_early() {
    let house = house(600_000).await;
    let one = bold(&house).await;
    let mut asking = funding(&one).await;
    let Withdrawn::Accepted(out) = withdraw(&mut asking, &withdrawal()).await else { panic!("not accepted") };
    let seen = withdrawals(&mut asking).await.remove(0);
    assert_eq!((seen.status(), seen.transaction_id.as_str()), (v1::FundingStatus::Initial, ""));
    let wanted = cancel(&out.reference_id);
    for _ in 0..2 {
        let reply = asking.withdraw_cancel(soon(wanted.clone())).await.expect("a reply").into_inner();
        assert!(matches!(&reply.outcome, Some(Cancelled::Accepted(it)) if it.cancelling), "{reply:?}");
    }
    assert_eq!(sent(&house, "WithdrawCancel").await, 1, "the second was told what is known");
    let seen = withdrawals(&mut asking).await.remove(0);
    assert_eq!(seen.remark(), v1::FundingRemark::CancelPending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_whose_answer_is_lost_is_unresolved_and_never_sent_again() {
    let house = house(600_000).await;
    let one = bold(&house).await;
    let mut asking = funding(&one).await;
    spoil(&house, "Withdraw", "execute_then_http_status", json!(502)).await;
    let lost = withdrawal();
    for _ in 0..3 {
        let Withdrawn::Unresolved(open) = withdraw(&mut asking, &lost).await else { panic!("not known") };
        assert_eq!(open.request_id, lost.context.as_ref().expect("a context").request_id);
    }
    assert_eq!((sent(&house, "Withdraw").await, withdrawals(&mut asking).await.len()), (1, 1));
    assert_eq!(spot(&house, "XXBT").await, "99.2750000000", "it was executed, once");
    let request = v1::GetIntentRequest { context: lost.context.clone() };
    let mut trading = TradingServiceClient::new(channel(&one).await.expect("a channel"));
    let known = trading.get_intent(soon(request)).await.expect("an intent").into_inner();
    let intent = known.intent.expect("it is kept");
    assert_eq!((intent.endpoint.as_str(), intent.state()), ("Withdraw", v1::IntentState::Unresolved));

    // Under the same name nothing else can be sent.
    let other = v1::WithdrawRequest { amount: "0.726".into(), ..lost.clone() };
    let status = asking.withdraw(soon(other)).await.expect_err("another content");
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    assert!(status.message().contains("amount"), "{status:?}");
    assert_eq!(sent(&house, "Withdraw").await, 1);
}

/// What is kept of an act, once only a person can say more.
async fn left_to_a_person(process: &Process, context: Option<v1::CallContext>) -> String {
    let mut trading = TradingServiceClient::new(channel(process).await.expect("a channel"));
    // Its caller's time, a minute for which Kraken may still take it, and the margin.
    let until = tokio::time::Instant::now() + Duration::from_secs(180);
    loop {
        let request = v1::GetIntentRequest { context: context.clone() };
        let known = trading.get_intent(soon(request)).await.expect("an intent").into_inner();
        let intent = known.intent.expect("it is kept");
        match intent.state() {
            v1::IntentState::NeedsOperator => return intent.note,
            v1::IntentState::Unresolved => {}
            other => panic!("nobody can know: {other:?}"),
        }
        assert!(tokio::time::Instant::now() < until, "no verdict");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_shown_what_looks_like_money_of_which_nothing_is_known() {
    let house = house(600_000).await;
    let one = bold(&house).await;
    let mut asking = funding(&one).await;
    // Each at most a second: the minute in which Kraken may still take it begins then.
    spoil(&house, "Withdraw", "execute_then_http_status", json!(502)).await;
    let done = withdrawal();
    let reply = asking.withdraw(within(done.clone(), 1_000)).await.expect("a reply").into_inner();
    assert!(matches!(reply.outcome, Some(Withdrawn::Unresolved(_))), "{reply:?}");
    spoil(&house, "Withdraw", "http_status", json!(502)).await;
    let never = v1::WithdrawRequest { amount: "0.5".into(), ..withdrawal() };
    let reply = asking.withdraw(within(never.clone(), 1_000)).await.expect("a reply").into_inner();
    assert!(matches!(reply.outcome, Some(Withdrawn::Unresolved(_))), "{reply:?}");
    spoil(&house, "WalletTransfer", "execute_then_http_status", json!(502)).await;
    let moved = transfer();
    let reply = asking.wallet_transfer(within(moved.clone(), 1_000)).await.expect("a reply").into_inner();
    assert!(matches!(reply.outcome, Some(Transferred::Unresolved(_))), "{reply:?}");
    let listed = withdrawals(&mut asking).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    // What is in no list at all is left to a person as well, though none of the keys shows orders.
    let mut reports = ReportServiceClient::new(channel(&one).await.expect("a channel"));
    spoil(&house, "AddExport", "execute_then_http_status", json!(502)).await;
    let report = v1::AddExportRequest {
        context: context(),
        report: v1::ReportKind::Trades.into(),
        description: "trades".into(),
        ..Default::default()
    };
    let reply = reports.add_export(within(report.clone(), 1_000)).await.expect("a reply").into_inner();
    assert!(matches!(reply.outcome, Some(Added::Unresolved(_))), "{reply:?}");

    let note = left_to_a_person(&one, done.context.clone()).await;
    assert!(note.contains(&format!("WithdrawStatus shows {} (", listed[0].reference_id)), "{note}");
    assert!(
        note.contains("of 0.725 XBT to cold-wallet-1 between 20") && note.contains("looked at 20"),
        "{note}"
    );
    let note = left_to_a_person(&one, never.context.clone()).await;
    assert!(note.contains("WithdrawStatus shows none of 0.5 XBT to cold-wallet-1 between 20"), "{note}");
    assert!(note.contains("looked at 20"), "{note}");
    let mut account = AccountServiceClient::new(channel(&one).await.expect("a channel"));
    let request = v1::GetLedgersRequest { entry_type: "transfer".into(), ..Default::default() };
    let entries = account.get_ledgers(soon(request)).await.expect("entries").into_inner().entries;
    let note = left_to_a_person(&one, moved.context.clone()).await;
    assert!(note.contains(&format!("Ledgers shows {} (", entries[0].reference_id)), "{note}");
    let note = left_to_a_person(&one, report.context.clone()).await;
    assert!(note.starts_with("AddExport leaves no mark"), "{note}");
    // It is no verdict: nothing was sent again, and a copy is told that it is not known.
    let Withdrawn::Unresolved(open) = withdraw(&mut asking, &done).await else { panic!("nobody can know") };
    assert_eq!((open.reason.as_str(), sent(&house, "Withdraw").await), ("NEEDS_OPERATOR", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_settles_it_and_a_refusal_too() {
    let house = house(600_000).await;
    let one = bold(&house).await;
    let mut asking = funding(&one).await;
    spoil(&house, "Withdraw", "hang_after_execute_ms", json!(1_500)).await;
    let late = withdrawal();
    let reply = asking.withdraw(within(late.clone(), 600)).await.expect("a reply").into_inner();
    assert!(matches!(reply.outcome, Some(Withdrawn::Unresolved(_))), "{reply:?}");
    let reference_id = eventually("the late answer", || {
        let (mut asking, late) = (asking.clone(), late.clone());
        async move {
            match withdraw(&mut asking, &late).await {
                Withdrawn::Accepted(out) => Some(out.reference_id),
                Withdrawn::Unresolved(_) => None,
            }
        }
    })
    .await;
    let listed = withdrawals(&mut asking).await;
    assert_eq!((listed.len(), &listed[0].reference_id), (1, &reference_id));
    assert_eq!(sent(&house, "Withdraw").await, 1);

    let wrong = v1::WithdrawRequest { address: "bc1qanother".into(), ..withdrawal() };
    for _ in 0..2 {
        let status = asking.withdraw(soon(wrong.clone())).await.expect_err("another address");
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        assert_eq!(fact(&status, "kraken_error").as_deref(), Some("EFunding:Invalid withdrawal address"));
        assert_eq!(fact(&status, "settles").as_deref(), Some("request_id"));
    }
    assert_eq!(sent(&house, "Withdraw").await, 2, "the second copy was never sent");
}

/// Takes "unresolved" out of a reply.
macro_rules! open_of {
    ($reply:expr, $outcome:ident) => {
        matches!($reply.into_inner().outcome, Some($outcome::Unresolved(_)))
    };
}

async fn is_open(name: &str, asking: &mut FundingServiceClient<Channel>) -> Result<bool, Status> {
    Ok(match name {
        "Withdraw" => open_of!(asking.withdraw(soon(withdrawal())).await?, Withdrawn),
        "WalletTransfer" => open_of!(asking.wallet_transfer(soon(transfer())).await?, Transferred),
        "WithdrawCancel" => open_of!(asking.withdraw_cancel(soon(cancel("FTnone"))).await?, Cancelled),
        "DepositAddresses" => open_of!(asking.get_deposit_addresses(soon(new_address())).await?, Addresses),
        other => panic!("{other}"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ambiguous_is_never_a_status_and_sent_once() {
    let house = house(600_000).await;
    let one = bold(&house).await;
    let mut asking = funding(&one).await;
    for name in ["Withdraw", "WalletTransfer", "WithdrawCancel", "DepositAddresses"] {
        for (fault, value) in [
            ("error", json!("EService:Busy")),
            ("error", json!("EFunding:Something that nobody has heard of")),
            ("http_status", json!(502)),
            ("hang_without_execute_ms", json!(50)),
            ("execute_late_ms", json!(50)),
        ] {
            let (what, before) = (format!("{name}, {fault}: {value}"), sent(&house, name).await);
            spoil(&house, name, fault, value).await;
            let open = is_open(name, &mut asking).await.unwrap_or_else(|status| panic!("{what}: {status:?}"));
            assert!(open, "{what}: told as if it were known");
            assert_eq!(sent(&house, name).await, before + 1, "{what}");
        }
    }
}
