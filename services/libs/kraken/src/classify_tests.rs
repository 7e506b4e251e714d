//! The table against a copy of the list it was made from, and the rules around it.

use super::*;

/// Copied by hand from the catalogue of errors, not made from the table.
const CLEAN: &[&str] = &[
    "EAPI:Invalid key",
    "EAPI:Invalid signature",
    "EAPI:Rate limit exceeded",
    "EAPI:Feature disabled",
    "EAPI:Bad request",
    "EAPI:Invalid token",
    "EAPI:Permission denied",
    "EAuth:Rate limit exceeded",
    "EAuth:Too many requests",
    "EAuth:Account temporary disabled",
    "EAuth:Account unconfirmed",
    "EAccount:Invalid permissions",
    "ESession:Invalid session",
    "EGeneral:Invalid arguments",
    "EGeneral:Invalid arguments:volume",
    "EGeneral:Invalid arguments:Index unavailable",
    "EGeneral:Unknown method",
    "EGeneral:Permission denied",
    "EGeneral:Permission denied:The user's tier is not high enough",
    "EGeneral:Permission denied:Invalid key",
    "EGeneral:Temporary lockout",
    "EGeneral:Too many requests",
    "EService:Throttled:1781000400",
    "EService:Market in cancel_only mode",
    "EService:Market in post_only mode",
    "EService:Market in limit_only mode",
    "EOrder:Insufficient funds",
    "EOrder:Insufficient margin",
    "EOrder:Insufficient initial margin",
    "EOrder:Margin allowance exceeded",
    "EOrder:Margin level too low",
    "EOrder:Margin position size exceeded",
    "EOrder:Cannot open position",
    "EOrder:Cannot open opposing position",
    "EOrder:Order minimum not met",
    "EOrder:Cost minimum not met",
    "EOrder:Tick size check failed",
    "EOrder:Invalid price",
    "EOrder:Invalid order",
    "EOrder:Unknown order",
    "EOrder:Unknown position",
    "EOrder:Orders limit exceeded",
    "EOrder:Positions limit exceeded",
    "EOrder:Scheduled orders limit exceeded",
    "EOrder:Rate limit exceeded",
    "EOrder:Domain rate limit exceeded",
    "EOrder:Reduce only:Non-PC",
    "EOrder:Reduce only:No position exists",
    "EOrder:Reduce only:Non-ECP",
    "EOrder:Post only order",
    "EOrder:Order not editable",
    "EOrder:Not enough leaves qty",
    "EOrder:No amendable parameters",
    "EOrder:Trading agreement required",
    "EOrder:Market is closed",
    "EQuery:Unknown asset",
    "EQuery:Unknown asset pair",
    "EQuery:Invalid asset pair",
    "ETrade:Invalid request",
    "ETrade:Locked",
    "ETrade:User Locked",
    "EBM:limit exceeded:CAL",
    "EFunding:Unknown withdraw key",
    "EFunding:Duplicate withdraw key",
    "EFunding:Unknown asset",
    "EFunding:Invalid withdrawal address",
    "EFunding:Insufficient funds",
    "EFunding:Invalid amount",
    "EFunding:No funding method",
    "EFunding:Max fee exceeded",
    "EFunding:Unknown reference id",
    "EFunding:Invalid reference id",
    "EFunding:Too many addresses",
    "EEarn:Below min",
    "EEarn:Above max",
    "EEarn:Insufficient funds",
    "EEarnings:Below min",
    "EEarnings:Above max",
    "EEarnings:Insufficient funds",
    "EEarnings:Busy",
    "EEarnings:Permission denied:The user's tier is not high enough",
    "Currency pair not supported",
    "Symbol(s) not found",
    "Unsupported field",
    "Token is expired",
];

const AMBIGUOUS: &[&str] = &[
    "EAPI:Invalid nonce",
    "EGeneral:Internal error",
    "EGeneral:Internal error:42",
    "EDatabase:Internal error",
    "EService:Unavailable",
    "EService:Busy",
    "EService:Timeout",
    "EService:Deadline elapsed",
    "EOrder:Cancel pending",
];

fn refusal(errors: &[&str]) -> Refusal {
    let errors: Vec<String> = errors.iter().map(|s| (*s).to_owned()).collect();
    classify(&errors).refusal.expect("a refusal")
}

#[test]
fn every_known_string_is_in_the_table_with_the_right_verdict() {
    for text in CLEAN {
        let got = refusal(&[text]);
        assert_eq!((got.executed, got.row.is_some()), (Executed::No, true), "{text}");
        assert_eq!(got.text, *text);
    }
    for text in AMBIGUOUS {
        let got = refusal(&[text]);
        assert_eq!((got.executed, got.row.is_some()), (Executed::Maybe, true), "{text}");
    }
    assert_eq!(refusal(&["EOrder:Reduce only:Position is closed"]).executed, Executed::Partly);
}

#[test]
fn the_table_holds_nothing_that_is_not_in_the_list_and_nothing_twice() {
    for (i, row) in ERROR_TABLE.iter().enumerate() {
        let listed = |list: &[&str]| list.iter().any(|t| t.starts_with(row.text));
        let partly = row.text == "EOrder:Reduce only:Position is closed";
        assert!(listed(CLEAN) || listed(AMBIGUOUS) || partly, "{}", row.text);
        assert!(ERROR_TABLE[i + 1..].iter().all(|other| other.text != row.text), "{} twice", row.text);
    }
}

