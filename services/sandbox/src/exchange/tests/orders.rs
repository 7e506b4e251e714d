//! Batches, amends, edits and the switch that cancels everything.

use super::*;

const ROW: &str = r#"{"type":"buy","ordertype":"limit","price":"50000","volume":"0.1""#;

fn batch(floor: &mut Floor, rows: &[&str], more: &str) -> Value {
    floor.nonce += 1;
    let nonce = floor.nonce.to_string();
    let rows: Vec<_> = rows.iter().map(|row| format!("{ROW}{row}}}")).collect();
    let body = format!(r#"{{"nonce":"{nonce}","pair":"XBTUSD","orders":[{}]{more}}}"#, rows.join(","));
    floor.send(signed("sandbox-all", "AddOrderBatch", &nonce, body, "application/json"))
}

fn place(floor: &mut Floor, more: &str) -> String {
    let placed = floor.result("sandbox-all", "AddOrder", &format!("{ORDER}&{more}"));
    placed["txid"][0].as_str().unwrap().to_owned()
}

#[test]
fn a_batch_is_read_whole_and_executed_row_by_row() {
    let mut floor = floor();
    let placed = batch(&mut floor, &[r#","cl_ord_id":"a""#, r#","volume":"0.1""#], "");
    assert_eq!(error(&placed), "EGeneral:Invalid arguments", "a member that is given twice");
    let placed =
        batch(&mut floor, &[r#","cl_ord_id":"a""#, r#","cl_ord_id":"a""#, r#","cl_ord_id":"b""#], "");
    let rows = &placed["result"]["orders"];
    assert_eq!(placed["error"], json!([]));
    assert_eq!(rows[0]["descr"], json!({"order": "buy 0.10000000 XBTUSD @ limit 50000.0"}));
    assert_eq!(rows[1], json!({"error": "EOrder:Invalid order"}));
    assert!(rows[0]["txid"].is_string() && rows[2]["txid"].is_string());
    let entry = floor.log().pop().unwrap();
    assert_eq!((&entry["executed"], &entry["endpoint"]), (&json!(true), &json!("AddOrderBatch")));
    let expected = json!([
        {"cl_ord_id": "a", "txid": rows[0]["txid"]},
        {"cl_ord_id": "a", "txid": null},
        {"cl_ord_id": "b", "txid": rows[2]["txid"]},
    ]);
    assert_eq!(entry["rows"], expected);
    let wrong = batch(&mut floor, &["", r#","stptype":"never""#], "");
    assert_eq!(error(&wrong), "EGeneral:Invalid arguments:stptype");
    assert_eq!(error(&batch(&mut floor, &[""], "")), "EGeneral:Invalid arguments:orders");
    assert_eq!(error(&batch(&mut floor, &[""; 16], "")), "EGeneral:Invalid arguments:orders");
    assert_eq!(batch(&mut floor, &[""; 15], r#","validate":true"#)["result"]["orders"][14].get("txid"), None);
    let late = batch(&mut floor, &["", ""], r#","deadline":"2026-06-09T10:13:21Z""#);
    assert_eq!(error(&late), "EGeneral:Invalid arguments:deadline");
    assert_eq!(floor.exchange.engine.open_orders(0).count(), 2);
}

#[test]
fn a_batch_of_cancels_counts_what_was_open() {
    let mut floor = floor();
    let (a, _, _) =
        (place(&mut floor, "cl_ord_id=a"), place(&mut floor, "cl_ord_id=b"), place(&mut floor, "userref=7"));
    let cancel = |floor: &mut Floor, more: &str| floor.ask("sandbox-all", "CancelOrderBatch", more);
    assert_eq!(error(&cancel(&mut floor, "")), "EGeneral:Invalid arguments:orders");
    let many: String = (0..51).map(|i| format!("&orders[{i}]=x{i}")).collect();
    assert_eq!(error(&cancel(&mut floor, &many)), "EGeneral:Invalid arguments:orders");
    let some = format!("orders[0]={a}&orders[1]=7&orders[2]=OAAAAA-BBBBB-CCCCCC");
    assert_eq!(cancel(&mut floor, &some)["result"], json!({"count": 2}));
    assert_eq!(cancel(&mut floor, &some)["result"], json!({"count": 0}));
    assert_eq!(cancel(&mut floor, "cl_ord_ids[0]=b")["result"], json!({"count": 1}));
}

#[test]
fn an_amend_keeps_the_order_and_its_place_where_it_can() {
    let mut floor = floor();
    let first = place(&mut floor, "cl_ord_id=first");
    let amend = |floor: &mut Floor, more: &str| floor.ask("sandbox-all", "AmendOrder", more);
    let by_id = format!("txid={first}");
    assert_eq!(error(&amend(&mut floor, &by_id)), "EOrder:No amendable parameters");
    assert_eq!(
        error(&amend(&mut floor, &format!("{by_id}&order_qty=0.1&limit_price=50000"))),
        "EOrder:No amendable parameters"
    );
    assert_eq!(error(&amend(&mut floor, "txid=OAAAAA-BBBBB-CCCCCC&order_qty=1")), "EOrder:Unknown order");
    assert_eq!(error(&amend(&mut floor, "order_qty=1")), "EGeneral:Invalid arguments:txid");
    assert_eq!(error(&amend(&mut floor, &format!("{by_id}&order_qty=100"))), "EOrder:Insufficient funds");
    assert_eq!(
        error(&amend(&mut floor, &format!("{by_id}&limit_price=60000.5&post_only=true"))),
        "EOrder:Post only order"
    );
    floor.now_us += 1_000_000;
    let done = amend(&mut floor, "cl_ord_id=first&order_qty=0.05&limit_price=51000.5");
    let amend_id = done["result"]["amend_id"].as_str().unwrap();
    assert!(amend_id.starts_with('T'));
    let shown = floor.result("sandbox-read", "QueryOrders", &by_id)[&first].clone();
    assert_eq!(
        (&shown["vol"], &shown["descr"]["price"], &shown["misc"], &shown["cl_ord_id"]),
        (&json!("0.05000000"), &json!("51000.5"), &json!("amended"), &json!("first"))
    );
    let amends = floor.result("sandbox-read", "OrderAmends", &format!("order_id={first}"));
    assert_eq!((&amends["count"], &amends["amends"][0]["amend_type"]), (&json!(2), &json!("original")));
    assert_eq!(
        amends["amends"][1],
        json!({"amend_id": amend_id, "amend_type": "user", "order_qty": "0.05000000", "remaining_qty": "0.05000000",
            "limit_price": "51000.5", "post_only": false, "timestamp": (NOW_US + 1_000_000) * 1_000})
    );
    assert_eq!(
        floor.refusal("sandbox-read", "OrderAmends", "order_id=OAAAAA-BBBBB-CCCCCC"),
        "EOrder:Unknown order"
    );
    let entry =
        floor.log().into_iter().find(|entry| entry["endpoint"] == "AmendOrder" && entry["executed"] == true);
    assert_eq!(entry.unwrap()["txid"], first);
}

#[test]
fn the_queue_place_is_lost_unless_an_order_only_shrinks() {
    let mut floor = floor();
    let order = |volume: &str| format!("pair=XBTUSD&type=buy&ordertype=limit&price=60000&volume={volume}");
    let mut at_top = |volume: &str| {
        let placed = floor.result("sandbox-all", "AddOrder", &order(volume));
        placed["txid"][0].as_str().unwrap().to_owned()
    };
    let (one, two) = (at_top("1"), at_top("1"));
    floor.result("sandbox-all", "AmendOrder", &format!("txid={one}&order_qty=0.6"));
    floor.result("sandbox-second-trade", "AddOrder", "pair=XBTUSD&type=sell&ordertype=market&volume=0.5");
    let filled = |floor: &mut Floor, id: &str| {
        floor.result("sandbox-read", "QueryOrders", &format!("txid={id}"))[id]["vol_exec"].clone()
    };
    assert_eq!(filled(&mut floor, &one), "0.50000000");
    // A larger volume goes behind.
    floor.result("sandbox-all", "AmendOrder", &format!("txid={one}&order_qty=2"));
    floor.result("sandbox-second-trade", "AddOrder", "pair=XBTUSD&type=sell&ordertype=market&volume=0.5");
    assert_eq!(
        (filled(&mut floor, &one), filled(&mut floor, &two)),
        (json!("0.50000000"), json!("0.50000000"))
    );
    // No more than was executed: the rest goes.
    floor.result("sandbox-all", "AmendOrder", &format!("txid={one}&order_qty=0.3"));
    let shown = floor.result("sandbox-read", "QueryOrders", &format!("txid={one}"))[&one].clone();
    assert_eq!((&shown["status"], &shown["vol_exec"]), (&json!("canceled"), &json!("0.50000000")));
    // A price that takes, takes.
    floor.result("sandbox-all", "AmendOrder", &format!("txid={two}&limit_price=60000.5"));
    assert_eq!(filled(&mut floor, &two), "1.00000000");
}

#[test]
fn an_edit_is_a_cancel_and_a_new_order_and_can_stop_half_way() {
    let mut floor = floor();
    let old = place(&mut floor, "userref=7");
    let edit =
        |floor: &mut Floor, more: &str| floor.ask("sandbox-all", "EditOrder", &format!("pair=XBTUSD&{more}"));
    let checked = edit(&mut floor, &format!("txid={old}&volume=0.2&validate=true"));
    assert_eq!((&checked["result"]["status"], checked["result"].get("txid")), (&json!("ok"), None));
    let done = edit(&mut floor, "txid=7&volume=0.2&price=50001&userref=8")["result"].clone();
    assert_eq!(
        (&done["status"], &done["originaltxid"], &done["orders_cancelled"]),
        (&json!("ok"), &json!(old), &json!(1))
    );
    let new = done["txid"].as_str().unwrap().to_owned();
    let open = floor.result("sandbox-read", "OpenOrders", "")["open"].clone();
    assert_eq!(open.as_object().unwrap().keys().collect::<Vec<_>>(), [&new]);
    assert_eq!((&open[&new]["userref"], &open[&new]["vol"]), (&json!(8), &json!("0.20000000")));
    assert_eq!(error(&edit(&mut floor, &format!("txid={old}&volume=1"))), "EOrder:Unknown order");
    let failed = edit(&mut floor, &format!("txid={new}&volume=900"))["result"].clone();
    assert_eq!(
        (&failed["status"], &failed["error_message"], failed.get("txid"), &failed["orders_cancelled"]),
        (&json!("err"), &json!("EOrder:Insufficient funds"), None, &json!(1))
    );
    assert_eq!(floor.result("sandbox-read", "OpenOrders", "")["open"], json!({}));
    let last = floor.log().into_iter().rfind(|entry| entry["endpoint"] == "EditOrder").unwrap();
    assert_eq!((&last["executed"], &last["txid"]), (&json!(true), &json!(new)));
}

#[test]
fn a_dead_mans_switch_fires_once_unless_it_is_set_anew() {
    let mut floor = floor();
    let set = |floor: &mut Floor, timeout: &str| {
        floor.result("sandbox-all", "CancelAllOrdersAfter", &format!("timeout={timeout}"))
    };
    let order = place(&mut floor, "");
    assert_eq!(
        set(&mut floor, "60"),
        json!({"currentTime": "2026-06-09T10:13:20Z", "triggerTime": "2026-06-09T10:14:20Z"})
    );
    floor.now_us += 59_000_000;
    set(&mut floor, "60");
    floor.now_us += 59_000_000;
    let open =
        |floor: &mut Floor| floor.result("sandbox-read", "OpenOrders", "")["open"].as_object().unwrap().len();
    assert_eq!(open(&mut floor), 1);
    floor.now_us += 1_000_000;
    assert_eq!(open(&mut floor), 0);
    let closed = floor.result("sandbox-read", "ClosedOrders", "")["closed"][&order].clone();
    assert_eq!(closed["status"], "canceled");
    place(&mut floor, "");
    floor.now_us += 600_000_000;
    assert_eq!(open(&mut floor), 1, "it stays off");
    set(&mut floor, "10");
    assert_eq!(set(&mut floor, "0")["triggerTime"], "0");
    floor.now_us += 600_000_000;
    assert_eq!(open(&mut floor), 1);
    for wrong in ["", "timeout=86400", "timeout=soon"] {
        assert_eq!(
            floor.refusal("sandbox-all", "CancelAllOrdersAfter", wrong),
            "EGeneral:Invalid arguments:timeout"
        );
    }
}

#[test]
fn what_is_new_shows_late_everywhere() {
    let mut floor = Floor::new(&Options { visibility_lag_ms: 5_000, tier: Tier::Wide, ..Options::default() });
    let resting = place(&mut floor, "");
    let filled = floor.result("sandbox-all", "AddOrder", "pair=XBTUSD&type=buy&ordertype=market&volume=0.01");
    let filled = filled["txid"][0].as_str().unwrap().to_owned();
    let seen = |floor: &mut Floor| {
        let open = floor.result("sandbox-read", "OpenOrders", "")["open"].as_object().unwrap().len();
        let closed = floor.result("sandbox-read", "ClosedOrders", "");
        assert_eq!(closed["count"], closed["closed"].as_object().unwrap().len());
        let ids = format!("txid={resting},{filled}");
        let by_id = floor.result("sandbox-read", "QueryOrders", &ids).as_object().unwrap().len();
        (open, closed["count"].as_u64().unwrap(), by_id)
    };
    assert_eq!(seen(&mut floor), (0, 0, 0));
    let amends = format!("order_id={resting}");
    assert_eq!(floor.refusal("sandbox-read", "OrderAmends", &amends), "EOrder:Unknown order");
    floor.now_us += 5_000_000;
    assert_eq!(seen(&mut floor), (1, 1, 2));
    floor.result("sandbox-all", "AmendOrder", &format!("txid={resting}&order_qty=0.05"));
    assert_eq!(floor.result("sandbox-read", "OrderAmends", &amends)["count"], 1);
    floor.now_us += 5_000_000;
    assert_eq!(floor.result("sandbox-read", "OrderAmends", &amends)["count"], 2);
}
