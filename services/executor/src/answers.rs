//! What Kraken's answer to an act says, as the reply of its RPC.

use prost::Message;
use serde_json::value::RawValue;
use tidegate_core::{Error, ErrorKind};
use tidegate_kraken::wire::{self, BatchAdded, OrderAdded, OrderAmended, OrderEdited, RowAdded, TimerSet};
use tidegate_kraken::{Executed, classify};
use tidegate_proto::v1::{
    self, add_order_batch_response as batch, add_order_response as order, amend_order_response as amend,
    cancel_all_orders_after_response as timer, cancel_all_response as all, cancel_order_response as cancel,
    edit_order_response as edit,
};

use crate::convert::{self, earn, funding, report, subaccounts};
use crate::handle::{Handle, Scope};

/// What an answer comes to.
pub(crate) enum Answer {
    /// Kraken did it; the reply, encoded.
    Done(Vec<u8>),
    /// It did a part of it, and of another part it is not known.
    Partly(Vec<u8>),
    /// Nothing was executed, for this reason of Kraken's.
    Refused(String),
    /// It cannot be understood.
    Unreadable(String),
}

impl Answer {
    /// Kraken did it, and this is the reply.
    fn done(reply: &impl Message) -> Self {
        Self::Done(reply.encode_to_vec())
    }
}

/// Reads the result of an act. `id` is the intent's.
pub(crate) fn read(handle: &Handle, id: &str, result: &RawValue, warnings: Vec<String>) -> Answer {
    match handle {
        Handle::Order => read_as(result, |added| order_added(id, None, added, warnings)),
        Handle::Marked(mark) => read_as(result, |added| order_added("", Some(mark.userref), added, warnings)),
        Handle::Batch { rows } => read_as(result, |added| batch_added(rows, added, warnings)),
        Handle::Amend(_) => read_as(result, |OrderAmended { amend_id, extra }| {
            let accepted = amend::Accepted { amend_id, looked_up: false, extra: extra.into_iter().collect() };
            Answer::Done(amended(accepted, warnings))
        }),
        Handle::Edit(wanted) => read_as(result, |edited| order_edited(wanted.userref, edited, warnings)),
        Handle::Cancel(scope) => {
            read_as(result, |done| Answer::Done(cancelled(scope, convert::orders::cancelled(done), warnings)))
        }
        Handle::Timer { .. } => read_as(result, |TimerSet { current_time, trigger_time, mut extra }| {
            let mut time = |name, text: &str| convert::known_time(&mut extra, name, text);
            let accepted = timer::Accepted {
                current_time: time("currentTime", &current_time),
                trigger_time: trigger_time.as_deref().and_then(|text| time("triggerTime", text)),
                extra: extra.into_iter().collect(),
            };
            let outcome = Some(timer::Outcome::Accepted(accepted));
            Answer::Done(v1::CancelAllOrdersAfterResponse { outcome, warnings }.encode_to_vec())
        }),
        Handle::Unseen { endpoint, .. } => match unseen(endpoint) {
            Some(read) => read(result, warnings),
            None => Answer::Unreadable(format!("this build does not know the answer to {endpoint}")),
        },
    }
}

/// What becomes of the result of an act without a handle: its reply, encoded.
pub(crate) type ReadUnseen = fn(&RawValue, Vec<String>) -> Answer;

/// The acts without a handle that this build knows.
pub(crate) fn unseen(endpoint: &str) -> Option<ReadUnseen> {
    Some(match endpoint {
        "AddExport" => {
            |result, warnings| read_as(result, |export| Answer::done(&report::export_added(export, warnings)))
        }
        "RemoveExport" => |result, warnings| {
            read_as(result, |export| Answer::done(&report::export_removed(export, warnings)))
        },
        "CreateSubaccount" => |result, warnings| {
            read_as(result, |made| Answer::done(&subaccounts::subaccount_created(made, warnings)))
        },
        "AccountTransfer" => |result, warnings| {
            read_as(result, |moved| Answer::done(&subaccounts::account_transferred(moved, warnings)))
        },
        "Earn/Allocate" => {
            |result, warnings| read_as(result, |taken| Answer::done(&earn::allocated(taken, warnings)))
        }
        "Earn/Deallocate" => {
            |result, warnings| read_as(result, |taken| Answer::done(&earn::deallocated(taken, warnings)))
        }
        "DepositAddresses" => |result, warnings| {
            read_as(result, |found| Answer::done(&funding::deposit_addresses(found, warnings)))
        },
        "Withdraw" => {
            |result, warnings| read_as(result, |sent| Answer::done(&funding::withdrawn(sent, warnings)))
        }
        "WithdrawCancel" => |result, warnings| {
            read_as(result, |cancels| Answer::done(&funding::withdraw_cancelled(cancels, warnings)))
        },
        "WalletTransfer" => {
            |result, warnings| read_as(result, |sent| Answer::done(&funding::transferred(sent, warnings)))
        }
        _ => return convert::funding_beta::unseen(endpoint),
    })
}

