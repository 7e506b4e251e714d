//! Subaccounts: requests as parameters, results as replies.

use tidegate_core::{Error, Volume};
use tidegate_kraken::Params;
use tidegate_kraken::wire::{AccountTransferred, SubaccountCreated};
use tidegate_proto::v1;
use tidegate_proto::v1::{account_transfer_response as transfer, create_subaccount_response as created};

use super::keep_word;
use super::request::Builder;

/// The longest address of a letter box (RFC 5321, 4.5.3.1.3).
const EMAIL_MAX: usize = 254;

/// Parameters of CreateSubaccount.
pub(crate) fn create_subaccount_of(request: &v1::CreateSubaccountRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    if request.username.is_empty() {
        to.wrong("username", "must be set");
    }
    to.word("username", "username", &request.username);
    let email = request.email.as_str();
    let is_address = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    // Kraken judges the rest of it.
    if is_address && email.len() <= EMAIL_MAX && !email.chars().any(|c| c.is_control() || c.is_whitespace()) {
        to.text("email", email);
    } else {
        to.wrong("email", "must be an address such as trading@example.com");
    }
    to.finish()
}

/// Parameters of AccountTransfer.
pub(crate) fn account_transfer_of(request: &v1::AccountTransferRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    if request.asset.is_empty() {
        to.wrong("asset", "must be set, for instance XBT");
    }
    to.word("asset", "asset", &request.asset);
    to.word("asset_class", "asset_class", &request.asset_class);
    match request.amount.parse::<Volume>() {
        Ok(volume) if volume.is_zero() => to.wrong("amount", "must be above zero"),
        // As it was written: no digit of it is anybody's to change.
        Ok(_) => to.text("amount", &request.amount),
        Err(error) => to.wrong("amount", error.to_string()),
    }
    let sides = [("from", "from_iiban", &request.from_iiban), ("to", "to_iiban", &request.to_iiban)];
    for (name, field, iiban) in sides {
        // Written in groups of four.
        if (1..=64).contains(&iiban.trim().len()) && iiban.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        {
            to.text(name, iiban.trim());
        } else {
            to.wrong(field, "must be an IIBAN such as AA12 N84G ABCD EFGH");
        }
    }
    let plain = |iiban: &str| iiban.replace(' ', "");
    if plain(&request.from_iiban) == plain(&request.to_iiban) {
        to.wrong("to_iiban", "must be another account than from_iiban");
    }
    to.finish()
}

/// The reply to CreateSubaccount.
pub(crate) fn subaccount_created(
    _: SubaccountCreated,
    warnings: Vec<String>,
) -> v1::CreateSubaccountResponse {
    let outcome = Some(created::Outcome::Accepted(created::Accepted {}));
    v1::CreateSubaccountResponse { outcome, warnings }
}

