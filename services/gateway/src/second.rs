//! The second question: what became of an act whose executor was lost while it had it.
//!
//! The act itself is never sent again: only a shared store makes that safe, and the edge does not know what executors share. It asks
//! others what is known of the request id, names the process that was lost so that nobody waits for it to speak, and tells its
//! caller what is found in time. What cannot be learned is "unresolved".

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tidegate_core::{Effect, Endpoint, Error, ErrorKind};
use tidegate_proto::v1::get_intent_response::Outcome;
use tidegate_proto::{method, v1};
use tidegate_runtime::status::to_status;
use tokio::time::Instant;
use tracing::info;

use crate::front::{Admitted, Edge, Ended};
use crate::intents::Question;
use crate::wire;

/// Between two questions.
const EVERY: Duration = Duration::from_millis(200);
/// An act that nobody knows may be on its way to the lost executor, or was none that is kept: not worth a longer wait.
const UNKNOWN_MAX: Duration = Duration::from_secs(2);

/// What an answer says.
enum Learned {
    /// The last word.
    Ended(Ended),
    /// It is known, and open.
    Open,
    /// It is not known.
    Nothing,
}

impl Edge {
    /// What can be learned of an act in its caller's time.
    pub(crate) async fn learn(&self, call: &Admitted, lost_owner: String, text: String) -> Ended {
        let lost = |text: String| Ended::Unresolved { reason: "EXECUTOR_LOST", text };
        let asked = method("/tidegate.v1.TradingService/GetIntent");
        let (Some(get_intent), true) = (asked, keeps_an_intent(call) && call.request_id.is_some()) else {
            return lost(text);
        };
        let whom = (call.answer_by, lost_owner);
        let question = Question::second(get_intent, &call.identity, &call.account, &call.context, whom);
        let unknown_until = Instant::now() + UNKNOWN_MAX;
        loop {
            // Where nobody can be asked at present, somebody can be in a moment.
            if let Ok(Ok(framed)) = self.ask_until_known(&question).await {
                match read(call.endpoint, &framed) {
                    Learned::Ended(ended) => {
                        info!(
                            account = %call.account, request_id = %call.context.request_id, lost = %text,
                            "another executor knows what became of an act whose executor was lost"
                        );
                        return ended;
                    }
                    Learned::Nothing if Instant::now() >= unknown_until => return lost(text),
                    Learned::Open | Learned::Nothing => {}
                }
            }
            if Instant::now() + EVERY >= call.answer_by {
                return lost(text);
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Whether acts of this kind leave a record.
fn keeps_an_intent(call: &Admitted) -> bool {
    call.changes && call.endpoint.effect != Effect::Cancel
}

fn read(endpoint: &'static Endpoint, framed: &Bytes) -> Learned {
    let reply = wire::unframe(framed).ok().and_then(|message| v1::GetIntentResponse::decode(message).ok());
    let Some(v1::GetIntentResponse { intent: Some(intent), outcome }) = reply else {
        return Learned::Nothing;
    };
    let open = |reason, text: &str| Learned::Ended(Ended::Unresolved { reason, text: text.to_owned() });
    let to_go = matches!(intent.wish(), v1::OrderWish::Cancel | v1::OrderWish::Done);
    match outcome {
        Some(Outcome::Refused(refused)) => {
            Learned::Ended(Ended::Refused(to_status(&refusal(endpoint, refused))))
        }
        // The executor could not know whether its word would arrive, so it took the doubt for given.
        Some(_) if to_go => open(
            "EXECUTOR_LOST",
            "it was executed, and is being cancelled, as was wished for the case of doubt",
        ),
        Some(Outcome::AddOrder(reply)) => told(&reply),
        Some(Outcome::CancelAll(reply)) => told(&reply),
        Some(Outcome::CancelOrder(reply)) => told(&reply),
        Some(Outcome::AddOrderBatch(reply)) => told(&reply),
        Some(Outcome::AmendOrder(reply)) => told(&reply),
        Some(Outcome::EditOrder(reply)) => told(&reply),
        Some(Outcome::CancelAllOrdersAfter(reply)) => told(&reply),
        Some(Outcome::AddExport(reply)) => told(&reply),
        Some(Outcome::RemoveExport(reply)) => told(&reply),
        Some(Outcome::CreateSubaccount(reply)) => told(&reply),
        Some(Outcome::AccountTransfer(reply)) => told(&reply),
        Some(Outcome::AllocateEarn(reply)) => told(&reply),
        Some(Outcome::DeallocateEarn(reply)) => told(&reply),
        Some(Outcome::Withdraw(reply)) => told(&reply),
        Some(Outcome::WithdrawCancel(reply)) => told(&reply),
        Some(Outcome::WalletTransfer(reply)) => told(&reply),
        Some(Outcome::GetDepositAddresses(reply)) => told(&reply),
        Some(Outcome::CreateAddress(reply)) => told(&reply),
        Some(Outcome::UpdateAddress(reply)) => told(&reply),
        Some(Outcome::DeleteAddress(reply)) => told(&reply),
        Some(Outcome::ClaimDepositAddress(reply)) => told(&reply),
        Some(Outcome::CreateWithdrawal(reply)) => told(&reply),
        None => match intent.state() {
            v1::IntentState::NotKnown => Learned::Nothing,
            v1::IntentState::NeedsOperator => {
                open("NEEDS_OPERATOR", "what became of it cannot be found out without a person")
            }
            v1::IntentState::Executed => open(
                "EXECUTOR_LOST",
                "it was executed; what is kept of it is of a build that this one does not understand",
            ),
            _ => Learned::Open,
        },
    }
}

fn told(reply: &impl Message) -> Learned {
    Learned::Ended(Ended::Reply(wire::frame(&reply.encode_to_vec())))
}

/// What is kept of an act is of its request id and not of one attempt, so it settles the matter.
fn refusal(endpoint: &'static Endpoint, refused: v1::IntentRefusal) -> Error {
    let v1::IntentRefusal { kind, text, kraken_error } = refused;
    let kind = ErrorKind::ALL.into_iter().find(|known| known.as_str() == kind).unwrap_or(ErrorKind::Refused);
    let error =
        Error::new(kind, text).with_fact("endpoint", endpoint.name).with_fact("settles", "request_id");
    if kraken_error.is_empty() { error } else { error.with_fact("kraken_error", kraken_error) }
}

#[cfg(test)]
mod tests {
    use tidegate_core::endpoint;
    use tidegate_runtime::status::is_signed;

    use super::*;

    fn learned(state: v1::IntentState, wish: v1::OrderWish, outcome: Option<Outcome>) -> Learned {
        let intent = v1::Intent { state: state.into(), wish: wish.into(), ..Default::default() };
        let reply = v1::GetIntentResponse { intent: Some(intent), outcome };
        read(endpoint("AddOrder").expect("in the table"), &wire::frame(&reply.encode_to_vec()))
    }

    #[test]
    fn only_a_last_word_is_told_as_one() {
        use v1::IntentState as S;
        use v1::OrderWish as W;
        let added = v1::AddOrderResponse { warnings: vec!["W".into()], outcome: None };
        let Learned::Ended(Ended::Reply(framed)) =
            learned(S::Executed, W::Keep, Some(Outcome::AddOrder(added.clone())))
        else {
            panic!("it is the act's own reply")
        };
        assert_eq!(framed, wire::frame(&added.encode_to_vec()));
        let going = learned(S::Executed, W::Cancel, Some(Outcome::AddOrder(added)));
        assert!(matches!(going, Learned::Ended(Ended::Unresolved { .. })), "it will not stay");
        let refused =
            v1::IntentRefusal { kind: "KRAKEN_REFUSED".into(), text: "no".into(), ..Default::default() };
        let Learned::Ended(Ended::Refused(status)) =
            learned(S::Refused, W::Keep, Some(Outcome::Refused(refused)))
        else {
            panic!("it is a proof")
        };
        assert!(is_signed(&status));
        // It speaks of the request id. Its caller would ask for it for ever without the mark.
        assert!(String::from_utf8_lossy(status.details()).contains("settles"), "{status:?}");
        for state in [S::InProgress, S::Unresolved, S::ClaimLost] {
            assert!(matches!(learned(state, W::Keep, None), Learned::Open), "{state:?}");
        }
        assert!(matches!(learned(S::NotKnown, W::Keep, None), Learned::Nothing));
        for state in [S::NeedsOperator, S::Executed] {
            let ended = learned(state, W::Keep, None);
            assert!(matches!(ended, Learned::Ended(Ended::Unresolved { .. })), "{state:?}");
        }
    }
}
