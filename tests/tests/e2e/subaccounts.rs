//! Subaccounts: made by their master, and paid by it where an operator allows it.

use std::time::Duration;

use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::operations_service_client::OperationsServiceClient;
use tidegate_proto::v1::{account_transfer_response as transfer, create_subaccount_response as created};
use tidegate_tests::house::{House, Plan, channel, sandbox_key};
use tidegate_tests::judge::{fact, promises_not_executed};
use tidegate_tests::process::Process;
use tidegate_tests::request_id;
use tonic::transport::Channel;
use tonic::{Code, Request};

const SECOND: &str = "sandbox-second-read";

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(10));
    request
}

fn context() -> Option<v1::CallContext> {
    Some(v1::CallContext { request_id: request_id(), ..Default::default() })
}

/// A process with keys of the master and one that reads the subaccount, its ledger too.
async fn process(house: &House, name: &str, allowed: bool) -> Process {
    let tokens = json!(["query-funds", "query-ledger"]);
    let key = sandbox_key(SECOND).expect("a key")["api_key"].clone();
    let change = json!({"keys": [{"key": key, "permission_tokens": tokens}]});
    house.pages.switch(&change).await.expect("a change");
    let second = House::key_table(SECOND, &[("permissions", &tokens.to_string())]).expect("a table");
    let config = house.config(&["sandbox-fund", "sandbox-ledger"], &second).expect("a config");
    let switch = format!("[executor]\nallow_transfers = {allowed}\n");
    house.all(name, &config.replacen("[executor]\n", &switch, 1)).await.expect("a process")
}

async fn iban(gateway: &Channel, account: &str, key_label: &str) -> String {
    let context = Some(v1::CallContext { account: account.to_owned(), ..v1::CallContext::default() });
    let request = v1::GetApiKeyInfoRequest { context, key_label: key_label.to_owned() };
    let mut operations = OperationsServiceClient::new(gateway.clone());
    operations.get_api_key_info(within(request)).await.expect("a key").into_inner().iban
}

async fn pay(gateway: &Channel, amount: &str) -> v1::AccountTransferRequest {
    v1::AccountTransferRequest {
        context: context(),
        asset: "USD".into(),
        amount: amount.into(),
        from_iiban: iban(gateway, "main", "sandbox-fund").await,
        to_iiban: iban(gateway, "second", SECOND).await,
        ..Default::default()
    }
}

async fn dollars(gateway: &Channel, account: &str) -> String {
    let context = Some(v1::CallContext { account: account.into(), ..Default::default() });
    let mut client = AccountServiceClient::new(gateway.clone());
    let reply = client
        .get_balance(within(v1::GetBalanceRequest { context, ..Default::default() }))
        .await
        .expect("a balance");
    reply.into_inner().balances["ZUSD"].clone()
}

async fn transfers(gateway: &Channel, account: &str) -> Vec<v1::LedgerEntry> {
    let context = Some(v1::CallContext { account: account.into(), ..Default::default() });
    let request = v1::GetLedgersRequest { context, entry_type: "transfer".into(), ..Default::default() };
    let mut client = AccountServiceClient::new(gateway.clone());
    client.get_ledgers(within(request)).await.expect("a page").into_inner().entries
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_pays_its_subaccount_once() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = process(&house, "one", true).await;
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());

    let request = pay(&gateway, "250.50").await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let reply = account.account_transfer(within(request.clone())).await.expect("taken").into_inner();
        match reply.outcome {
            Some(transfer::Outcome::Accepted(accepted)) => told.push(accepted),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((told[0].state(), &told[0]), (v1::AccountTransferState::Complete, &told[1]));
    assert_eq!(house.pages.requests("AccountTransfer").await.expect("a log").len(), 1);
    assert_eq!(dollars(&gateway, "main").await, "999749.5000");
    assert_eq!(dollars(&gateway, "second").await, "1000250.5000");
    for (name, amount) in [("main", "-250.5000"), ("second", "250.5000")] {
        let entries = transfers(&gateway, name).await;
        assert_eq!((entries.len(), entries[0].amount.as_str()), (1, amount), "{name}");
        assert_eq!(entries[0].reference_id, told[0].transfer_id, "{name}");
    }

    // More than there is.
    let status =
        account.account_transfer(within(pay(&gateway, "2000000").await)).await.expect_err("too much");
    assert_eq!(fact(&status, "kraken_error").as_deref(), Some("EFunding:Insufficient funds"), "{status:?}");
    assert!(promises_not_executed(&status) && status.code() == Code::FailedPrecondition);

    let made = v1::CreateSubaccountRequest {
        context: context(),
        username: "desk-7".into(),
        email: "desk-7@example.com".into(),
    };
    let reply = account.create_subaccount(within(made.clone())).await.expect("made").into_inner();
    assert!(matches!(reply.outcome, Some(created::Outcome::Accepted(_))), "{reply:?}");
    let twice = v1::CreateSubaccountRequest { context: context(), ..made };
    let status = account.create_subaccount(within(twice)).await.expect_err("the name is taken");
    assert_eq!(fact(&status, "kraken_error").as_deref(), Some("EGeneral:Invalid arguments:username"));
}

#[tokio::test(flavor = "multi_thread")]
async fn money_stays_where_no_operator_lets_it_go() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = process(&house, "one", false).await;
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());
    let status = account.account_transfer(within(pay(&gateway, "1").await)).await.expect_err("not allowed");
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert!(promises_not_executed(&status) && status.message().contains("executor.allow_transfers"));
    assert!(house.pages.requests("AccountTransfer").await.expect("a log").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_whose_answer_is_lost_is_not_made_again() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = process(&house, "one", true).await;
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());
    let fault = json!({"endpoint": "AccountTransfer", "execute_then_http_status": 504});
    house.pages.switch(&json!({"faults": [fault]})).await.expect("a fault");
    let request = pay(&gateway, "100").await;
    for _ in 0..3 {
        let mut asked = Request::new(request.clone());
        asked.set_timeout(Duration::from_secs(2));
        let reply = account.account_transfer(asked).await.expect("a reply").into_inner();
        let Some(transfer::Outcome::Unresolved(open)) = reply.outcome else { panic!("{reply:?}") };
        assert!(open.cl_ord_id.is_empty() && open.not_after.is_none(), "{open:?}");
    }
    assert_eq!(house.pages.requests("AccountTransfer").await.expect("a log").len(), 1);
    assert_eq!(dollars(&gateway, "second").await, "1000100.0000", "paid once");
}
