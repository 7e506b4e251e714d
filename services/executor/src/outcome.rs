//! Outcomes of acts: what is kept of them, and what callers are told.
//!
//! What Kraken did is kept as the reply itself, so that whoever asks again is told the same, word for word. A refusal is
//! kept as its parts.

use prost::Message;
use serde::{Deserialize, Serialize};
use tidegate_core::{ClOrdId, Error, ErrorKind};
use tidegate_kraken::wire::{self, OrderAdded};
use tidegate_lanes::{IntentRecord, IntentState};
use tidegate_proto::v1::{self, add_order_response};

use crate::acts::Told;
use crate::caller::CallInfo;
use crate::execute::{Last, unresolved};

/// A proof that nothing was executed, as it is kept.
#[derive(Debug, Deserialize, Serialize)]
struct KeptError {
    kind: String,
    text: String,
    #[serde(default)]
    kraken_error: Option<String>,
    #[serde(default)]
    endpoint: Option<String>,
}

impl KeptError {
    fn of(error: &Error) -> Self {
        let fact =
            |name: &str| error.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        Self {
            kind: error.kind.as_str().to_owned(),
            text: error.text.clone(),
            kraken_error: fact("kraken_error"),
            endpoint: fact("endpoint"),
        }
    }

    fn into_error(self) -> Error {
        let kind =
            ErrorKind::ALL.into_iter().find(|kind| kind.as_str() == self.kind).unwrap_or(ErrorKind::Refused);
        let mut error = Error::new(kind, self.text);
        for (name, value) in [("endpoint", self.endpoint), ("kraken_error", self.kraken_error)] {
            if let Some(value) = value {
                error = error.with_fact(name, value);
            }
        }
        error
    }
}

/// The last word on a placement: its state, what is kept, and what the caller is told.
pub(crate) fn of(info: &CallInfo, id: &ClOrdId, last: Last) -> (IntentState, Vec<u8>, Told) {
    let (result, warnings) = match last {
        Last::Refused(error) => return (IntentState::Refused, refusal(&error), Err(error)),
        Last::Done { result, warnings } => (result, warnings),
    };
    match wire::read::<OrderAdded>(Some(&result)) {
        Ok(added) if !added.txid.is_empty() => {
            let accepted = add_order_response::Accepted {
                order_ids: added.txid,
                cl_ord_id: id.to_string(),
                description: added.order.unwrap_or_default(),
                validated_only: false,
                extra: added.extra.into_iter().collect(),
            };
            let outcome = Some(add_order_response::Outcome::Accepted(accepted));
            let reply = v1::AddOrderResponse { outcome, warnings };
            (IntentState::Executed, reply.encode_to_vec(), Ok(reply))
        }
        read => {
            let what = read.map_or_else(|shape| shape.to_string(), |_| "there is no txid in it".to_owned());
            let text = format!("Kraken took the order but its answer cannot be read: {what}");
            let unresolved = unresolved(info, id.as_str(), "UNREADABLE_ANSWER", text);
            (IntentState::Doubtful, Vec::new(), Ok(open(unresolved)))
        }
    }
}

/// What is kept of a proof that nothing was executed.
pub(crate) fn refusal(error: &Error) -> Vec<u8> {
    // It is texts: that cannot fail, and an empty outcome is told as a refusal without words.
    serde_json::to_vec(&KeptError::of(error)).unwrap_or_default()
}

/// What is kept of a reply.
pub(crate) fn bytes(reply: &v1::AddOrderResponse) -> Vec<u8> {
    reply.encode_to_vec()
}

/// What is told of an order that was looked for and is not there.
pub(crate) fn absent(endpoint: &str) -> Error {
    let text = format!(
        "{endpoint} never came to Kraken's engine, and cannot any more: it was looked for after its deadline; nothing was \
         executed, so make a new request_id to try again"
    );
    Error::new(ErrorKind::Unavailable, text).with_fact("endpoint", endpoint)
}

/// What is kept where a person has decided that Kraken did it. Whatever the endpoint, `accepted` is field 1 of its reply.
pub(crate) fn decided(endpoint: &str, id: &str, order_ids: Vec<String>) -> Vec<u8> {
    let accepted = match endpoint {
        "AddOrder" => {
            let cl_ord_id = id.to_owned();
            add_order_response::Accepted { order_ids, cl_ord_id, ..add_order_response::Accepted::default() }
        }
        _ => add_order_response::Accepted::default(),
    };
    let outcome = Some(add_order_response::Outcome::Accepted(accepted));
    v1::AddOrderResponse { outcome, warnings: Vec::new() }.encode_to_vec()
}

/// What is told where a person has decided that nothing was executed.
pub(crate) fn decided_absent(endpoint: &str, by: &str) -> Error {
    let text = format!(
        "{endpoint} was not executed, as {by} has decided after a look at Kraken; make a new request_id to try again"
    );
    Error::new(ErrorKind::Unavailable, text).with_fact("endpoint", endpoint)
}

/// A reply that the fate is not known.
pub(crate) fn open(unresolved: v1::Unresolved) -> v1::AddOrderResponse {
    let outcome = Some(add_order_response::Outcome::Unresolved(unresolved));
    v1::AddOrderResponse { outcome, warnings: Vec::new() }
}

/// What is told of an intent whose fate is known.
pub(crate) fn kept(known: &IntentRecord) -> Told {
    if known.state == IntentState::Executed {
        return v1::AddOrderResponse::decode(known.outcome.as_slice())
            .map_err(|_| ())
            .or_else(|()| Ok(open(v1::Unresolved {
                request_id: known.request_id.clone(),
                cl_ord_id: String::new(),
                not_after: None,
                reason: "UNREADABLE_OUTCOME".to_owned(),
                text: "it was executed; what is kept of it was written by a build that this one does not understand"
                    .to_owned(),
                account: known.account.clone(),
            })));
    }
    match serde_json::from_slice::<KeptError>(&known.outcome) {
        Ok(kept) => Err(kept.into_error()),
        Err(_) => Err(Error::new(ErrorKind::Refused, "Kraken refused it; nothing was executed")),
    }
}
