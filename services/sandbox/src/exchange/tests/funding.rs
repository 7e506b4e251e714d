//! Money in and out.

use super::*;

const STEP_US: u64 = 2_000_000;
const BITCOIN: &str = "asset=XBT&key=cold-wallet-1&amount=0.725";
const WALLETS: &str = "from=Spot%20Wallet&to=Futures%20Wallet";

impl Floor {
    fn funds(&mut self) -> Value {
        serde_json::from_str(&self.exchange.funds_json(self.now_us)).unwrap()
    }

    fn spot(&mut self, asset: &str) -> String {
        self.funds()["accounts"]["main"]["spot"][asset].as_str().unwrap().to_owned()
    }

    fn deposit(&mut self, payment: &Value) -> Result<String, String> {
        let sent = self.exchange.deposit(self.now_us, payment.to_string().as_bytes())?;
        Ok(serde_json::from_str::<Value>(&sent).unwrap()["refid"].as_str().unwrap().to_owned())
    }

    fn refid(&mut self, endpoint: &str, more: &str) -> String {
        self.result("sandbox-fund", endpoint, more)["refid"].as_str().unwrap().to_owned()
    }

    /// The newest withdrawal.
    fn withdrawal(&mut self) -> Value {
        self.result("sandbox-fund", "WithdrawStatus", "")[0].clone()
    }

    fn cancel(&mut self, refid: &str) -> Value {
        self.result("sandbox-fund", "WithdrawCancel", &format!("asset=XBT&refid={refid}"))
    }

    /// Ledger entries of a kind, oldest first: amount and fee.
    fn entries(&mut self, kind: &str) -> Vec<Value> {
        let found = self.result("sandbox-ledger", "Ledgers", &format!("type={kind}"));
        let mut entries: Vec<_> = found["ledger"].as_object().unwrap().values().cloned().collect();
        entries.sort_by_key(|entry| entry["time"].to_string());
        entries
    }
}

fn amounts(entries: &[Value]) -> Vec<[&str; 3]> {
    entries
        .iter()
        .map(|entry| ["amount", "fee", "balance"].map(|name| entry[name].as_str().unwrap()))
        .collect()
}

#[test]
fn ways_in_and_out_have_krakens_shapes() {
    let mut floor = floor();
    let methods = floor.result("sandbox-fund", "DepositMethods", "asset=XXBT");
    assert_eq!(
        methods,
        json!([
            {"method": "Bitcoin", "limit": false, "fee": "0.0000000000", "address-setup-fee": "0.0000000000",
                "gen-address": true, "minimum": "0.0001000000"},
            {"method": "Bitcoin Lightning", "limit": "0.5000000000", "fee": "0.0000000000", "minimum": "0.0001000000"},
        ])
    );
    let out = floor.result("sandbox-fund", "WithdrawMethods", "asset=BTC&network=bitcoin");
    assert_eq!((out.as_array().unwrap().len(), &out[0]["minimum"]), (1, &json!("0.0004000000")));
    let fee = json!({"aclass": "currency", "asset": "XXBT", "fee": "0.0000200000", "fee_percentage": null});
    assert_eq!((&out[0]["fee"], &out[0]["network"]), (&fee, &json!("Bitcoin")));
    assert_eq!(floor.result("sandbox-fund", "WithdrawMethods", "").as_array().unwrap().len(), 4);

    let addresses = floor.result("sandbox-fund", "WithdrawAddresses", "verified=false");
    assert_eq!((&addresses[0]["key"], &addresses[0]["verified"]), (&json!("new-wallet"), &json!(false)));
    let named =
        floor.result("sandbox-fund", "WithdrawAddresses", "key=cold-wallet-1&asset=XBT&method=Bitcoin");
    assert_eq!((named.as_array().unwrap().len(), &named[0]["asset"]), (1, &json!("XBT")));
    assert_eq!(floor.result("sandbox-fund", "WithdrawAddresses", "").as_array().unwrap().len(), 5);
    let info = floor.result("sandbox-fund", "WithdrawInfo", BITCOIN);
    let expected = json!({"method": "Bitcoin", "limit": "100.0000000000", "amount": "0.7249800000", "fee": "0.0000200000"});
    assert_eq!(info, expected);
}

