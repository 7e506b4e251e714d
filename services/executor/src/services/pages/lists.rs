//! The lists that come in pages. Each page is fetched as the unary call fetches it, which serves by the same code.

use prost_types::Timestamp;
use tidegate_core::Error;
use tidegate_proto::v1;

use super::{Counted, Fetch, Linked};
use crate::caller::CallInfo;
use crate::convert::{account, earn, funding, funding_beta as beta, history, request as params};
use crate::services::Api;
use crate::walk::Mark;

impl Fetch for v1::GetClosedOrdersRequest {
    type Page = v1::GetClosedOrdersResponse;

    async fn fetch(&self, api: &Api, info: &CallInfo) -> Result<Self::Page, Error> {
        let found = api.read(info, "ClosedOrders", params::closed_orders(self)?).await?;
        let mut page = account::closed_orders(found);
        api.name(&mut page.orders);
        Ok(page)
    }
}

impl Fetch for v1::GetTradesHistoryRequest {
    type Page = v1::GetTradesHistoryResponse;

    async fn fetch(&self, api: &Api, info: &CallInfo) -> Result<Self::Page, Error> {
        let found = api.read(info, "TradesHistory", history::trades_history_params(self)?).await?;
        let mut page = history::trades_history(found);
        api.name(&mut page.trades);
        Ok(page)
    }
}

impl Fetch for v1::GetLedgersRequest {
    type Page = v1::GetLedgersResponse;

    async fn fetch(&self, api: &Api, info: &CallInfo) -> Result<Self::Page, Error> {
        Ok(account::ledgers(api.read(info, "Ledgers", params::ledgers(self)?).await?))
    }
}

impl Fetch for v1::GetDepositStatusRequest {
    type Page = v1::GetDepositStatusResponse;

    async fn fetch(&self, api: &Api, info: &CallInfo) -> Result<Self::Page, Error> {
        let params = funding::deposit_status_of(self)?;
        Ok(funding::deposit_status(api.read(info, "DepositStatus", params).await?))
    }
}

impl Fetch for v1::GetWithdrawStatusRequest {
    type Page = v1::GetWithdrawStatusResponse;

    async fn fetch(&self, api: &Api, info: &CallInfo) -> Result<Self::Page, Error> {
        let params = funding::withdraw_status_of(self)?;
        Ok(funding::withdraw_status(api.read(info, "WithdrawStatus", params).await?))
    }
}

impl Fetch for v1::ListMethodsRequest {
    type Page = v1::ListMethodsResponse;

    async fn fetch(&self, api: &Api, info: &CallInfo) -> Result<Self::Page, Error> {
        let params = beta::list_methods_params(self)?;
        Ok(beta::methods(api.read(info, "FundingBeta/ListMethods", params).await?))
    }
}

impl Fetch for v1::ListAddressesRequest {
    type Page = v1::ListAddressesResponse;

    async fn fetch(&self, api: &Api, info: &CallInfo) -> Result<Self::Page, Error> {
        let params = beta::list_addresses_params(self)?;
        Ok(beta::addresses(api.read(info, "FundingBeta/ListAddresses", params).await?))
    }
}

impl Fetch for v1::GetEarnStrategiesRequest {
    type Page = v1::GetEarnStrategiesResponse;

    async fn fetch(&self, api: &Api, info: &CallInfo) -> Result<Self::Page, Error> {
        Ok(earn::strategies(api.read(info, "Earn/Strategies", earn::strategies_of(self)?).await?))
    }
}

