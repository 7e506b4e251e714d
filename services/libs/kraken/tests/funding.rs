//! Money in and out in the forms in which Kraken is known to write it.

use serde_json::value::RawValue;
use tidegate_kraken::wire::{
    Decimal, DepositAddresses, DepositMethods, Deposits, FundsSent, ShapeError, Wire, WithdrawAddresses,
    WithdrawInfo, WithdrawMethods, Withdrawals, read,
};

fn parse<T: Wire>(json: &str) -> Result<T, ShapeError> {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read(Some(&raw))
}

fn good<T: Wire>(json: &str) -> T {
    parse(json).expect("fits")
}

fn text(amount: Option<&Decimal>) -> Option<&str> {
    amount.map(|amount| amount.0.as_str())
}

#[test]
fn ways_in() {
    let methods: DepositMethods = good(
        r#"[{"method":"Bitcoin","limit":false,"fee":"0.0000000000","address-setup-fee":"0.00000000","gen-address":true,
            "minimum":"0.00010000","later":[1]},
            {"method":"Bitcoin Lightning","limit":"0.50000000","fee":0.0,"minimum":1e-4},
            {"method":"Stellar XLM"}]"#,
    );
    let [bitcoin, lightning, bare] = &methods[..] else { panic!("{methods:?}") };
    assert_eq!((text(bitcoin.limit.0.as_ref()), bitcoin.gen_address), (None, Some(true)));
    assert_eq!(bitcoin.extra.get("later").map(String::as_str), Some("[1]"));
    assert_eq!(
        (text(lightning.limit.0.as_ref()), text(lightning.minimum.as_ref())),
        (Some("0.50000000"), Some("0.0001"))
    );
    assert_eq!((bare.limit.0.as_ref(), bare.fee.as_ref(), bare.gen_address), (None, None, None));
    assert_eq!(good::<DepositMethods>("[]").len(), 0);
    assert_eq!(parse::<DepositMethods>(r#"[{"limit":false}]"#).expect_err("no name").path, "result.0.method");
    assert!(parse::<DepositMethods>(r#"[{"method":"M","limit":true}]"#).is_err(), "true is no limit");
    assert!(parse::<DepositMethods>("{}").is_err());
}

#[test]
fn addresses() {
    let own: DepositAddresses = good(
        r#"[{"address":"bc1q9zq0l5v4u6k8w3m2e7r5t9y1x0c4b6n8a2s3d4","expiretm":"0","new":true},
            {"address":"rNx7kQ2PZb4vWJd8sLmYtR5cHgE9fUaT3o","expiretm":"1781000000","tag":"2040608010"},
            {"address":"krakenexample","expiretm":0,"memo":7070707070,"later":null}]"#,
    );
    assert_eq!(own[0].expiretm.as_ref().expect("there").unix_ns(), None);
    assert_eq!((own[0].new, own[1].new), (true, false));
    assert_eq!(own[1].expiretm.as_ref().expect("there").unix_ns(), Some(1_781_000_000_000_000_000));
    assert_eq!((own[1].tag.as_deref(), own[2].memo.as_deref()), (Some("2040608010"), Some("7070707070")));
    assert_eq!(own[2].extra.len(), 1);
    assert_eq!(good::<DepositAddresses>("[]").len(), 0);

    let saved: WithdrawAddresses = good(
        r#"[{"address":"bc1q0d5x3h8n2m7c4v6b9z1a2s3d4f5g6h7j8k9l0q","asset":"XBT","method":"Bitcoin","key":"cold-wallet-1",
            "tag":"","verified":true,"later":{}},{"address":"a","key":"k"}]"#,
    );
    assert_eq!((saved[0].tag.as_deref(), saved[0].verified), (Some(""), Some(true)));
    assert_eq!((saved[1].asset.as_deref(), saved[1].verified, saved[0].extra.len()), (None, None, 1));
    assert_eq!(parse::<WithdrawAddresses>(r#"[{"address":"a"}]"#).expect_err("no name").path, "result.0.key");
    assert_eq!(good::<WithdrawAddresses>("[]").len(), 0);
}

const DEPOSIT: &str = r#"{"method":"Bitcoin","aclass":"currency","asset":"XXBT","refid":"FTm4Kx2-b7QwEr5TyUi9OpAs3DfGh6",
    "txid":"a1a1","info":"bc1q9zq0l5v4u6k8w3m2e7r5t9y1x0c4b6n8a2s3d4","amount":"0.78125000","fee":"0.0000000000",
    "time":1780992722,"status":"Success","status-prop":"onhold","originators":["0xc3c3"],"later":1}"#;

#[test]
fn deposits_with_and_without_pages() {
    let plain: Deposits = good(&format!("[{DEPOSIT}]"));
    let one = &plain.deposits[0];
    assert_eq!((one.refid.as_str(), one.amount.0.as_str()), ("FTm4Kx2-b7QwEr5TyUi9OpAs3DfGh6", "0.78125000"));
    assert_eq!(one.time.as_ref().expect("there").unix_ns(), Some(1_780_992_722_000_000_000));
    assert_eq!((one.status.as_str(), one.status_prop.as_deref()), ("Success", Some("onhold")));
    assert_eq!((one.originators.as_slice(), one.extra.len()), (["0xc3c3".to_owned()].as_slice(), 1));
    assert_eq!((plain.next_cursor.as_ref(), plain.extra.len()), (None, 0));

    // Clients read one name, the specification has the other.
    for name in ["deposits", "deposit"] {
        let page: Deposits =
            good(&format!(r#"{{"{name}":[{DEPOSIT}],"next_cursor":"c2Vjb25kLXBhZ2U=","more":true}}"#));
        assert_eq!(page.deposits, plain.deposits);
        assert_eq!((page.next_cursor.as_deref(), page.extra.len()), (Some("c2Vjb25kLXBhZ2U="), 1));
    }
    for last in [r#","next_cursor":null"#, r#","next_cursor":"""#, ""] {
        assert_eq!(good::<Deposits>(&format!(r#"{{"deposits":[]{last}}}"#)).next_cursor, None);
    }
    assert_eq!(good::<Deposits>("[]").deposits.len(), 0);
    assert_eq!(parse::<Deposits>("{}").expect_err("no list is not an empty list").path, "result.deposits");

    let bare: Deposits =
        good(r#"[{"asset":"ZEUR","refid":"Q","amount":1000.50,"status":"Pending","txid":null}]"#);
    let one = &bare.deposits[0];
    assert_eq!((one.amount.0.as_str(), &one.txid, &one.time, &one.fee), ("1000.50", &None, &None, &None));
    let error = parse::<Deposits>(&format!("[{}]", DEPOSIT.replace("\"amount\"", "\"sum\"")));
    assert_eq!(error.expect_err("no amount").path, "result.0.amount");
}

#[test]
fn withdrawals_with_and_without_pages() {
    const ONE: &str = r#"{"method":"Bitcoin","network":"Bitcoin","aclass":"currency","asset":"XXBT","refid":"FTm4Kx2-b7QwEr5TyUi9OpAs3DfGh6",
        "txid":"b2b2","info":"bc1q0d5x3h8n2m7c4v6b9z1a2s3d4f5g6h7j8k9l0q","amount":"0.72485000","fee":"0.00015000",
        "time":"1780914586","status":"Pending","status-prop":"cancel-pending","key":"cold-wallet-1","later":{}}"#;
    let plain: Withdrawals = good(&format!("[{ONE}]"));
    let one = &plain.withdrawals[0];
    assert_eq!(
        (one.key.as_deref(), one.status_prop.as_deref()),
        (Some("cold-wallet-1"), Some("cancel-pending"))
    );
    assert_eq!((text(one.fee.as_ref()), one.network.as_deref()), (Some("0.00015000"), Some("Bitcoin")));
    assert_eq!(one.time.as_ref().expect("there").unix_ns(), Some(1_780_914_586_000_000_000));
    let page: Withdrawals = good(&format!(r#"{{"withdrawals":[{ONE}],"next_cursor":"x"}}"#));
    assert_eq!((page.withdrawals, page.next_cursor.as_deref()), (plain.withdrawals, Some("x")));
    // Before it is sent there is nothing to say of it.
    let early: Withdrawals =
        good(r#"[{"asset":"XXBT","refid":"A","amount":"1","status":"Initial","txid":"","info":null}]"#);
    assert_eq!((early.withdrawals[0].txid.as_deref(), &early.withdrawals[0].info), (Some(""), &None));
    assert_eq!(good::<Withdrawals>("[]").withdrawals.len(), 0);
}

#[test]
fn ways_out_and_what_comes_of_a_withdrawal() {
    let methods: WithdrawMethods = good(
        r#"[{"asset":"XXBT","method":"Bitcoin","method_id":"8d1c1f0e","network":"Bitcoin","network_id":"1f0c5a7e",
            "minimum":"0.0004","fee":{"aclass":"currency","asset":"XXBT","fee":"0.00002","fee_percentage":null}},
            {"asset":"XXBT","method":"Lightning","minimum":0.0001,"later":1}]"#,
    );
    let fee = methods[0].fee.as_ref().expect("a fee");
    assert_eq!((text(fee.fee.as_ref()), fee.fee_percentage.as_ref()), (Some("0.00002"), None));
    assert_eq!((text(methods[1].minimum.as_ref()), &methods[1].fee), (Some("0.0001"), &None));
    assert_eq!(good::<WithdrawMethods>("[]").len(), 0);

    let info: WithdrawInfo = good(
        r#"{"method":"Bitcoin","limit":"332.00956139","amount":0.72485000,"fee":"0.00015000","later":"x"}"#,
    );
    assert_eq!((info.amount.0.as_str(), text(info.limit.0.as_ref())), ("0.72485000", Some("332.00956139")));
    assert_eq!(parse::<WithdrawInfo>(r#"{"method":"M"}"#).expect_err("no amount").path, "result.amount");

    let sent: FundsSent = good(r#"{"refid":"FTm4Kx2-b7QwEr5TyUi9OpAs3DfGh6","later":1}"#);
    assert_eq!((sent.refid.as_str(), sent.extra.len()), ("FTm4Kx2-b7QwEr5TyUi9OpAs3DfGh6", 1));
    assert!(parse::<FundsSent>("{}").is_err(), "without an id nothing is proved");
    assert_eq!((good::<bool>("true"), good::<bool>("false")), (true, false));
    assert!(parse::<bool>("null").is_err());
}