#[test]
fn addresses_are_made_on_demand_and_not_without_end() {
    let mut floor = floor();
    let bitcoin = "asset=XBT&method=Bitcoin";
    assert_eq!(floor.result("sandbox-read", "DepositAddresses", bitcoin), json!([]));
    let made = floor.result("sandbox-read", "DepositAddresses", &format!("{bitcoin}&new=true"));
    assert_eq!((&made[0]["expiretm"], &made[0]["new"]), (&json!("0"), &json!(true)));
    assert!(made[0]["address"].as_str().unwrap().starts_with("bc1q"));
    assert_eq!(floor.result("sandbox-read", "DepositAddresses", &format!("{bitcoin}&new=False")), made);
    for _ in 0..4 {
        floor.result("sandbox-read", "DepositAddresses", &format!("{bitcoin}&new=true"));
    }
    let sixth = floor.refusal("sandbox-read", "DepositAddresses", &format!("{bitcoin}&new=true"));
    assert_eq!(sixth, "EFunding:Too many addresses");
    // One that was paid to is not new, and makes room.
    floor
        .deposit(&json!({"account": "main", "asset": "XBT", "amount": "1", "address": made[0]["address"]}))
        .unwrap();
    let six = floor.result("sandbox-read", "DepositAddresses", &format!("{bitcoin}&new=true"));
    let (old, others): (Vec<_>, Vec<_>) =
        six.as_array().unwrap().iter().partition(|one| one["address"] == made[0]["address"]);
    assert_eq!((old[0].get("new"), others.len()), (None, 5));
    assert_eq!(floor.result("sandbox-second-read", "DepositAddresses", bitcoin), json!([]));

    let invoice = "asset=XBT&method=Bitcoin%20Lightning";
    let wrong = floor.refusal("sandbox-read", "DepositAddresses", &format!("{invoice}&new=true"));
    assert_eq!(wrong, "EGeneral:Invalid arguments:amount");
    let made = floor.result("sandbox-read", "DepositAddresses", &format!("{invoice}&new=true&amount=0.01"));
    assert_eq!(made[0]["expiretm"], "1781003600");
    floor.now_us += 3_600_000_000;
    assert_eq!(
        floor.result("sandbox-read", "DepositAddresses", invoice),
        json!([]),
        "it can no longer be paid"
    );
    assert_eq!(
        floor.refusal("sandbox-read", "DepositAddresses", "asset=ETH&method=Bitcoin"),
        "EFunding:No funding method"
    );
}