pub(crate) fn read_as<T: wire::Wire>(result: &RawValue, then: impl FnOnce(T) -> Answer) -> Answer {
    wire::read::<T>(Some(result)).map_or_else(|shape| Answer::Unreadable(shape.to_string()), then)
}

fn order_added(id: &str, userref: Option<i32>, added: OrderAdded, warnings: Vec<String>) -> Answer {
    if added.txid.is_empty() {
        return Answer::Unreadable("there is no txid in it".to_owned());
    }
    let accepted = order::Accepted {
        order_ids: added.txid,
        cl_ord_id: id.to_owned(),
        description: added.order.unwrap_or_default(),
        validated_only: false,
        close_description: added.close.unwrap_or_default(),
        userref,
        extra: added.extra.into_iter().collect(),
    };
    let outcome = Some(order::Outcome::Accepted(accepted));
    Answer::Done(v1::AddOrderResponse { outcome, warnings }.encode_to_vec())
}

/// The reply to an amend that was accepted.
pub(crate) fn amended(accepted: amend::Accepted, warnings: Vec<String>) -> Vec<u8> {
    let outcome = Some(amend::Outcome::Accepted(accepted));
    v1::AmendOrderResponse { outcome, warnings }.encode_to_vec()
}

/// The reply to a cancel that was accepted.
pub(crate) fn cancelled(scope: &Scope, accepted: cancel::Accepted, warnings: Vec<String>) -> Vec<u8> {
    if *scope == Scope::All {
        let cancel::Accepted { count, pending, looked_up, extra } = accepted;
        let outcome = Some(all::Outcome::Accepted(all::Accepted { count, pending, looked_up, extra }));
        return v1::CancelAllResponse { outcome, warnings }.encode_to_vec();
    }
    let outcome = Some(cancel::Outcome::Accepted(accepted));
    v1::CancelOrderResponse { outcome, warnings }.encode_to_vec()
}

fn batch_added(ids: &[String], added: BatchAdded, warnings: Vec<String>) -> Answer {
    if added.orders.len() != ids.len() {
        return Answer::Unreadable(format!("it has {} rows, not {}", added.orders.len(), ids.len()));
    }
    let rows: Vec<_> = ids.iter().zip(added.orders).map(|(id, row)| batch_row(id, row)).collect();
    let open = rows.iter().any(|row| matches!(row.outcome, Some(batch::row::Outcome::Unresolved(_))));
    let extra = added.extra.into_iter().collect();
    let reply = placed_rows(rows, extra, warnings);
    if open { Answer::Partly(reply) } else { Answer::Done(reply) }
}

/// The reply to a batch that Kraken took.
pub(crate) fn placed_rows(
    rows: Vec<batch::Row>,
    extra: std::collections::HashMap<String, String>,
    warnings: Vec<String>,
) -> Vec<u8> {
    let cl_ord_ids = rows.iter().map(|row| row.cl_ord_id.clone()).collect();
    let accepted = batch::Accepted { rows, validated_only: false, extra };
    let outcome = Some(batch::Outcome::Accepted(accepted));
    v1::AddOrderBatchResponse { outcome, warnings, cl_ord_ids }.encode_to_vec()
}