#[test]
fn unknown_texts_are_ambiguous_however_harmless_they_sound() {
    for text in [
        "EOrder:Something new",
        "EOrder:Insufficient funds maybe",
        "EOrder:Insufficient fundsX",
        "EOrder",
        "EOrder:",
        "EOrder:Reduce only",
        "EOrder:Reduce only:New reason",
        "eorder:insufficient funds",
        "",
        ":",
        "nonsense",
        "EGeneral",
    ] {
        let got = refusal(&[text]);
        assert_eq!((got.executed, got.row), (Executed::Maybe, None), "{text:?}");
    }
}

#[test]
fn details_and_stray_spaces() {
    let got = refusal(&["EGeneral:Invalid arguments: volume : too small"]);
    assert_eq!(got.row, Some("EGeneral:Invalid arguments"));
    assert_eq!(got.detail.as_deref(), Some("volume:too small"));
    assert_eq!(got.text, "EGeneral:Invalid arguments: volume : too small");
    assert_eq!(
        refusal(&["EGeneral:Invalid arguments:Index unavailable"]).row,
        Some("EGeneral:Invalid arguments:Index unavailable")
    );
    for text in [
        "EService:Throttled:1781000400",
        "EService: Throttled: 1781000400",
        "EService:Throttled : 1781000400",
    ] {
        let got = refusal(&[text]);
        assert_eq!(got.effect, KeyEffect::Throttled { until_unix_s: Some(1_781_000_400) }, "{text}");
        assert_eq!((got.kind, got.executed), (ErrorKind::Budget, Executed::No));
    }
    for text in ["EService: Throttled", "EService:Throttled:", "EService:Throttled:soon"] {
        assert_eq!(refusal(&[text]).effect, KeyEffect::Throttled { until_unix_s: None }, "{text}");
    }
}

#[test]
fn the_most_dangerous_of_several_decides_and_nothing_else_is_lost() {
    let got = refusal(&["EAPI:Rate limit exceeded", "EService:Busy", "EOrder:Insufficient funds"]);
    assert_eq!((got.executed, got.row), (Executed::Maybe, Some("EService:Busy")));
    assert_eq!(got.effect, KeyEffect::RateLimited);
    assert_eq!(got.retry_after_ms, Some(5_000));
    assert_eq!(got.text, "EAPI:Rate limit exceeded; EService:Busy; EOrder:Insufficient funds");

    let got = refusal(&["EOrder:Insufficient funds", "EOrder:Reduce only:Position is closed"]);
    assert_eq!(got.executed, Executed::Partly);
    let got = refusal(&["EOrder:Reduce only:Position is closed", "EOrder:Never heard of"]);
    assert_eq!((got.executed, got.row), (Executed::Maybe, None));
    let got = refusal(&["EOrder:Insufficient funds", "EOrder:Invalid price"]);
    assert_eq!(got.row, Some("EOrder:Insufficient funds"));
}

#[test]
fn what_lanes_learn() {
    for (text, effect, kind) in [
        ("EAPI:Invalid nonce", KeyEffect::BadNonce, ErrorKind::Unavailable),
        ("EAPI:Invalid key", KeyEffect::BadKey, ErrorKind::Unavailable),
        ("EAPI:Invalid signature", KeyEffect::BadSignature, ErrorKind::Unavailable),
        ("EGeneral:Temporary lockout", KeyEffect::Lockout, ErrorKind::Unavailable),
        ("EGeneral:Permission denied:x", KeyEffect::PermissionDenied, ErrorKind::Refused),
        ("EAPI:Rate limit exceeded", KeyEffect::RateLimited, ErrorKind::Budget),
        ("EOrder:Rate limit exceeded", KeyEffect::None, ErrorKind::Budget),
        ("EGeneral:Unknown method", KeyEffect::None, ErrorKind::Unsupported),
        ("EOrder:Insufficient funds", KeyEffect::None, ErrorKind::Refused),
    ] {
        let got = refusal(&[text]);
        assert_eq!((got.effect, got.kind), (effect, kind), "{text}");
    }
    for row in ERROR_TABLE.iter().filter(|row| row.kind == ErrorKind::Budget) {
        assert!(row.retry_after_ms.is_some(), "{} says to wait but not how long", row.text);
    }
    assert_eq!(refusal(&["EGeneral:Temporary lockout"]).retry_after_ms, Some(900_000));
}

#[test]
fn warnings_are_not_refusals() {
    let read = |errors: &[&str]| classify(&errors.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    assert_eq!(read(&[]), Classified::default());
    let got = read(&["WDatabase:No change"]);
    assert_eq!((got.warnings, got.refusal), (vec!["WDatabase:No change".to_owned()], None));
    let got = read(&["WGeneral:Danger", "EOrder:Insufficient funds"]);
    assert_eq!(got.warnings, ["WGeneral:Danger"]);
    assert_eq!(got.refusal.expect("an error").text, "EOrder:Insufficient funds");
}

#[test]
fn long_texts_are_cut() {
    let long = "E".repeat(100_000);
    assert_eq!(refusal(&[&long]).text.chars().count(), 500);
}
