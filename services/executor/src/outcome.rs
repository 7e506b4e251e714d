//! Outcomes of acts: what is kept of them, and what callers are told.
//!
//! What Kraken did is kept as the reply itself, so that whoever asks again is told the same, word for word. A refusal is
//! kept as its parts.

use prost::Message;
use serde::{Deserialize, Serialize};
use tidegate_core::{Error, ErrorKind};
use tidegate_lanes::{IntentRecord, IntentState};
use tidegate_proto::v1::add_order_response;
use tidegate_proto::{hop, v1};

use crate::acts::{Act, Told};
use crate::answers::{self, Answer};
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

/// The last word on an act: its state, what is kept, and what the caller is told.
pub(crate) fn of(act: &Act, last: Last) -> (IntentState, Vec<u8>, Told) {
    let (result, warnings) = match last {
        Last::Refused(error) => return (IntentState::Refused, refusal(&error), Err(settles(error))),
        Last::Done { result, warnings } => (result, warnings),
    };
    match answers::read(&act.handle, act.id.as_str(), &result, warnings) {
        Answer::Done(reply) => (IntentState::Executed, reply.clone(), Ok(reply)),
        Answer::Partly(reply) => (IntentState::Doubtful, reply.clone(), Ok(reply)),
        Answer::Refused(kraken_error) => {
            let error = answers::refused(act.endpoint.name, kraken_error);
            (IntentState::Refused, refusal(&error), Err(settles(error)))
        }
        Answer::Unreadable(what) => {
            let text = format!("Kraken took the call but its answer cannot be read: {what}");
            let unresolved = unresolved(&act.info, act.cl_ord_id(), "UNREADABLE_ANSWER", text);
            (IntentState::Doubtful, Vec::new(), Ok(open(unresolved)))
        }
    }
}

/// Marks an error that speaks of the request id and not of one attempt alone: nothing was executed under it, and nothing ever
/// will be. Without the mark an error may meet a caller who asks again for what an earlier attempt has sent.
fn settles(error: Error) -> Error {
    error.with_fact("settles", "request_id")
}

/// What is kept of a proof that nothing was executed.
pub(crate) fn refusal(error: &Error) -> Vec<u8> {
    // It is texts: that cannot fail, and an empty outcome is told as a refusal without words.
    serde_json::to_vec(&KeptError::of(error)).unwrap_or_default()
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
        // The id of what was sent or made stands in the same place as the ids of orders.
        "Withdraw" | "WalletTransfer" | "FundingBeta/CreateWithdrawal" | "FundingBeta/CreateAddress" => {
            let order_ids = order_ids.into_iter().take(1).collect();
            add_order_response::Accepted { order_ids, ..add_order_response::Accepted::default() }
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

/// A reply of any act that its fate is not known: all of them keep that in the same place.
pub(crate) fn open(unresolved: v1::Unresolved) -> Vec<u8> {
    hop::UnresolvedReply { unresolved: Some(unresolved) }.encode_to_vec()
}

/// What is told of an intent whose fate is known.
pub(crate) fn kept(known: &IntentRecord) -> Told {
    if known.state == IntentState::Executed {
        return Ok(known.outcome.clone());
    }
    match serde_json::from_slice::<KeptError>(&known.outcome) {
        Ok(kept) => Err(settles(kept.into_error())),
        Err(_) => Err(settles(Error::new(ErrorKind::Refused, "Kraken refused it; nothing was executed"))),
    }
}

/// The reply as its service sends it. What was kept by a build that this one does not understand was executed all the same,
/// so that is no error.
pub(crate) fn reply<R: Message + Default>(info: &CallInfo, bytes: &[u8]) -> R {
    R::decode(bytes).unwrap_or_else(|_| {
        let text =
            "it was executed; what is kept of it was written by a build that this one does not understand";
        let open = open(unresolved(info, "", "UNREADABLE_OUTCOME", text.to_owned()));
        R::decode(open.as_slice()).unwrap_or_default()
    })
}
