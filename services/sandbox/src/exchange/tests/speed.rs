//! What goes faster than time, and what must not.

use super::*;

const SECOND_US: u64 = 1_000_000;

fn fast(speed: u64) -> Floor {
    Floor::new(&Options { speed: Some(speed), ..Options::default() })
}

/// The same thing at ten times the speed of time: not before a tenth of its time, and then.
fn takes(mut floor: Floor, us: u64, is_done: impl Fn(&mut Floor) -> bool, what: &str) {
    assert!(!is_done(&mut floor), "{what} before anything");
    floor.now_us += us - 1;
    assert!(!is_done(&mut floor), "{what} too early");
    floor.now_us += 1;
    assert!(is_done(&mut floor), "{what} too late");
}

#[test]
fn what_callers_wait_for_takes_a_part_of_its_time() {
    // A deposit goes through three states of two seconds each.
    let paid = |floor: &mut Floor| {
        let payment = json!({"account": "main", "asset": "XBT", "amount": "0.5"});
        floor.exchange.deposit(floor.now_us, payment.to_string().as_bytes()).unwrap();
    };
    let arrived =
        |floor: &mut Floor| floor.result("sandbox-fund", "DepositStatus", "")[0]["status"] == "Success";
    let mut floor = fast(10);
    paid(&mut floor);
    takes(floor, 600_000, arrived, "a deposit");
    let mut floor = fast(1);
    paid(&mut floor);
    takes(floor, 6 * SECOND_US, arrived, "a deposit at the speed of time");

    let mut floor = fast(10);
    floor.result("sandbox-ledger", "AddExport", "report=trades&description=x");
    let ready = |floor: &mut Floor| {
        floor.result("sandbox-ledger", "ExportStatus", "report=trades")[0]["status"] == "Processed"
    };
    takes(floor, 100_000, ready, "a report");

    // A second to be taken in, and a day to be bound.
    let mut floor = fast(10);
    floor.result("sandbox-fund", "Earn/Allocate", "strategy_id=ESETH2B-ONDED-SANDBX&amount=1");
    let bound = |floor: &mut Floor| {
        let all = floor.result("sandbox-fund", "Earn/Allocations", "");
        let amounts = &all["items"][0]["amount_allocated"];
        amounts["total"]["native"] == "1.0000000000" && amounts.get("bonding").is_none()
    };
    takes(floor, 100_000 + 8_640 * SECOND_US, bound, "a bond");
}

#[test]
fn time_itself_and_what_callers_count_in_it_keep_to_it() {
    let mut floor = fast(86_400);
    assert_eq!(floor.send(request("/0/public/Time"))["result"]["unixtime"], NOW_US / SECOND_US);
    // An order and the timer end on the caller's clock.
    floor.result("sandbox-all", "AddOrder", &format!("{ORDER}&expiretm=%2B60"));
    floor.result("sandbox-all", "AddOrder", ORDER);
    floor.result("sandbox-all", "CancelAllOrdersAfter", "timeout=90");
    let open =
        |floor: &mut Floor| floor.result("sandbox-all", "OpenOrders", "")["open"].as_object().unwrap().len();
    for (after_s, count) in [(59, 2), (1, 1), (29, 1), (1, 0)] {
        floor.now_us += after_s * SECOND_US;
        assert_eq!(open(&mut floor), count);
    }
    // So does the deadline of a request, which was two seconds ahead when it arrived.
    let deadline = "2026-06-09T10:14:52Z";
    let order = format!("{ORDER}&deadline={deadline}");
    assert_eq!(floor.now_us, NOW_US + 90 * SECOND_US);
    floor.nonce += 1;
    let late = form("sandbox-all", "AddOrder", floor.nonce, &order);
    let arrived = floor.exchange.receive(floor.now_us, late);
    let admitted = floor.exchange.authenticate(floor.now_us, arrived).unwrap();
    let reply = floor.exchange.execute(floor.now_us + 2 * SECOND_US, admitted);
    assert!(String::from_utf8_lossy(&reply.body).contains("txid"), "{reply:?}");
    // A used nonce stays used.
    let again = form("sandbox-all", "Balance", floor.nonce, "");
    assert_eq!(error(&floor.send(again)), "EAPI:Invalid nonce");
}

#[test]
fn no_counter_drains_faster_and_no_pause_becomes_shorter() {
    let drained = |speed| {
        let mut floor = Floor::new(&Options {
            speed: Some(speed),
            tier: Tier::Starter,
            reply_delay_ms: 500,
            visibility_lag_ms: 3_000,
            ..Options::default()
        });
        let mut told = Vec::new();
        for wait_ms in [0, 0, 400, 2_700, 100, 3_000, 30_000] {
            floor.now_us += wait_ms * 1_000;
            for _ in 0..9 {
                told.push(floor.ask("sandbox-all", "AddOrder", ORDER)["error"].clone());
                told.push(floor.ask("sandbox-all", "Balance", "")["error"].clone());
            }
            let open = floor.ask("sandbox-read", "OpenOrders", "");
            told.push(open["result"]["open"].as_object().map(serde_json::Map::len).into());
        }
        let arrived = floor.exchange.receive(floor.now_us, request("/0/public/Time"));
        told.push(arrived.pauses.before_reply_ms.into());
        told
    };
    assert_eq!(drained(1), drained(1_000));
}

#[test]
fn a_moving_market_goes_as_fast() {
    let went = |speed: u64| {
        let options =
            Options { market: MarketKind::Moving, speed: Some(speed), seed: 3, ..Options::default() };
        let mut floor = Floor::new(&options);
        floor.exchange.pass(floor.now_us);
        let best = |floor: &Floor| floor.exchange.engine.books[0].best(book::Side::Buy).unwrap();
        let (mut low, mut high) = (best(&floor), best(&floor));
        for _ in 0..60 {
            floor.now_us += SECOND_US;
            floor.exchange.pass(floor.now_us);
            (low, high) = (low.min(best(&floor)), high.max(best(&floor)));
        }
        (high - low, floor.exchange.engine.tapes[0].recent().count())
    };
    let (slow, fast) = (went(1), went(3_600));
    assert!(fast.0 > 5 * slow.0, "an hour in a second: {fast:?}, {slow:?}");
    assert!(fast.1.abs_diff(slow.1) < 30, "and no more work: {fast:?}, {slow:?}");
}

#[test]
fn the_speed_can_be_changed_and_has_bounds() {
    let mut floor = floor();
    for wrong in [0, 86_401] {
        assert!(floor.exchange.change(json!({"speed": wrong}).to_string().as_bytes()).is_err());
    }
    let switches =
        |floor: &Floor| -> Value { serde_json::from_str(&floor.exchange.switches_json().unwrap()).unwrap() };
    assert_eq!((&switches(&floor)["speed"], &switches(&floor)["market"]), (&json!(1), &json!("still")));
    floor.exchange.change(br#"{"speed":1000}"#).unwrap();
    floor.result("sandbox-ledger", "AddExport", "report=trades&description=x");
    floor.now_us += 1_000;
    let status = floor.result("sandbox-ledger", "ExportStatus", "report=trades");
    assert_eq!(status[0]["status"], "Processed");
    assert_eq!(Floor::new(&Options { speed: Some(0), ..Options::default() }).exchange.switches.speed, 1);
}
