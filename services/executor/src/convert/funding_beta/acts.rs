//! What Kraken's answers to acts of Funding (Beta) say, as encoded replies.

use prost::Message;
use serde_json::value::RawValue;
use tidegate_kraken::wire::{
    AddressCreated, AddressDeleted, AddressUpdated, DepositAddressClaimed, WithdrawalCreated,
};
use tidegate_proto::v1;
use v1::{
    claim_deposit_address_response as claim, create_address_response as create,
    create_withdrawal_response as withdrawal, delete_address_response as delete,
    update_address_response as update,
};

use super::reply::{amount, details};
use crate::answers::{Answer, ReadUnseen, read_as};

/// How the answer to an act of this family is read.
pub(crate) fn unseen(endpoint: &str) -> Option<ReadUnseen> {
    Some(match endpoint {
        "FundingBeta/CreateAddress" => created,
        "FundingBeta/UpdateAddress" => updated,
        "FundingBeta/DeleteAddress" => deleted,
        "FundingBeta/ClaimDepositAddress" => claimed,
        "FundingBeta/CreateWithdrawal" => withdrawn,
        _ => return None,
    })
}

fn created(result: &RawValue, warnings: Vec<String>) -> Answer {
    read_as(result, |AddressCreated { address_id, verified, extra }| {
        let accepted = create::Accepted { address_id, verified, extra: extra.into_iter().collect() };
        let outcome = Some(create::Outcome::Accepted(accepted));
        Answer::Done(v1::CreateAddressResponse { outcome, warnings }.encode_to_vec())
    })
}

fn updated(result: &RawValue, warnings: Vec<String>) -> Answer {
    read_as(result, |AddressUpdated { verified, extra }| {
        let accepted = update::Accepted { verified, extra: extra.into_iter().collect() };
        let outcome = Some(update::Outcome::Accepted(accepted));
        Answer::Done(v1::UpdateAddressResponse { outcome, warnings }.encode_to_vec())
    })
}

fn deleted(result: &RawValue, warnings: Vec<String>) -> Answer {
    read_as(result, |AddressDeleted { result, extra }| {
        let accepted = delete::Accepted { deleted: result, extra: extra.into_iter().collect() };
        let outcome = Some(delete::Outcome::Accepted(accepted));
        Answer::Done(v1::DeleteAddressResponse { outcome, warnings }.encode_to_vec())
    })
}

fn claimed(result: &RawValue, warnings: Vec<String>) -> Answer {
    read_as(result, |DepositAddressClaimed { address_details, extra }| {
        let details = Some(details(address_details));
        let accepted = claim::Accepted { details, extra: extra.into_iter().collect() };
        let outcome = Some(claim::Outcome::Accepted(accepted));
        Answer::Done(v1::ClaimDepositAddressResponse { outcome, warnings }.encode_to_vec())
    })
}

fn withdrawn(result: &RawValue, warnings: Vec<String>) -> Answer {
    read_as(result, |created: WithdrawalCreated| {
        let accepted = withdrawal::Accepted {
            withdrawal_id: created.withdrawal_id.unwrap_or_default(),
            net_amount: created.net_amount.map(amount),
            gross_amount: created.gross_amount.map(amount),
            fee: created.fee.map(amount),
            approval_request_id: created.approval_request_id.unwrap_or_default(),
            extra: created.extra.into_iter().collect(),
        };
        let outcome = Some(withdrawal::Outcome::Accepted(accepted));
        Answer::Done(v1::CreateWithdrawalResponse { outcome, warnings }.encode_to_vec())
    })
}