/// A row of the reply: placed, refused where Kraken's words are a proof, else open.
fn batch_row(id: &str, row: RowAdded) -> batch::Row {
    let extra = row.extra.into_iter().collect();
    let open = |text: String| {
        batch::row::Outcome::Unresolved(v1::Unresolved {
            cl_ord_id: id.to_owned(),
            reason: "KRAKEN_UNCLEAR".to_owned(),
            text,
            ..v1::Unresolved::default()
        })
    };
    let outcome = match (row.txid, row.error) {
        (Some(order_id), _) => batch::row::Outcome::Placed(batch::row::Placed {
            order_id,
            description: row.order.unwrap_or_default(),
        }),
        (None, Some(error)) => {
            let refusal = classify(std::slice::from_ref(&error)).refusal;
            if refusal.is_some_and(|refusal| refusal.executed == Executed::No) {
                let text = format!("Kraken refused the order: {error}");
                batch::row::Outcome::NotPlaced(batch::row::NotPlaced { kraken_error: error, text })
            } else {
                open(format!("Kraken answered {error}"))
            }
        }
        (None, None) => open("Kraken's answer has neither an id nor an error for it".to_owned()),
    };
    batch::Row { cl_ord_id: id.to_owned(), outcome: Some(outcome), extra }
}

fn order_edited(userref: i32, mut edited: OrderEdited, warnings: Vec<String>) -> Answer {
    if let Some(word) = edited.status.as_deref().filter(|word| !["ok", "err"].contains(word)) {
        convert::keep_word(&mut edited.extra, "status", word, ());
    }
    let failed = edited.status.as_deref() == Some("err")
        || edited.error_message.as_ref().is_some_and(|e| !e.is_empty());
    let outcome = match (failed, edited.txid, edited.orders_cancelled) {
        (false, Some(order_id), _) => edit::Outcome::Accepted(edit::Accepted {
            order_id,
            original_order_id: edited.original_txid.unwrap_or_default(),
            userref,
            description: edited.order.unwrap_or_default(),
            extra: edited.extra.into_iter().collect(),
        }),
        (true, None, Some(1..)) => edit::Outcome::HalfDone(edit::HalfDone {
            original_order_id: edited.original_txid.unwrap_or_default(),
            kraken_error: edited.error_message.unwrap_or_default(),
            extra: edited.extra.into_iter().collect(),
        }),
        (true, None, Some(0)) => {
            let error = edited.error_message.unwrap_or_default();
            let refusal = classify(std::slice::from_ref(&error)).refusal;
            if refusal.is_some_and(|refusal| refusal.executed == Executed::No) {
                return Answer::Refused(error);
            }
            return Answer::Unreadable(format!("Kraken answered {error}"));
        }
        (_, _, _) => {
            let error = edited.error_message.unwrap_or_default();
            let told = if error.is_empty() { error } else { format!("; error_message is {error}") };
            let text = format!("neither txid nor orders_cancelled says what became of the old order{told}");
            return Answer::Unreadable(text);
        }
    };
    Answer::Done(v1::EditOrderResponse { outcome: Some(outcome), warnings }.encode_to_vec())
}