/// The reply to AccountTransfer.
pub(crate) fn account_transferred(
    mut transfer: AccountTransferred,
    warnings: Vec<String>,
) -> v1::AccountTransferResponse {
    use v1::AccountTransferState as State;
    let state = match transfer.status.as_deref() {
        Some("pending") => State::Pending,
        Some("complete") => State::Complete,
        Some(word) => keep_word(&mut transfer.extra, "status", word, State::Unspecified),
        None => State::Unspecified,
    };
    let accepted = transfer::Accepted {
        transfer_id: transfer.transfer_id,
        state: state.into(),
        extra: transfer.extra.into_iter().collect(),
    };
    v1::AccountTransferResponse { outcome: Some(transfer::Outcome::Accepted(accepted)), warnings }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use tidegate_kraken::wire::{Wire, read};

    use super::*;

    fn wire<T: Wire>(json: &str) -> Option<T> {
        let raw = RawValue::from_string(json.to_owned()).expect("JSON");
        read(Some(&raw)).ok()
    }

    fn fields(params: Result<Params, Error>) -> Vec<String> {
        params.expect_err("wrong").fields.into_iter().map(|wrong| wrong.field).collect()
    }

    fn asked() -> v1::AccountTransferRequest {
        v1::AccountTransferRequest {
            asset: "XBT".into(),
            amount: "0.50".into(),
            from_iiban: "AA12 N84G ABCD EFGH".into(),
            to_iiban: "AA12 N84G ABCD EFGI".into(),
            ..Default::default()
        }
    }

    #[test]
    fn requests_say_what_was_asked_digit_for_digit() {
        let request = v1::CreateSubaccountRequest {
            context: None,
            username: "desk-2".into(),
            email: "desk+2@example.com".into(),
        };
        let query = create_subaccount_of(&request).expect("good").query();
        assert_eq!(query, "username=desk-2&email=desk%2B2%40example.com");
        let sides = "amount=0.50&from=AA12%20N84G%20ABCD%20EFGH&to=AA12%20N84G%20ABCD%20EFGI";
        assert_eq!(account_transfer_of(&asked()).expect("good").query(), format!("asset=XBT&{sides}"));
        let classed = v1::AccountTransferRequest { asset_class: "tokenized_asset".into(), ..asked() };
        let query = account_transfer_of(&classed).expect("good").query();
        assert_eq!(query, format!("asset=XBT&asset_class=tokenized_asset&{sides}"));
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let nothing = v1::CreateSubaccountRequest::default();
        assert_eq!(fields(create_subaccount_of(&nothing)), ["username", "email"]);
        for email in ["x", "@x", "x@", "a b@x", "a@x\n", &format!("{}@x", "a".repeat(254))] {
            let request =
                v1::CreateSubaccountRequest { context: None, username: "x".into(), email: email.to_owned() };
            assert_eq!(fields(create_subaccount_of(&request)), ["email"], "{email:?}");
        }
        let nothing = v1::AccountTransferRequest::default();
        let expected = ["asset", "amount", "from_iiban", "to_iiban", "to_iiban"];
        assert_eq!(fields(account_transfer_of(&nothing)), expected);
        let same = v1::AccountTransferRequest { to_iiban: "AA12N84GABCDEFGH".into(), ..asked() };
        assert_eq!(fields(account_transfer_of(&same)), ["to_iiban"]);
        for amount in ["0", "-1", "1e1"] {
            let request = v1::AccountTransferRequest { amount: amount.into(), ..asked() };
            assert_eq!(fields(account_transfer_of(&request)), ["amount"], "{amount}");
        }
    }

    #[test]
    fn replies_say_what_kraken_said() {
        assert!(wire::<SubaccountCreated>("true").is_some());
        for json in ["false", "null", "{}", "1"] {
            assert!(wire::<SubaccountCreated>(json).is_none(), "{json}");
        }
        let told = |json: &str| {
            let reply = account_transferred(wire(json).expect("fits"), vec!["W".into()]);
            assert_eq!(reply.warnings, ["W"]);
            match reply.outcome {
                Some(transfer::Outcome::Accepted(accepted)) => accepted,
                other => panic!("{other:?}"),
            }
        };
        use v1::AccountTransferState as State;
        let accepted = told(r#"{"transfer_id":"TX4M2QZ-KV7LWA-9PBRTE","status":"complete","new":[1]}"#);
        assert_eq!(
            (accepted.transfer_id.as_str(), accepted.state()),
            ("TX4M2QZ-KV7LWA-9PBRTE", State::Complete)
        );
        assert_eq!(accepted.extra["new"], "[1]");
        assert_eq!(told(r#"{"transfer_id":"T","status":"pending"}"#).state(), State::Pending);
        let odd = told(r#"{"transfer_id":"T","status":"lost"}"#);
        assert_eq!((odd.state(), odd.extra["status"].as_str()), (State::Unspecified, r#""lost""#));
        assert_eq!(told(r#"{"transfer_id":"T"}"#).state(), State::Unspecified);
        assert!(wire::<AccountTransferred>("{}").is_none());
    }
}
