//! Started while Redis is away: processes live, cancels pass through the break-glass key, nothing is placed, and once the
//! store is there it is looked at before it is trusted.

use tidegate_lanes::Fingerprint;
use tidegate_proto::v1;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel, lanes, sandbox_key, settled};
use tidegate_tests::judge::{forbidden_refusals, promises_not_executed};
use tidegate_tests::load::{handle_of, resting_order};
use tidegate_tests::process::Process;
use tidegate_tests::redis::Keep;
use tonic::transport::Channel;

const NORMAL: &str = "sandbox-trade";
const SPARE: &str = "sandbox-cancel";

async fn page(process: &Process, page: &str) -> (u16, String) {
    let url = format!("http://{}/{page}", process.addr("admin/http"));
    let answer = tidegate_tests::http().expect("a client").get(url).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

/// An executor of the name and a gateway before it.
async fn start(house: &House, round: &str, config: &str, name: &str) -> (Process, Process, Channel) {
    let config_of_it = config.replace("[executor]\n", &format!("[executor]\nname = \"{name}\"\n"));
    let listeners = ["executor/grpc", "admin/http"];
    let executor =
        Process::start(house.dir(), &format!("executor-{round}"), "executor", &config_of_it, &listeners)
            .await;
    let executor = executor.expect("an executor");
    let known = format!("{config}[gateway.executors]\none = \"{}\"\n", executor.addr("executor/grpc"));
    let gateway =
        Process::start(house.dir(), &format!("gateway-{round}"), "gateway", &known, &["gateway/grpc"]).await;
    let gateway = gateway.expect("a gateway");
    let calls = channel(&gateway).await.expect("a channel");
    (executor, gateway, calls)
}

async fn wait_for(gateway: &Channel, label: &str, state: v1::LaneState) {
    eventually("a lane to be in its state", || async {
        let lanes = lanes(gateway.clone()).await;
        (lanes.iter().find(|lane| lane.key_label == label)?.state() == state).then_some(())
    })
    .await;
}

async fn cancel(gateway: &Channel, handle: String) -> bool {
    let target = Some(v1::cancel_order_request::Target::ClOrdId(handle));
    let cancel = v1::CancelOrderRequest { context: None, target };
    let reply = TradingServiceClient::new(gateway.clone()).cancel_order(cancel).await.expect("a cancel");
    matches!(reply.into_inner().outcome, Some(v1::cancel_order_response::Outcome::Accepted(_)))
}

/// How many cancels the exchange got with each of the two keys.
async fn cancels(house: &House) -> (usize, usize) {
    let log = house.pages.requests("CancelOrder").await.expect("a log");
    let with = |label: &str| log.iter().filter(|entry| entry["key"] == label).count();
    (with(NORMAL), with(SPARE))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_and_an_executor_started_without_redis_pass_cancels() {
    let mut house = House::build(Plan { redis: true, ..Plan::default() }).await.expect("a house");
    let spare = House::key_table(SPARE, &[("break_glass", "\"night\"")]).expect("a key");
    let config = house.config(&[NORMAL, "sandbox-read"], &spare).expect("a config");

    // With a store the break-glass key is there and not used.
    let (executor, gateway, calls) = start(&house, "one", &config, "night").await;
    settled(calls.clone()).await;
    wait_for(&calls, SPARE, v1::LaneState::Open).await;
    let mut handles = Vec::new();
    for _ in 0..3 {
        let order = resting_order();
        handles.push(handle_of(&order));
        TradingServiceClient::new(calls.clone()).add_order(order).await.expect("an order that rests");
    }
    assert!(cancel(&calls, handles.remove(0)).await);
    assert_eq!(cancels(&house).await, (1, 0));
    let redis = house.redis.as_ref().expect("planned");
    let api_key = sandbox_key(SPARE).expect("a key")["api_key"].as_str().expect("a text").to_owned();
    let content = redis.content().await.expect("what is kept");
    assert!(!content.contains(Fingerprint::of_api_key(&api_key).as_str()), "the store knows the spare key");
    drop((executor, gateway));

    house.redis.as_mut().expect("planned").kill().await.expect("gone");
    let (executor, _gateway, calls) = start(&house, "two", &config, "night").await;
    wait_for(&calls, SPARE, v1::LaneState::Open).await;
    assert_eq!(page(&executor, "livez").await.0, 200);
    let (status, missing) = page(&executor, "readyz").await;
    assert!(status == 503 && missing.contains("- store\n") && missing.contains("- lanes\n"), "{missing}");
    assert!(cancel(&calls, handles.remove(0)).await);
    assert_eq!(cancels(&house).await, (1, 1));
    let status = TradingServiceClient::new(calls.clone()).add_order(resting_order()).await;
    assert!(promises_not_executed(&status.expect_err("no order without a store")));

    // Another process has the key in its configuration and leaves it alone.
    let (stranger, _other, strange) = start(&house, "three", &config, "day").await;
    assert!(stranger.log().contains("a break-glass key of another process is not used here"));
    eventually("the other gateway to see its executor", || async {
        let lanes = lanes(strange.clone()).await;
        (!lanes.is_empty() && lanes.iter().all(|lane| lane.key_label != SPARE)).then_some(())
    })
    .await;
    drop(stranger);

    house.redis.as_mut().expect("planned").restart(Keep::Nothing).await.expect("it comes back");
    wait_for(&calls, NORMAL, v1::LaneState::Open).await;
    TradingServiceClient::new(calls.clone()).add_order(resting_order()).await.expect("an order again");
    assert!(cancel(&calls, handles.remove(0)).await);
    assert_eq!(cancels(&house).await, (2, 1), "the spare key rests again");
    eventually("the executor to be ready", || async {
        (page(&executor, "readyz").await.0 == 200).then_some(())
    })
    .await;
    let log = house.pages.log().await.expect("a log");
    assert_eq!(forbidden_refusals(&log), Vec::<&serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfit_store_that_comes_late_is_refused_and_the_process_lives() {
    let mut house = House::build(Plan { redis: true, ..Plan::default() }).await.expect("a house");
    let config = house.config(&["sandbox-all"], "").expect("a config");
    let strict = config.replace("[store]\n", "[store]\nprofile = \"strict\"\n");
    house.redis.as_mut().expect("planned").kill().await.expect("gone");
    let listeners = ["gateway/grpc", "admin/http"];
    let process = Process::start(house.dir(), "late", "all", &strict, &listeners).await.expect("it starts");
    assert!(process.log().contains("started without it, nothing is placed until it is there"));

    // Neither an append-only file nor a replica, as strict does not have it.
    house.redis.as_mut().expect("planned").restart(Keep::Nothing).await.expect("it comes");
    eventually("the store to be refused", || async {
        process.log().contains("the store is refused, nothing is granted").then_some(())
    })
    .await;
    let (status, missing) = page(&process, "readyz").await;
    assert!(status == 503 && missing.contains("- store\n"), "{missing}");
    let calls = channel(&process).await.expect("a channel");
    let status = TradingServiceClient::new(calls.clone()).add_order(resting_order()).await;
    assert!(promises_not_executed(&status.expect_err("nothing is granted")));
    let redis = house.redis.as_mut().expect("planned");
    assert_eq!(redis.command(&["DBSIZE"]).await.expect("a size"), "0", "nothing was written");

    // At its start a process that reaches such a store ends, by name.
    let file = house.dir().join("again.toml");
    std::fs::write(&file, &strict).expect("written");
    let args = ["all", "--config", file.to_str().expect("a path in UTF-8")];
    let mut again = Process::spawn(house.dir(), "again", &args).expect("it starts");
    assert!(!again.ended().await.expect("it ends").success());
    assert!(again.log().contains("neither an append-only file nor a replica"), "{}", again.log());

    house.redis.as_mut().expect("planned").make_durable().await.expect("set right");
    settled(calls.clone()).await;
    TradingServiceClient::new(calls).add_order(resting_order()).await.expect("an order");
    eventually("the process to be ready", || async {
        (page(&process, "readyz").await.0 == 200).then_some(())
    })
    .await;
}
