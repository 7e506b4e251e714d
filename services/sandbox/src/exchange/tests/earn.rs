//! Moves into strategies and out of them, and what is in them.

use super::*;

const BY: &str = "sandbox-fund";
const BONDED: &str = "ESETH2B-ONDED-SANDBX";
const INSTANT: &str = "ESXBTIN-STANT-SANDBX";
const DAY_US: u64 = 86_400_000_000;
const SHORT: &str = "EEarnings:Insufficient funds:Insufficient funds to complete the (de)allocation request";

fn moved(id: &str, amount: &str) -> String {
    format!("strategy_id={id}&amount={amount}")
}

fn pending(floor: &mut Floor, way: &str, id: &str) -> Value {
    floor.result(BY, &format!("Earn/{way}Status"), &format!("strategy_id={id}"))["pending"].clone()
}

fn allocations(floor: &mut Floor, more: &str) -> Value {
    floor.result(BY, "Earn/Allocations", more)
}

fn balance(floor: &mut Floor, asset: &str) -> Value {
    floor.result(BY, "Balance", "")[asset].clone()
}

#[test]
fn what_goes_into_an_instant_strategy_comes_out_of_it_and_nothing_is_lost() {
    let mut floor = floor();
    let before = floor.exchange.engine.accounts.total();
    assert_eq!(pending(&mut floor, "Allocate", INSTANT), false);
    assert_eq!(floor.result(BY, "Earn/Allocate", &moved(INSTANT, "2.5")), json!(true));
    assert_eq!(pending(&mut floor, "Allocate", INSTANT), true);
    assert_eq!(balance(&mut floor, "XXBT"), "100.0000000000", "not yet");
    let shown = &allocations(&mut floor, "")["items"][0]["amount_allocated"];
    assert_eq!(shown["pending"], json!({"native": "2.5000000000", "converted": "150000.0000"}));
    assert_eq!(shown["total"]["native"], "0.0000000000");
    let refusal = "EEarnings:Busy:Another (de)allocation for the same strategy is in progress";
    for endpoint in ["Earn/Allocate", "Earn/Deallocate"] {
        assert_eq!(floor.refusal(BY, endpoint, &moved(INSTANT, "1")), refusal, "{endpoint}");
    }

    floor.now_us += 1_000_000;
    assert_eq!(pending(&mut floor, "Allocate", INSTANT), false);
    assert_eq!(balance(&mut floor, "XXBT"), "97.5000000000");
    let all = allocations(&mut floor, "converted_asset=EUR&hide_zero_allocations=true");
    assert_eq!((&all["converted_asset"], &all["total_allocated"]), (&json!("EUR"), &json!("137500.0000")));
    let item = json!({"strategy_id": INSTANT, "native_asset": "XBT",
        "amount_allocated": {"total": {"native": "2.5000000000", "converted": "137500.0000"}},
        "total_rewarded": {"native": "0.0000000000", "converted": "0.0000"}});
    assert_eq!(all["items"], json!([item]));

    floor.result(BY, "Earn/Deallocate", &moved(INSTANT, "2.5"));
    assert_eq!(pending(&mut floor, "Deallocate", INSTANT), true);
    let shown = &allocations(&mut floor, "")["items"][0]["amount_allocated"];
    assert_eq!(shown["pending"]["native"], "-2.5000000000");
    floor.now_us += 1_000_000;
    assert_eq!(balance(&mut floor, "XXBT"), "100.0000000000");
    assert_eq!(floor.exchange.engine.accounts.total(), before);
    assert_eq!(allocations(&mut floor, "hide_zero_allocations=true")["items"], json!([]));
    assert_eq!(allocations(&mut floor, "")["items"].as_array().unwrap().len(), 1);

    let page = floor.result("sandbox-ledger", "Ledgers", "type=earn");
    let mut told: Vec<_> = page["ledger"]
        .as_object()
        .unwrap()
        .values()
        .map(|entry| ["subtype", "amount", "balance"].map(|name| entry[name].as_str().unwrap().to_owned()))
        .collect();
    told.sort();
    let expected = [
        ["allocation", "-2.5000000000", "97.5000000000"],
        ["deallocation", "2.5000000000", "100.0000000000"],
    ];
    assert_eq!(told, expected.map(|row| row.map(str::to_owned)));
}

#[test]
fn what_is_bonded_takes_its_time_both_ways() {
    let mut floor = floor();
    let before = floor.exchange.engine.accounts.total();
    floor.result(BY, "Earn/Allocate", &moved(BONDED, "3"));
    floor.now_us += 1_000_000;
    let shown = &allocations(&mut floor, "")["items"][0]["amount_allocated"];
    let part = json!({"native": "3.0000000000", "converted": "9000.0000",
        "created_at": "2026-06-09T10:13:21Z", "expires": "2026-06-10T10:13:21Z"});
    assert_eq!(shown["bonding"]["allocations"], json!([part]));
    assert_eq!(
        (&shown["bonding"]["allocation_count"], &shown["total"]["native"]),
        (&json!(1), &json!("3.0000000000"))
    );
    floor.now_us += DAY_US;
    let shown = &allocations(&mut floor, "")["items"][0]["amount_allocated"];
    assert_eq!((shown.get("bonding"), &shown["total"]["native"]), (None, &json!("3.0000000000")));

    floor.result(BY, "Earn/Allocate", &moved(BONDED, "1"));
    floor.now_us += 1_000_000;
    // More than has settled: the rest comes out of what is still being bonded.
    floor.result(BY, "Earn/Deallocate", &moved(BONDED, "3.5"));
    floor.now_us += 1_000_000;
    let shown = &allocations(&mut floor, "")["items"][0]["amount_allocated"];
    assert_eq!(
        (&shown["bonding"]["native"], &shown["unbonding"]["native"]),
        (&json!("0.5000000000"), &json!("3.5000000000"))
    );
    assert_eq!(shown["total"]["native"], "4.0000000000");
    assert_eq!(balance(&mut floor, "XETH"), "996.0000000000");
    assert_eq!(floor.exchange.engine.accounts.total(), before, "nor on the way");
    floor.now_us += 2 * DAY_US;
    assert_eq!(balance(&mut floor, "XETH"), "999.5000000000");
    assert_eq!(floor.exchange.engine.accounts.total(), before);
}