/// The fields that both requests have are named, so that none is forgotten: a new one breaks the build.
macro_rules! counted {
    (
        $endpoint:literal: $unary:ident as $stream:ident { $($field:ident),* },
        $reply:ident as $message:ident { $entries:ident: $entry:ident by $id:ident at $time:ident },
        counts_once: $once:literal
    ) => {
        impl Counted for v1::$unary {
            const ENDPOINT: &'static str = $endpoint;
            type Streamed = v1::$stream;
            type Entry = v1::$entry;
            type Message = v1::$message;

            fn of(streamed: v1::$stream) -> (Self, String) {
                let v1::$stream { context: _, page_token, $($field),* } = streamed;
                (Self { context: None, offset: 0, $($field),* }, page_token)
            }

            fn turn(&mut self, offset: u32, end_time: Option<Timestamp>) {
                (self.offset, self.end_time) = (offset, end_time);
                self.without_count |= $once;
            }

            fn end_time(&self) -> Option<&Timestamp> {
                self.end_time.as_ref()
            }

            fn entries(page: &mut v1::$reply) -> (&mut Vec<v1::$entry>, Option<u64>) {
                (&mut page.$entries, page.count)
            }

            fn mark(entry: &v1::$entry) -> Mark {
                Mark::of(&entry.$id, entry.$time.as_ref())
            }

            fn message(page: v1::$reply, count: Option<u64>, next_page_token: String) -> v1::$message {
                let v1::$reply { $entries, count: _, extra } = page;
                v1::$message { $entries, count, next_page_token, extra }
            }
        }
    };
}

macro_rules! linked {
    (
        $unary:ident as $stream:ident { $($field:ident),* },
        $reply:ident as $message:ident { $entries:ident },
        first_page_only: [$($filter:ident),*]
    ) => {
        impl Linked for v1::$unary {
            type Streamed = v1::$stream;
            type Message = v1::$message;

            fn of(streamed: v1::$stream) -> Self {
                let v1::$stream { context, page_token, $($field),* } = streamed;
                Self { context, page_token, $($field),* }
            }

            fn turn(&mut self, page_token: &str) {
                page_token.clone_into(&mut self.page_token);
                $(self.$filter = Default::default();)*
            }

            fn page_token(&self) -> &str {
                &self.page_token
            }

            fn next(page: &v1::$reply) -> (String, usize) {
                (page.next_page_token.clone(), page.$entries.len())
            }

            fn message(page: v1::$reply) -> v1::$message {
                let v1::$reply { $entries, next_page_token, extra } = page;
                v1::$message { $entries, next_page_token, extra }
            }
        }
    };
}

counted! {
    "ClosedOrders": GetClosedOrdersRequest as StreamClosedOrdersRequest {
        trades, userref, cl_ord_id, start_time, end_time, close_time_kind, without_count, rebase_multiplier,
        consolidate_taker
    },
    GetClosedOrdersResponse as StreamClosedOrdersResponse { orders: Order by order_id at close_time },
    counts_once: true
}

counted! {
    "TradesHistory": GetTradesHistoryRequest as StreamTradesHistoryRequest {
        position_kind, trades, start_time, end_time, without_count, consolidate_taker, ledgers, rebase_multiplier
    },
    GetTradesHistoryResponse as StreamTradesHistoryResponse { trades: OwnTrade by trade_id at time },
    // Kraken does not document `without_count` here, so it is left to the caller.
    counts_once: false
}

counted! {
    "Ledgers": GetLedgersRequest as StreamLedgersRequest {
        assets, asset_class, entry_type, start_time, end_time, without_count, rebase_multiplier
    },
    GetLedgersResponse as StreamLedgersResponse { entries: LedgerEntry by ledger_id at time },
    counts_once: true
}

linked! {
    GetDepositStatusRequest as StreamDepositStatusRequest {
        asset, asset_class, method, start_time, end_time, page_size, rebase_multiplier
    },
    GetDepositStatusResponse as StreamDepositStatusResponse { deposits },
    first_page_only: []
}

linked! {
    GetWithdrawStatusRequest as StreamWithdrawStatusRequest {
        asset, asset_class, method, start_time, end_time, page_size, rebase_multiplier
    },
    GetWithdrawStatusResponse as StreamWithdrawStatusResponse { withdrawals },
    first_page_only: []
}

linked! {
    ListMethodsRequest as StreamMethodsRequest { direction, asset, rebase_multiplier, page_size, account_id },
    ListMethodsResponse as StreamMethodsResponse { methods },
    first_page_only: [asset, rebase_multiplier]
}

linked! {
    ListAddressesRequest as StreamAddressesRequest { scope, page_size, account_id },
    ListAddressesResponse as StreamAddressesResponse { addresses },
    first_page_only: [scope]
}

linked! {
    GetEarnStrategiesRequest as StreamEarnStrategiesRequest { asset, lock_kinds, ascending, limit },
    GetEarnStrategiesResponse as StreamEarnStrategiesResponse { strategies },
    first_page_only: []
}
