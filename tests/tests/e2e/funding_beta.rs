//! Funding (Beta) through the front door: a whole round, who may, and what is told of an act whose answer is lost.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::beta_scope::Of;
use tidegate_proto::v1::funding_beta_service_client::FundingBetaServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::{fact, promises_not_executed};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use v1::create_withdrawal_response::Outcome;

const KEYS: [&str; 2] = ["sandbox-fund", "sandbox-ledger"];
/// The sandbox's way out of bitcoin, its network, and its way in.
const OUT_BTC: &str = "5b2f0f0e-0000-4000-8000-000000000b01";
const BITCOIN: &str = "5b2f0f0e-0000-4000-8000-00000000b001";
const IN_BTC: &str = "5b2f0f0e-0000-4000-8000-000000001b01";
const WITHDRAWAL: &str = "FundingBeta/CreateWithdrawal";

type Funding = FundingBetaServiceClient<Channel>;

fn within<T>(message: T, seconds: u64) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(seconds));
    request
}

fn context() -> Option<v1::CallContext> {
    Some(v1::CallContext { request_id: tidegate_tests::request_id(), ..Default::default() })
}

fn of(of: Of) -> Option<v1::BetaScope> {
    Some(v1::BetaScope { of: Some(of), ..Default::default() })
}

/// A process, and whether money may leave through it.
async fn process(house: &House, transfers: bool) -> tidegate_tests::process::Process {
    let config = house.config(&KEYS, "").expect("a config");
    let allowed = format!("[executor]\nallow_transfers = {transfers}\n");
    house.all("one", &config.replacen("[executor]\n", &allowed, 1)).await.expect("the process")
}

fn address(name: &str) -> v1::CreateAddressRequest {
    v1::CreateAddressRequest {
        context: context(),
        scope: of(Of::NetworkId(BITCOIN.into())),
        address: "bc1q-cold".into(),
        name: name.into(),
        description: "the big one".into(),
        ..Default::default()
    }
}

async fn all_addresses(funding: &mut Funding) -> Vec<v1::BetaAddress> {
    let reply = funding.list_addresses(within(v1::ListAddressesRequest::default(), 10)).await;
    reply.expect("addresses").into_inner().addresses
}

/// Saves an address and waits until it is confirmed.
async fn confirmed(funding: &mut Funding) -> String {
    let saved = funding.create_address(within(address("cold"), 10)).await.expect("saved").into_inner();
    let Some(v1::create_address_response::Outcome::Accepted(saved)) = saved.outcome else {
        panic!("{saved:?}")
    };
    assert_eq!(saved.verified, Some(false));
    eventually("the address to be confirmed", || {
        let (mut funding, id) = (funding.clone(), saved.address_id.clone());
        async move {
            let found =
                all_addresses(&mut funding).await.into_iter().find(|address| address.address_id == id);
            found.is_some_and(|address| address.verified).then_some(())
        }
    })
    .await;
    saved.address_id
}

fn withdrawal(address_id: &str) -> v1::CreateWithdrawalRequest {
    let asset = Some(v1::BetaAsset { name: "BTC".into(), ..Default::default() });
    v1::CreateWithdrawalRequest {
        context: context(),
        scope: of(Of::MethodId(OUT_BTC.into())),
        address_id: address_id.into(),
        amount: Some(v1::BetaAmount { asset, amount: "0.5".into(), ..Default::default() }),
        expected_address: "bc1q-cold".into(),
        ..Default::default()
    }
}

async fn withdraw(
    funding: &Funding,
    request: &v1::CreateWithdrawalRequest,
    seconds: u64,
) -> Result<v1::CreateWithdrawalResponse, Status> {
    funding.clone().create_withdrawal(within(request.clone(), seconds)).await.map(tonic::Response::into_inner)
}

fn unresolved(reply: v1::CreateWithdrawalResponse) -> v1::Unresolved {
    match reply.outcome {
        Some(Outcome::Unresolved(open)) => open,
        other => panic!("{other:?}"),
    }
}

/// Bitcoin of the account, as Kraken has it.
async fn bitcoin(gateway: &Channel) -> String {
    let balance = AccountServiceClient::new(gateway.clone())
        .get_balance(within(v1::GetBalanceRequest::default(), 10))
        .await
        .expect("a balance");
    balance.into_inner().balances["XXBT"].clone()
}

async fn sent(house: &House, endpoint: &str) -> Vec<Value> {
    house.pages.requests(endpoint).await.expect("a log")
}