#[test]
fn some_mistakes_are_told_at_once_and_some_when_it_is_tried() {
    let mut floor = floor();
    for (more, words) in [
        (moved("ESNOBOD-YKNOW-SITATA", "1"), "EGeneral:Invalid arguments:Invalid strategy ID"),
        (moved(INSTANT, "0.00009"), "EEarnings:Below min:(De)allocation operation amount less than minimum"),
        (
            moved("ESUSDFL-EXIBL-SANDBX", "10"),
            "EEarnings:Permission denied:The user's tier is not high enough",
        ),
        (
            moved("ESEURIN-STANT-SANDBX", "10"),
            "EEarnings:Permission denied:The user's tier is not high enough",
        ),
        (moved(INSTANT, "much"), "EGeneral:Invalid arguments:amount"),
        (format!("strategy_id={INSTANT}"), "EGeneral:Invalid arguments:amount"),
        ("amount=1".to_owned(), "EGeneral:Invalid arguments:strategy_id"),
    ] {
        for endpoint in ["Earn/Allocate", "Earn/Deallocate"] {
            assert_eq!(floor.refusal(BY, endpoint, &more), words, "{endpoint} {more}");
        }
    }
    // The key rests, so that its counter has room for what comes.
    floor.now_us += 60_000_000;
    let above = "EEarnings:Above max:The allocation exceeds user limit for the strategy";
    for (way, id, amount, words) in [
        ("Allocate", INSTANT, "5.0001", above),
        ("Allocate", BONDED, "1000.1", SHORT),
        ("Deallocate", BONDED, "1", SHORT),
    ] {
        floor.result(BY, &format!("Earn/{way}"), &moved(id, amount));
        assert_eq!(pending(&mut floor, way, id), true);
        floor.now_us += 1_000_000;
        let status = format!("Earn/{way}Status");
        for _ in 0..2 {
            assert_eq!(floor.refusal(BY, &status, &format!("strategy_id={id}")), words, "{way} {amount}");
        }
    }
    // A failed one is in nobody's way, and what orders hold does not move.
    floor.result("sandbox-trade", "AddOrder", "pair=XBTUSD&type=sell&ordertype=limit&price=90000&volume=96");
    floor.result(BY, "Earn/Allocate", &moved(INSTANT, "4.5"));
    floor.now_us += 1_000_000;
    assert_eq!(floor.refusal(BY, "Earn/AllocateStatus", &format!("strategy_id={INSTANT}")), SHORT);
    floor.result(BY, "Earn/Allocate", &moved(INSTANT, "3.5"));
    floor.now_us += 1_000_000;
    assert_eq!(pending(&mut floor, "Allocate", INSTANT), false);
    assert_eq!(floor.refusal("sandbox-read", "Earn/Allocate", ""), "EGeneral:Permission denied");
    assert_eq!(
        floor.refusal("sandbox-read", "Earn/AllocateStatus", ""),
        "EGeneral:Invalid arguments:strategy_id"
    );
}

#[test]
fn strategies_are_told_to_every_key_by_asset_and_kind() {
    let mut floor = floor();
    let ids = |floor: &mut Floor, more: &str| {
        let page = floor.result("sandbox-none", "Earn/Strategies", more);
        assert_eq!(page["next_cursor"], Value::Null);
        let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
        page["items"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    let all = ids(&mut floor, "");
    assert_eq!(all.len(), 4);
    let mut backwards = ids(&mut floor, "ascending=true");
    backwards.reverse();
    assert_eq!(backwards, all);
    assert_eq!(ids(&mut floor, "asset=ETH"), [BONDED]);
    assert_eq!(ids(&mut floor, "lock_type[0]=instant&asset=XBT&limit=1"), [INSTANT]);
    assert_eq!(ids(&mut floor, "lock_type[0]=timed"), Vec::<String>::new());
    for (more, words) in [
        ("asset=DOGE", "EQuery:Unknown asset"),
        ("lock_type[0]=frozen", "EGeneral:Invalid arguments:lock_type"),
        ("limit=many", "EGeneral:Invalid arguments:limit"),
    ] {
        assert_eq!(floor.refusal(BY, "Earn/Strategies", more), words);
    }
    let page = floor.result(BY, "Earn/Strategies", "asset=ETH");
    let lock = &page["items"][0]["lock_type"];
    assert_eq!((&lock["type"], &lock["unbonding_period"]), (&json!("bonded"), &json!(172_800)));
}