#[test]
fn a_deposit_is_credited_in_the_end() {
    let mut floor = floor();
    let refid = floor.deposit(&json!({"account": "main", "asset": "USD", "amount": "1000"})).unwrap();
    let seen = floor.result("sandbox-read", "DepositStatus", "")[0].clone();
    assert_eq!(
        (&seen["refid"], &seen["status"], &seen["time"]),
        (&json!(refid), &json!("Initial"), &json!(1_781_000_000))
    );
    assert_eq!(
        (&seen["amount"], &seen["fee"], &seen["asset"]),
        (&json!("1000.0000"), &json!("5.0000"), &json!("ZUSD"))
    );
    for status in ["Pending", "Settled", "Success"] {
        assert_eq!(floor.spot("ZUSD"), "1000000.0000");
        floor.now_us += STEP_US;
        assert_eq!(floor.result("sandbox-read", "DepositStatus", "asset=USD")[0]["status"], status);
    }
    assert_eq!(floor.spot("ZUSD"), "1000995.0000");
    let entries = floor.entries("deposit");
    assert_eq!(amounts(&entries), [["1000.0000", "5.0000", "1000995.0000"]]);
    assert_eq!((&entries[0]["refid"], &entries[0]["subtype"]), (&json!(refid), &json!("")));
    assert!(floor.entries("trade").is_empty());
    assert_eq!(floor.funds()["outside"]["ZUSD"], "-1000.0000");
    assert_eq!(floor.result("sandbox-second-read", "DepositStatus", ""), json!([]));

    for (payment, why) in [
        (json!({"account": "nobody", "asset": "USD", "amount": "1000"}), "no account"),
        (json!({"account": "main", "asset": "DOGE", "amount": "1000"}), "no asset"),
        (json!({"account": "main", "asset": "USD", "amount": "1"}), "below the minimum"),
        (json!({"account": "main", "asset": "XBT", "amount": "1", "method": "Ether (Hex)"}), "no such way"),
        (json!({"account": "main", "asset": "XBT", "amount": "1", "address": "bc1q"}), "no such address"),
        (json!({"account": "main", "asset": "XBT", "amount": "1", "colour": "red"}), "unknown field"),
    ] {
        let told = floor.deposit(&payment).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn a_withdrawal_leaves_at_once_and_arrives_in_the_end() {
    let mut floor = floor();
    let refid = floor.refid("Withdraw", &format!("{BITCOIN}&max_fee=0.00002"));
    assert_eq!((refid.len(), &refid[..2]), (30, "FT"));
    assert_eq!(floor.spot("XXBT"), "99.2750000000");
    assert_eq!(floor.funds()["in_transit"]["XXBT"], "0.7249800000");
    let seen = floor.withdrawal();
    let expected = json!({"method": "Bitcoin", "network": "Bitcoin", "aclass": "currency", "asset": "XXBT", "refid": refid,
        "txid": null, "info": "bc1q0d5x3h8n2m7c4v6j9z0a2s3d4f5g6h7j8k9l0q", "amount": "0.7249800000",
        "fee": "0.0000200000", "time": 1_781_000_000, "status": "Initial", "key": "cold-wallet-1"});
    assert_eq!(seen, expected);
    for (status, sent) in [("Pending", false), ("Settled", true), ("Success", true)] {
        floor.now_us += STEP_US;
        let seen = floor.withdrawal();
        assert_eq!((&seen["status"], seen["txid"].is_string()), (&json!(status), sent));
    }
    let funds = floor.funds();
    assert_eq!(
        (&funds["in_transit"]["XXBT"], &funds["outside"]["XXBT"]),
        (&json!("0.0000000000"), &json!("0.7249800000"))
    );
    assert_eq!(
        (&funds["fees"]["XXBT"], &funds["total"]["XXBT"]),
        (&json!("0.0000200000"), &json!("200.0000000000"))
    );
    let entries = floor.entries("withdrawal");
    assert_eq!(amounts(&entries), [["-0.7249800000", "0.0000200000", "99.2750000000"]]);
    assert_eq!(entries[0]["refid"], json!(refid));
    assert_eq!(floor.result("sandbox-ledger", "WithdrawStatus", "method=Bitcoin")[0]["refid"], json!(refid));
}

#[test]
fn an_early_cancel_brings_it_back_and_a_late_one_does_not() {
    let mut floor = floor();
    let early = floor.refid("Withdraw", BITCOIN);
    floor.now_us += STEP_US - 1;
    assert_eq!(floor.cancel(&early), json!(true));
    assert_eq!(
        (floor.withdrawal()["status-prop"].clone(), floor.spot("XXBT")),
        (json!("cancel-pending"), "99.2750000000".to_owned())
    );
    assert_eq!(floor.cancel(&early), json!(true), "it is still on its way back");
    floor.now_us += 1;
    let seen = floor.withdrawal();
    assert_eq!((&seen["status"], &seen["status-prop"]), (&json!("Failure"), &json!("canceled")));
    assert_eq!(floor.spot("XXBT"), "100.0000000000");
    assert_eq!(
        amounts(&floor.entries("withdrawal")),
        [
            ["-0.7249800000", "0.0000200000", "99.2750000000"],
            ["0.7249800000", "-0.0000200000", "100.0000000000"]
        ]
    );
    assert_eq!(floor.cancel(&early), json!(false));

    let late = floor.refid("Withdraw", BITCOIN);
    floor.now_us += STEP_US;
    assert_eq!(floor.cancel(&late), json!(true), "asked for, no more than that");
    floor.now_us += STEP_US;
    let seen = floor.withdrawal();
    assert_eq!((&seen["status"], &seen["status-prop"]), (&json!("Settled"), &json!("cancel-denied")));
    assert_eq!(floor.cancel(&late), json!(false));
    floor.now_us += STEP_US;
    assert_eq!(
        (floor.withdrawal()["status"].clone(), floor.spot("XXBT")),
        (json!("Success"), "99.2750000000".to_owned())
    );

    let more = format!("asset=ETH&refid={late}");
    assert_eq!(floor.refusal("sandbox-fund", "WithdrawCancel", &more), "EFunding:Unknown reference id");
    assert_eq!(
        floor.refusal("sandbox-fund", "WithdrawCancel", "asset=XBT&refid=FTx"),
        "EFunding:Unknown reference id"
    );
    let deposit = floor.deposit(&json!({"account": "main", "asset": "XBT", "amount": "1"})).unwrap();
    let more = format!("asset=XBT&refid={deposit}");
    assert_eq!(floor.refusal("sandbox-fund", "WithdrawCancel", &more), "EFunding:Unknown reference id");
    assert_eq!(floor.refusal("sandbox-read", "WithdrawCancel", &more), "EGeneral:Permission denied");
}

#[test]
fn what_cannot_be_withdrawn_is_refused_in_krakens_words() {
    let mut floor = floor();
    floor.result("sandbox-trade", "AddOrder", "pair=XBTUSD&type=sell&ordertype=limit&price=70000&volume=50");
    for (more, words) in [
        ("key=cold-wallet-1&amount=1", "EGeneral:Invalid arguments:asset"),
        ("asset=XBT&amount=1", "EGeneral:Invalid arguments:key"),
        ("asset=XBT&key=cold-wallet-1", "EGeneral:Invalid arguments:amount"),
        ("asset=DOGE&key=cold-wallet-1&amount=1", "EFunding:Unknown asset"),
        ("asset=XBT&key=cold-wallet-1&amount=1&aclass=tokenized_asset", "EFunding:Unknown asset"),
        ("asset=XBT&key=nowhere&amount=1", "EFunding:Unknown withdraw key"),
        ("asset=ETH&key=cold-wallet-1&amount=1", "EFunding:Unknown withdraw key"),
        ("asset=XBT&key=new-wallet&amount=1", "EFunding:Unknown withdraw key"),
        ("asset=XBT&key=cold-wallet-1&amount=1&address=bc1q", "EFunding:Invalid withdrawal address"),
        ("asset=XBT&key=cold-wallet-1&amount=1&max_fee=0.00001", "EFunding:Max fee exceeded"),
        ("asset=XBT&key=cold-wallet-1&amount=0.0003", "EFunding:Invalid amount"),
        ("asset=XBT&key=cold-wallet-1&amount=-1", "EFunding:Invalid amount"),
        ("asset=XBT&key=cold-wallet-1&amount=1.00000000001", "EFunding:Invalid amount"),
        // Half of it is held for the order.
        ("asset=XBT&key=cold-wallet-1&amount=50", "EFunding:Invalid amount"),
    ] {
        assert_eq!(floor.refusal("sandbox-fund", "Withdraw", more), words, "{more}");
    }
    assert_eq!(floor.refusal("sandbox-read", "Withdraw", BITCOIN), "EGeneral:Permission denied");
    assert_eq!(floor.spot("XXBT"), "100.0000000000");
    assert_eq!(floor.result("sandbox-fund", "WithdrawStatus", ""), json!([]));
}

#[test]
fn lists_come_in_pages_and_stretches_the_newest_first() {
    let mut floor = floor();
    let mut sent = Vec::new();
    for _ in 0..27 {
        sent.push(floor.deposit(&json!({"account": "main", "asset": "EUR", "amount": "10"})).unwrap());
        floor.now_us += 1_000_000;
    }
    sent.reverse();
    let ids = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["refid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&floor.result("sandbox-read", "DepositStatus", "cursor=False")), sent[..25]);
    let first = floor.result("sandbox-read", "DepositStatus", "cursor=true");
    assert_eq!(ids(&first["deposits"]), sent[..25]);
    let cursor = first["next_cursor"].as_str().unwrap().replace('=', "%3D");
    let second = floor.result("sandbox-read", "DepositStatus", &format!("cursor={cursor}"));
    assert_eq!((ids(&second["deposits"]), &second["next_cursor"]), (sent[25..].to_vec(), &Value::Null));
    let three = floor.result("sandbox-read", "DepositStatus", "cursor=true&limit=3");
    assert_eq!(ids(&three["deposits"]), sent[..3]);
    // Both ends belong to it.
    let some = floor.result("sandbox-read", "DepositStatus", "start=1781000005&end=1781000007");
    assert_eq!(ids(&some), sent[19..22]);
    assert_eq!(floor.result("sandbox-read", "DepositStatus", "asset=XBT&cursor=true")["deposits"], json!([]));
    for (more, name) in
        [("cursor=%21", "cursor"), ("limit=0", "limit"), ("start=soon", "start"), ("aclass=x", "aclass")]
    {
        let refusal = format!("EGeneral:Invalid arguments:{name}");
        assert_eq!(floor.refusal("sandbox-read", "DepositStatus", more), refusal);
    }

    let refid = floor.refid("Withdraw", BITCOIN);
    let page = floor.result("sandbox-fund", "WithdrawStatus", "cursor=true");
    assert_eq!((ids(&page["withdrawals"]), &page["next_cursor"]), (vec![refid], &Value::Null));
}

#[test]
fn a_transfer_goes_to_the_wallet_for_futures() {
    let mut floor = floor();
    let moved = |floor: &mut Floor| floor.funds()["accounts"]["main"]["futures"]["XXBT"].clone();
    let refid =
        floor.result("sandbox-read", "WalletTransfer", &format!("asset=XBT&amount=2&{WALLETS}"))["refid"]
            .clone();
    assert_eq!((floor.spot("XXBT"), moved(&mut floor)), ("98.0000000000".to_owned(), json!("0.0000000000")));
    floor.now_us += STEP_US;
    assert_eq!(moved(&mut floor), json!("2.0000000000"));
    let entries = floor.entries("transfer");
    assert_eq!(amounts(&entries), [["-2.0000000000", "0.0000000000", "98.0000000000"]]);
    assert_eq!((&entries[0]["subtype"], &entries[0]["refid"]), (&json!("spottofutures"), &refid));
    assert_eq!(floor.result("sandbox-fund", "WithdrawStatus", ""), json!([]));

    // Between own wallets no permission is needed to take it back.
    let refid = floor.refid("WalletTransfer", &format!("asset=XBT&amount=2&{WALLETS}"));
    let cancel = format!("asset=XBT&refid={refid}");
    assert_eq!(floor.result("sandbox-none", "WithdrawCancel", &cancel), json!(true));
    floor.now_us += STEP_US;
    assert_eq!((floor.spot("XXBT"), moved(&mut floor)), ("98.0000000000".to_owned(), json!("2.0000000000")));
    assert_eq!(floor.result("sandbox-none", "WithdrawCancel", &cancel), json!(false));
    assert_eq!(
        floor.refusal("sandbox-second-trade", "WithdrawCancel", &cancel),
        "EGeneral:Permission denied"
    );

    for (more, words) in [
        ("asset=XBT&amount=1&from=Futures%20Wallet&to=Spot%20Wallet", "EGeneral:Invalid arguments:from"),
        ("asset=XBT&amount=1&from=Spot%20Wallet", "EGeneral:Invalid arguments:to"),
        (&format!("asset=XBT&amount=98.1&{WALLETS}"), "EFunding:Invalid amount"),
        (&format!("asset=XBT&amount=0&{WALLETS}"), "EFunding:Invalid amount"),
    ] {
        assert_eq!(floor.refusal("sandbox-read", "WalletTransfer", more), words, "{more}");
    }
}

#[test]
fn what_fails_comes_back() {
    let mut floor = floor();
    floor.exchange.change(br#"{"funding_fails":true,"funding_step_ms":0}"#).unwrap();
    floor.refid("Withdraw", BITCOIN);
    floor.refid("WalletTransfer", &format!("asset=XBT&amount=2&{WALLETS}"));
    floor.deposit(&json!({"account": "main", "asset": "XBT", "amount": "1"})).unwrap();
    let seen = floor.withdrawal();
    assert_eq!((&seen["status"], seen.get("status-prop")), (&json!("Failure"), None));
    assert_eq!(floor.result("sandbox-read", "DepositStatus", "")[0]["status"], "Failure");
    let funds = floor.funds();
    assert_eq!(funds["accounts"]["main"]["spot"]["XXBT"], "100.0000000000");
    assert_eq!(funds["accounts"]["main"]["futures"]["XXBT"], "0.0000000000");
    assert_eq!(
        (&funds["outside"]["XXBT"], &funds["in_transit"]["XXBT"]),
        (&json!("0.0000000000"), &json!("0.0000000000"))
    );
    assert!(floor.exchange.change(br#"{"funding_step_ms":600001}"#).is_err());
}

#[test]
fn saved_addresses_can_be_others() {
    let saved = json!({"withdraw_keys": {
        "desk": {"method": "Bitcoin", "address": "bc1qdesk"},
        "new": {"method": "Ether", "address": "0xnew", "verified": false},
    }});
    let mut floor = Floor::new(&serde_json::from_value(saved).unwrap());
    let named = floor.result("sandbox-fund", "WithdrawAddresses", "");
    let named: Vec<_> = named.as_array().unwrap().iter().map(|one| (&one["key"], &one["address"])).collect();
    assert_eq!(named, [(&json!("desk"), &json!("bc1qdesk")), (&json!("new"), &json!("0xnew"))]);
    floor.refid("Withdraw", "asset=XBT&key=desk&amount=0.5");
    assert_eq!(floor.withdrawal()["info"], "bc1qdesk");
    for unknown in [BITCOIN, "asset=ETH&key=new&amount=0.5"] {
        assert_eq!(floor.refusal("sandbox-fund", "Withdraw", unknown), "EFunding:Unknown withdraw key");
    }
}