/// Kraken's refusal inside of an answer, in the caller's words.
pub(crate) fn refused(endpoint: &str, kraken_error: String) -> Error {
    Error::new(ErrorKind::Refused, format!("Kraken refused {endpoint}: {kraken_error}"))
        .with_fact("endpoint", endpoint)
        .with_fact("kraken_error", kraken_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::EditHandle;

    fn answer(handle: &Handle, json: &str) -> Answer {
        read(handle, "id", &RawValue::from_string(json.to_owned()).expect("JSON"), Vec::new())
    }

    fn rows(answer: Answer) -> (bool, Vec<batch::Row>) {
        let (whole, bytes) = match answer {
            Answer::Done(bytes) => (true, bytes),
            Answer::Partly(bytes) => (false, bytes),
            _ => panic!("no rows"),
        };
        match v1::AddOrderBatchResponse::decode(bytes.as_slice()).expect("a reply").outcome {
            Some(batch::Outcome::Accepted(accepted)) => (whole, accepted.rows),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_order_with_a_close_is_told_by_its_number() {
        let marked = Handle::Marked(crate::handle::Mark { userref: 7, volume: None });
        let placed = r#"{"descr":{"order":"buy","close":"close position"},"txid":["O1"]}"#;
        let Answer::Done(bytes) = answer(&marked, placed) else { panic!("it is placed") };
        let reply = v1::AddOrderResponse::decode(bytes.as_slice()).expect("a reply");
        let Some(order::Outcome::Accepted(accepted)) = reply.outcome else { panic!("{reply:?}") };
        assert_eq!((accepted.userref, accepted.cl_ord_id.as_str()), (Some(7), ""));
        assert_eq!(accepted.close_description, "close position");
        assert!(matches!(answer(&marked, r#"{"txid":[]}"#), Answer::Unreadable(_)));
    }

    #[test]
    fn rows_are_placed_refused_or_open_each_for_itself() {
        use batch::row::Outcome;
        let three = Handle::Batch { rows: ["a", "b", "c"].map(str::to_owned).into() };
        let (whole, read) = rows(answer(
            &three,
            r#"{"orders":[{"txid":"O1","descr":{"order":"x"}},{"error":"EOrder:Insufficient funds"},{"txid":"O3"}]}"#,
        ));
        assert!(whole);
        assert!(matches!(&read[0].outcome, Some(Outcome::Placed(placed)) if placed.order_id == "O1"));
        assert!(
            matches!(&read[1].outcome, Some(Outcome::NotPlaced(not)) if not.kraken_error.ends_with("funds"))
        );
        assert_eq!(read[2].cl_ord_id, "c");
        let (whole, read) =
            rows(answer(&three, r#"{"orders":[{"error":"EService:Busy"},{},{"error":"EOrder:Who knows"}]}"#));
        assert!(!whole && read.iter().all(|row| matches!(row.outcome, Some(Outcome::Unresolved(_)))));
        assert!(matches!(answer(&three, r#"{"orders":[{"txid":"O1"}]}"#), Answer::Unreadable(_)));
    }

    #[test]
    fn a_row_or_an_edit_is_refused_only_by_words_that_are_a_proof() {
        let one = Handle::Batch { rows: vec!["a".to_owned()] };
        let edit = Handle::Edit(EditHandle { order_id: "O1".into(), userref: 7, volume: None });
        let (mut proofs, mut doubts) = (0, 0);
        for row in tidegate_kraken::ERROR_TABLE.iter().filter(|row| row.text.starts_with('E')) {
            let proves = row.executed == Executed::No;
            let (whole, read) = rows(answer(&one, &format!(r#"{{"orders":[{{"error":"{}"}}]}}"#, row.text)));
            assert_eq!(whole, proves, "{}", row.text);
            assert_eq!(
                matches!(read[0].outcome, Some(batch::row::Outcome::NotPlaced(_))),
                proves,
                "{}",
                row.text
            );
            let json = format!(r#"{{"status":"err","orders_cancelled":0,"error_message":"{}"}}"#, row.text);
            assert_eq!(matches!(answer(&edit, &json), Answer::Refused(_)), proves, "{}", row.text);
            *(if proves { &mut proofs } else { &mut doubts }) += 1;
        }
        assert!(proofs > 30 && doubts > 5, "{proofs} and {doubts}");
    }

    #[test]
    fn an_edit_is_done_half_done_refused_or_unclear() {
        let edit = Handle::Edit(EditHandle { order_id: "O1".into(), userref: 7, volume: None });
        let outcome = |json: &str| match answer(&edit, json) {
            Answer::Done(bytes) => v1::EditOrderResponse::decode(bytes.as_slice()).expect("a reply").outcome,
            _ => None,
        };
        assert!(matches!(outcome(r#"{"txid":"O2"}"#), Some(edit::Outcome::Accepted(a)) if a.userref == 7));
        let half = r#"{"status":"err","orders_cancelled":1,"originaltxid":"O1","error_message":"EOrder:Insufficient funds"}"#;
        assert!(matches!(outcome(half), Some(edit::Outcome::HalfDone(h)) if h.original_order_id == "O1"));
        let none = r#"{"status":"err","orders_cancelled":0,"error_message":"EOrder:Insufficient funds"}"#;
        assert!(
            matches!(answer(&edit, none), Answer::Refused(error) if error == "EOrder:Insufficient funds")
        );
        for unclear in [
            r#"{"status":"err","error_message":"EOrder:Insufficient funds"}"#,
            r#"{"status":"err","orders_cancelled":0,"error_message":"EService:Busy"}"#,
            r#"{"status":"err","txid":"O2"}"#,
            "{}",
        ] {
            assert!(matches!(answer(&edit, unclear), Answer::Unreadable(_)), "{unclear}");
        }
    }
}
