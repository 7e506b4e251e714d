//! What travels between gateway and executor beside the request's own bytes.
//!
//! The gateway has authenticated the caller and resolved the account; the executor believes both. Therefore an
//! executor listener is for gateways alone. The time left is not sent as `grpc-timeout`: gRPC libraries enforce that
//! header themselves, dropping the call where it stands, and a mutating call must never be dropped.

/// Metadata key: name of the authenticated caller.
pub const CALLER: &str = "tidegate-caller";

/// Metadata key: account that the call is for.
pub const ACCOUNT: &str = "tidegate-account";

/// Metadata key: milliseconds within which the answer is wanted, decimal.
pub const TIME_LEFT_MS: &str = "tidegate-time-left-ms";

/// Metadata key, on questions about an intent only: id of the process that its gateway has lost while it asked for the act.
pub const LOST_OWNER: &str = "tidegate-lost-owner";

/// Field 1 of every request that ends at Kraken or asks about an intent, decoded without the rest. Unknown fields are skipped.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Envelope {
    /// The context; unset means all of it unset.
    #[prost(message, optional, tag = "1")]
    pub context: Option<crate::v1::CallContext>,
}

/// A reply of any mutating method that says no more than "unresolved": all of them keep it in field 2.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UnresolvedReply {
    /// What is known.
    #[prost(message, optional, tag = "2")]
    pub unresolved: Option<crate::v1::Unresolved>,
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::v1;

    #[test]
    fn every_mutating_reply_reads_an_unresolved_one() {
        let unresolved = v1::Unresolved { request_id: "r".into(), ..Default::default() };
        let bytes = UnresolvedReply { unresolved: Some(unresolved.clone()) }.encode_to_vec();
        let add = v1::AddOrderResponse::decode(bytes.as_slice()).expect("decodes");
        assert_eq!(add.outcome, Some(v1::add_order_response::Outcome::Unresolved(unresolved.clone())));
        let cancel = v1::CancelOrderResponse::decode(bytes.as_slice()).expect("decodes");
        assert_eq!(cancel.outcome, Some(v1::cancel_order_response::Outcome::Unresolved(unresolved.clone())));
        macro_rules! reads {
            ($($reply:ident in $module:ident)*) => {$(
                let reply = v1::$reply::decode(bytes.as_slice()).expect("decodes");
                assert_eq!(reply.outcome, Some(v1::$module::Outcome::Unresolved(unresolved.clone())));
            )*};
        }
        reads! {
            AddOrderBatchResponse in add_order_batch_response
            AmendOrderResponse in amend_order_response
            EditOrderResponse in edit_order_response
            CancelOrderBatchResponse in cancel_order_batch_response
            CancelAllResponse in cancel_all_response
            CancelAllOrdersAfterResponse in cancel_all_orders_after_response
            AddExportResponse in add_export_response
            RemoveExportResponse in remove_export_response
            CreateSubaccountResponse in create_subaccount_response
            AccountTransferResponse in account_transfer_response
            AllocateEarnResponse in allocate_earn_response
            DeallocateEarnResponse in deallocate_earn_response
            GetDepositAddressesResponse in get_deposit_addresses_response
            WithdrawResponse in withdraw_response
            WithdrawCancelResponse in withdraw_cancel_response
            WalletTransferResponse in wallet_transfer_response
            CreateAddressResponse in create_address_response
            UpdateAddressResponse in update_address_response
            DeleteAddressResponse in delete_address_response
            ClaimDepositAddressResponse in claim_deposit_address_response
            CreateWithdrawalResponse in create_withdrawal_response
        }
    }
}