async fn spoil(house: &House, endpoint: &str, name: &str, value: Value) {
    let mut fault = json!({"endpoint": endpoint});
    fault[name] = value;
    house.pages.switch(&json!({"faults": [fault]})).await.expect("a fault");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_round_from_methods_to_a_withdrawal() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = process(&house, true).await;
    let gateway = channel(&process).await.expect("a channel");
    let mut funding = FundingBetaServiceClient::new(gateway.clone());

    let mut methods = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListMethodsRequest {
            direction: v1::BetaDirection::Withdraw.into(),
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = funding.list_methods(within(request, 10)).await.expect("a page").into_inner();
        assert!(page.methods.len() <= 2);
        methods.extend(page.methods);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(methods.len(), 3);
    let method = methods.iter().find(|method| method.method_id == OUT_BTC).expect("bitcoin");
    assert_eq!(method.network.as_ref().expect("a network").network_id, BITCOIN);
    let networks = funding.list_networks(within(v1::ListNetworksRequest::default(), 10)).await;
    assert!(
        networks.expect("networks").into_inner().networks.iter().any(|network| network.network_id == BITCOIN)
    );

    let address_id = confirmed(&mut funding).await;
    let renamed = v1::UpdateAddressRequest {
        context: context(),
        address_id: address_id.clone(),
        name: Some("colder".into()),
        description: Some(String::new()),
        ..Default::default()
    };
    let renamed = funding.update_address(within(renamed, 10)).await.expect("renamed").into_inner().outcome;
    assert!(
        matches!(renamed, Some(v1::update_address_response::Outcome::Accepted(a)) if a.verified == Some(true))
    );
    let shown = all_addresses(&mut funding).await;
    assert_eq!((shown[0].name.as_str(), shown[0].description.as_str()), ("colder", ""));

    let quote = v1::CalculateFeesRequest {
        method_id: OUT_BTC.into(),
        amount: "0.5".into(),
        fee_included: Some(true),
        ..Default::default()
    };
    let quote = funding.calculate_fees(within(quote, 10)).await.expect("a quote").into_inner();
    let digits = |amount: &Option<v1::BetaAmount>| amount.as_ref().expect("there").amount.clone();
    assert_eq!(
        (digits(&quote.fee).as_str(), digits(&quote.net_amount).as_str()),
        ("0.0001500000", "0.4998500000")
    );
    let request = v1::CreateWithdrawalRequest {
        fee: Some(v1::create_withdrawal_request::Fee::FeeToken(quote.fee_token)),
        fee_included: Some(true),
        ..withdrawal(&address_id)
    };
    let first = withdraw(&funding, &request, 10).await.expect("a withdrawal");
    // Again, under the same id: the same words, and nothing more leaves.
    for _ in 0..2 {
        assert_eq!(withdraw(&funding, &request, 10).await.expect("the same"), first);
    }
    let Some(Outcome::Accepted(made)) = first.outcome else { panic!("{first:?}") };
    assert_eq!(
        (digits(&made.gross_amount).as_str(), digits(&made.fee).as_str()),
        ("0.5000000000", "0.0001500000")
    );
    assert_eq!(bitcoin(&gateway).await, "99.5000000000");
    assert_eq!(sent(&house, WITHDRAWAL).await.len(), 1);
    let entries = v1::GetLedgersRequest { entry_type: "withdrawal".into(), ..Default::default() };
    let entries = AccountServiceClient::new(gateway.clone())
        .get_ledgers(within(entries, 10))
        .await
        .expect("a page")
        .into_inner();
    assert_eq!(entries.entries.len(), 1);
    assert_eq!(entries.entries[0].reference_id, made.withdrawal_id);
    let intent = v1::GetIntentRequest { context: request.context.clone() };
    let intent =
        TradingServiceClient::new(gateway.clone()).get_intent(within(intent, 10)).await.expect("known");
    let kept = intent.into_inner().outcome;
    let told = matches!(&kept, Some(v1::get_intent_response::Outcome::CreateWithdrawal(kept))
        if matches!(&kept.outcome, Some(Outcome::Accepted(kept)) if kept.withdrawal_id == made.withdrawal_id));
    assert!(told, "{kept:?}");

    let claim =
        v1::ClaimDepositAddressRequest { context: context(), method_id: IN_BTC.into(), ..Default::default() };
    let claimed =
        funding.claim_deposit_address(within(claim, 10)).await.expect("claimed").into_inner().outcome;
    let Some(v1::claim_deposit_address_response::Outcome::Accepted(claimed)) = claimed else {
        panic!("claimed")
    };
    assert!(!claimed.details.and_then(|details| details.crypto).expect("on a chain").address.is_empty());
    let delete = v1::DeleteAddressRequest { context: context(), address_id, ..Default::default() };
    let deleted = funding.delete_address(within(delete.clone(), 10)).await.expect("deleted").into_inner();
    let gone = |reply: &v1::DeleteAddressResponse| matches!(&reply.outcome, Some(v1::delete_address_response::Outcome::Accepted(a)) if a.deleted == Some(true));
    assert!(gone(&deleted) && all_addresses(&mut funding).await.is_empty());
    // Under a new id it is another act, and there is nothing any more.
    let again = v1::DeleteAddressRequest { context: context(), ..delete };
    let refused = funding.delete_address(within(again, 10)).await.expect_err("gone");
    assert!(promises_not_executed(&refused) && refused.code() == Code::FailedPrecondition, "{refused:?}");
    assert_eq!(fact(&refused, "kraken_error").as_deref(), Some("EFunding:Unknown withdraw key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn money_stays_where_nobody_has_allowed_it_to_leave() {
    let house = House::build(Plan::default()).await.expect("a house");
    // As it is if nothing is said.
    let config = house.config(&KEYS, "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let mut funding = FundingBetaServiceClient::new(channel(&process).await.expect("a channel"));

    let update = v1::UpdateAddressRequest {
        context: context(),
        address_id: "AB7J4FF-BGM7G-V2JMIH".into(),
        name: Some("mine".into()),
        ..Default::default()
    };
    let delete = v1::DeleteAddressRequest {
        context: context(),
        address_id: "AB7J4FF-BGM7G-V2JMIH".into(),
        ..Default::default()
    };
    let refused = [
        withdraw(&funding, &withdrawal("AB7J4FF-BGM7G-V2JMIH"), 10).await.expect_err("not allowed"),
        funding.create_address(within(address("cold"), 10)).await.expect_err("not allowed"),
        funding.update_address(within(update, 10)).await.expect_err("not allowed"),
        funding.delete_address(within(delete, 10)).await.expect_err("not allowed"),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        assert!(
            promises_not_executed(&status) && status.message().contains("executor.allow_transfers"),
            "{status:?}"
        );
    }
    for endpoint in
        [WITHDRAWAL, "FundingBeta/CreateAddress", "FundingBeta/UpdateAddress", "FundingBeta/DeleteAddress"]
    {
        assert!(sent(&house, endpoint).await.is_empty(), "{endpoint}");
    }
    // Money may come in, and everything may be looked at.
    let claim =
        v1::ClaimDepositAddressRequest { context: context(), method_id: IN_BTC.into(), ..Default::default() };
    funding.claim_deposit_address(within(claim, 10)).await.expect("claimed");
    assert!(all_addresses(&mut funding).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_whose_answer_is_lost_stays_open_and_is_never_sent_again() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = process(&house, true).await;
    let gateway = channel(&process).await.expect("a channel");
    let mut funding = FundingBetaServiceClient::new(gateway.clone());
    let address_id = confirmed(&mut funding).await;

    // Each was executed, whatever its answer says.
    let mut asked = 0;
    for (name, value) in [
        ("reset", json!(true)),
        ("execute_then_http_status", json!(502)),
        ("execute_then_error", json!("EService:Busy")),
        ("execute_then_error", json!("EGeneral:Internal error")),
        ("execute_then_error", json!("EFunding:Weather")),
        ("truncate_after_bytes", json!(30)),
        ("not_json", json!(true)),
    ] {
        let fault = format!("{name}: {value}");
        spoil(&house, WITHDRAWAL, name, value).await;
        let request = withdrawal(&address_id);
        let open = unresolved(withdraw(&funding, &request, 10).await.expect("not an error"));
        assert_eq!(Some(open.request_id), request.context.as_ref().map(|c| c.request_id.clone()), "{fault}");
        asked += 1;
        unresolved(withdraw(&funding, &request, 1).await.expect("still not an error"));
        assert_eq!(sent(&house, WITHDRAWAL).await.len(), asked, "{fault}: sent once");
    }
    let executed = sent(&house, WITHDRAWAL).await.iter().filter(|entry| entry["executed"] == true).count();
    assert_eq!(executed, asked);
    // Half a coin and its fee, seven times.
    assert_eq!(bitcoin(&gateway).await, "96.4989500000");

    // What comes late is told after all.
    spoil(&house, WITHDRAWAL, "hang_after_execute_ms", json!(3_000)).await;
    let request = withdrawal(&address_id);
    let open = unresolved(withdraw(&funding, &request, 2).await.expect("not an error"));
    assert_eq!(open.reason, "NO_ANSWER_IN_TIME");
    let made = eventually("the late answer", || async {
        match withdraw(&funding, &request, 2).await.expect("not an error").outcome {
            Some(Outcome::Accepted(made)) => Some(made),
            _ => None,
        }
    })
    .await;
    assert!(made.withdrawal_id.starts_with("FT"));
    assert_eq!(sent(&house, WITHDRAWAL).await.len(), asked + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_words_that_are_known_is_one_and_others_are_not() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = process(&house, true).await;
    let gateway = channel(&process).await.expect("a channel");
    let mut funding = FundingBetaServiceClient::new(gateway.clone());
    let address_id = confirmed(&mut funding).await;

    let mut request = withdrawal(&address_id);
    request.amount.as_mut().expect("there").amount = "1000".into();
    for _ in 0..2 {
        let refused = withdraw(&funding, &request, 10).await.expect_err("too much");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
        assert!(
            promises_not_executed(&refused) && refused.message().contains("Invalid amount"),
            "{refused:?}"
        );
        assert_eq!(fact(&refused, "settles").as_deref(), Some("request_id"));
    }
    assert_eq!(sent(&house, WITHDRAWAL).await.len(), 1);
    // Nobody knows what a word means that nobody knows.
    spoil(&house, WITHDRAWAL, "error", json!("EFunding:Withdrawals are resting")).await;
    let open = unresolved(withdraw(&funding, &withdrawal(&address_id), 10).await.expect("not an error"));
    assert!(open.reason == "KRAKEN_UNCLEAR" && open.text.contains("Withdrawals are resting"), "{open:?}");
    // A read may be asked again.
    spoil(&house, "FundingBeta/ListNetworks", "error", json!("EFunding:Weather")).await;
    let status =
        funding.list_networks(within(v1::ListNetworksRequest::default(), 10)).await.expect_err("weather");
    assert!(promises_not_executed(&status) && status.message().contains("Weather"), "{status:?}");
    funding.list_networks(within(v1::ListNetworksRequest::default(), 10)).await.expect("an answer");
    // What our own check finds is never sent.
    let wrong = v1::CreateWithdrawalRequest { address_id: "..".into(), scope: None, ..withdrawal("x") };
    let status = withdraw(&funding, &wrong, 10).await.expect_err("two mistakes");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(sent(&house, WITHDRAWAL).await.len(), 2);
    assert_eq!(bitcoin(&gateway).await, "100.0000000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sequence_of_nonces_serves_bodies_and_headers() {
    let plan = Plan { sandbox: "random_delay_ms = 5".into(), ..Plan::default() };
    let house = House::build(plan).await.expect("a house");
    let config = house.config(&["sandbox-fund"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");

    let mut calls = tokio::task::JoinSet::new();
    for i in 0..60 {
        let gateway = gateway.clone();
        calls.spawn(async move {
            if i % 2 == 0 {
                let request = within(v1::GetBalanceRequest::default(), 20);
                AccountServiceClient::new(gateway).get_balance(request).await.map(drop)
            } else {
                let request = within(v1::ListNetworksRequest::default(), 20);
                FundingBetaServiceClient::new(gateway).list_networks(request).await.map(drop)
            }
        });
    }
    for told in calls.join_all().await {
        told.expect("an answer");
    }
    let log = house.pages.settled_log().await.expect("a log");
    let of_key: Vec<_> = log.iter().filter(|entry| entry["key"] == "sandbox-fund").collect();
    let count = |endpoint: &str| of_key.iter().filter(|entry| entry["endpoint"] == endpoint).count();
    assert_eq!((count("Balance"), count("FundingBeta/ListNetworks")), (30, 30));
    assert!(of_key.iter().all(|entry| entry["verdict"] == "ok"), "{of_key:?}");
    let nonces: Vec<u64> = of_key
        .iter()
        .map(|entry| entry["nonce"].as_str().expect("a nonce").parse().expect("a number"))
        .collect();
    assert!(nonces.windows(2).all(|pair| pair[0] < pair[1]), "{nonces:?}");
    // Both kinds have been mixed, so that the order means something.
    let kinds: Vec<_> = of_key.iter().map(|entry| entry["endpoint"].as_str()).collect();
    assert!(kinds.windows(2).filter(|pair| pair[0] != pair[1]).count() > 2, "{kinds:?}");
}
