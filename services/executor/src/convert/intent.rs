//! Intents as callers see them.

use prost::Message;
use prost_types::Timestamp;
use tidegate_core::{Error, UnixUs};
use tidegate_lanes::{IntentRecord, IntentState, Wish};
use tidegate_proto::v1;
use tidegate_proto::v1::get_intent_response::Outcome;

use crate::execute::timestamp;
use crate::outcome;

/// An intent by its id, as it is kept.
pub(crate) fn intent(id: &str, known: &IntentRecord) -> v1::Intent {
    v1::Intent {
        request_id: known.request_id.clone(),
        account: known.account.clone(),
        caller: known.caller.clone(),
        state: state(known.state).into(),
        endpoint: known.endpoint.clone(),
        cl_ord_id: id.to_owned(),
        claimed_time: time(known.claimed_us),
        settled_time: time(known.settled_us),
        not_after: time(known.not_after_us),
        absent_after: time(known.absent_after_us),
        wish: wish(known.wish).into(),
        note: known.note.clone(),
    }
}

/// What is known of an intent that is not known.
pub(crate) fn unknown(id: &str, request_id: String, account: String, caller: String) -> v1::Intent {
    v1::Intent {
        request_id,
        account,
        caller,
        state: v1::IntentState::NotKnown.into(),
        cl_ord_id: id.to_owned(),
        ..v1::Intent::default()
    }
}

/// The outcome, once it is known and if this build understands it.
pub(crate) fn outcome(known: &IntentRecord) -> Option<Outcome> {
    match known.state {
        IntentState::Refused | IntentState::Absent => {
            outcome::kept(known).err().map(|error| Outcome::Refused(refusal(error)))
        }
        IntentState::Executed => {
            let bytes = known.outcome.as_slice();
            match known.endpoint.as_str() {
                "AddOrder" => v1::AddOrderResponse::decode(bytes).ok().map(Outcome::AddOrder),
                "AddOrderBatch" => v1::AddOrderBatchResponse::decode(bytes).ok().map(Outcome::AddOrderBatch),
                "AmendOrder" => v1::AmendOrderResponse::decode(bytes).ok().map(Outcome::AmendOrder),
                "EditOrder" => v1::EditOrderResponse::decode(bytes).ok().map(Outcome::EditOrder),
                "CancelAllOrdersAfter" => {
                    v1::CancelAllOrdersAfterResponse::decode(bytes).ok().map(Outcome::CancelAllOrdersAfter)
                }
                "CancelAll" => v1::CancelAllResponse::decode(bytes).ok().map(Outcome::CancelAll),
                "CancelOrder" => v1::CancelOrderResponse::decode(bytes).ok().map(Outcome::CancelOrder),
                "AddExport" => v1::AddExportResponse::decode(bytes).ok().map(Outcome::AddExport),
                "CreateSubaccount" => {
                    v1::CreateSubaccountResponse::decode(bytes).ok().map(Outcome::CreateSubaccount)
                }
                "AccountTransfer" => {
                    v1::AccountTransferResponse::decode(bytes).ok().map(Outcome::AccountTransfer)
                }
                "Earn/Allocate" => v1::AllocateEarnResponse::decode(bytes).ok().map(Outcome::AllocateEarn),
                "Earn/Deallocate" => {
                    v1::DeallocateEarnResponse::decode(bytes).ok().map(Outcome::DeallocateEarn)
                }
                "RemoveExport" => v1::RemoveExportResponse::decode(bytes).ok().map(Outcome::RemoveExport),
                "Withdraw" => v1::WithdrawResponse::decode(bytes).ok().map(Outcome::Withdraw),
                "WithdrawCancel" => {
                    v1::WithdrawCancelResponse::decode(bytes).ok().map(Outcome::WithdrawCancel)
                }
                "WalletTransfer" => {
                    v1::WalletTransferResponse::decode(bytes).ok().map(Outcome::WalletTransfer)
                }
                "DepositAddresses" => {
                    v1::GetDepositAddressesResponse::decode(bytes).ok().map(Outcome::GetDepositAddresses)
                }
                "FundingBeta/CreateAddress" => {
                    v1::CreateAddressResponse::decode(bytes).ok().map(Outcome::CreateAddress)
                }
                "FundingBeta/UpdateAddress" => {
                    v1::UpdateAddressResponse::decode(bytes).ok().map(Outcome::UpdateAddress)
                }
                "FundingBeta/DeleteAddress" => {
                    v1::DeleteAddressResponse::decode(bytes).ok().map(Outcome::DeleteAddress)
                }
                "FundingBeta/ClaimDepositAddress" => {
                    v1::ClaimDepositAddressResponse::decode(bytes).ok().map(Outcome::ClaimDepositAddress)
                }
                "FundingBeta/CreateWithdrawal" => {
                    v1::CreateWithdrawalResponse::decode(bytes).ok().map(Outcome::CreateWithdrawal)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn refusal(error: Error) -> v1::IntentRefusal {
    let kraken_error = error.facts.into_iter().find(|(name, _)| *name == "kraken_error");
    v1::IntentRefusal {
        kind: error.kind.as_str().to_owned(),
        text: error.text,
        kraken_error: kraken_error.map(|(_, text)| text).unwrap_or_default(),
    }
}

/// Zero is no time.
fn time(us: u64) -> Option<Timestamp> {
    (us > 0).then(|| timestamp(UnixUs(us)))
}

const fn state(state: IntentState) -> v1::IntentState {
    match state {
        IntentState::Claimed => v1::IntentState::InProgress,
        IntentState::Doubtful => v1::IntentState::Unresolved,
        IntentState::Lost => v1::IntentState::ClaimLost,
        IntentState::NeedsOperator => v1::IntentState::NeedsOperator,
        IntentState::Executed => v1::IntentState::Executed,
        IntentState::Refused => v1::IntentState::Refused,
        IntentState::Absent => v1::IntentState::Absent,
    }
}

const fn wish(wish: Wish) -> v1::OrderWish {
    match wish {
        Wish::Keep => v1::OrderWish::Keep,
        Wish::CancelIfUnresolved => v1::OrderWish::CancelIfUnresolved,
        Wish::Cancel => v1::OrderWish::Cancel,
        Wish::Done => v1::OrderWish::Done,
    }
}
