//! The table of all endpoints of Kraken's Spot REST API, in the order of its documentation.
//!
//! Costs are pairs `[documented, charged]`: sources differ for history calls (the rate limit guide says 1 or 2, a
//! support article of August 2026 says 4) and for OpenOrders (1 in the guide, 2 in Kraken's own SDK); we charge
//! the higher one, because a refused call costs more than a point. A test compares every row with a recorded copy
//! of the facts.
//!
//! What a call needs is what Kraken's API reference says. Where another of Kraken's sources asks for something else, the row
//! names that too (`but`): keys that satisfy every reading are preferred.

use crate::endpoint::{Effect, Encoding, Endpoint, Needs, Reading, Verb, guide, set};
use crate::permission::Permission as P;

#[expect(clippy::too_many_arguments, reason = "one line of the table below, read by column")]
const fn row(
    name: &'static str,
    verb: Verb,
    path: &'static str,
    needs: Needs,
    effect: Effect,
    [rest_points_documented, rest_points]: [u32; 2],
    trading_limited: bool,
    encoding: Encoding,
) -> Endpoint {
    Endpoint {
        name,
        verb,
        path,
        needs,
        other_readings: &[],
        effect,
        rest_points_documented,
        rest_points,
        trading_limited,
        encoding,
    }
}

/// Looks an endpoint up by Kraken's name.
pub fn endpoint(name: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.iter().find(|e| e.name == name)
}

/// All endpoints.
#[rustfmt::skip]
pub static ENDPOINTS: [Endpoint; 68] = [
    row("Time", Verb::Get, "/0/public/Time", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("SystemStatus", Verb::Get, "/0/public/SystemStatus", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("Assets", Verb::Get, "/0/public/Assets", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("AssetPairs", Verb::Get, "/0/public/AssetPairs", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("Ticker", Verb::Get, "/0/public/Ticker", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("OHLC", Verb::Get, "/0/public/OHLC", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("Depth", Verb::Get, "/0/public/Depth", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("GroupedBook", Verb::Get, "/0/public/GroupedBook", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("Trades", Verb::Get, "/0/public/Trades", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("Spread", Verb::Get, "/0/public/Spread", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("PreTrade", Verb::Get, "/0/public/PreTrade", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("PostTrade", Verb::Get, "/0/public/PostTrade", Needs::Public, Effect::Read, [0, 0], false, Encoding::Query),
    row("Level3", Verb::Post, "/0/private/Level3", Needs::AnyOf(&[set(&[P::QueryOpenTrades])]), Effect::Read, [1, 1], false, Encoding::Json),
    row("Balance", Verb::Post, "/0/private/Balance", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("BalanceEx", Verb::Post, "/0/private/BalanceEx", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("CreditLines", Verb::Post, "/0/private/CreditLines", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("TradeBalance", Verb::Post, "/0/private/TradeBalance", Needs::AnyOf(&[set(&[P::QueryOpenTrades])]), Effect::Read, [1, 1], false, Encoding::Form).but(&[guide(&[set(&[P::QueryFunds])])]),
    row("OpenOrders", Verb::Post, "/0/private/OpenOrders", Needs::AnyOf(&[set(&[P::QueryOpenTrades])]), Effect::Read, [1, 2], false, Encoding::Form),
    row("ClosedOrders", Verb::Post, "/0/private/ClosedOrders", Needs::AnyOf(&[set(&[P::QueryClosedTrades])]), Effect::Read, [1, 4], false, Encoding::Form),
    row("QueryOrders", Verb::Post, "/0/private/QueryOrders", Needs::AnyOf(&[set(&[P::QueryOpenTrades]), set(&[P::QueryClosedTrades])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("OrderAmends", Verb::Post, "/0/private/OrderAmends", Needs::AnyOf(&[set(&[P::QueryOpenTrades]), set(&[P::QueryClosedTrades])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("TradesHistory", Verb::Post, "/0/private/TradesHistory", Needs::AnyOf(&[set(&[P::QueryClosedTrades])]), Effect::Read, [2, 4], false, Encoding::Form).but(&[guide(&[set(&[P::QueryClosedTrades]), set(&[P::QueryOpenTrades])])]),
    row("QueryTrades", Verb::Post, "/0/private/QueryTrades", Needs::AnyOf(&[set(&[P::QueryClosedTrades])]), Effect::Read, [2, 4], false, Encoding::Form).but(&[guide(&[set(&[P::QueryClosedTrades]), set(&[P::QueryOpenTrades])])]),
    row("OpenPositions", Verb::Post, "/0/private/OpenPositions", Needs::AnyOf(&[set(&[P::QueryOpenTrades])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("Ledgers", Verb::Post, "/0/private/Ledgers", Needs::AnyOf(&[set(&[P::QueryLedger])]), Effect::Read, [2, 4], false, Encoding::Form),
    row("QueryLedgers", Verb::Post, "/0/private/QueryLedgers", Needs::AnyOf(&[set(&[P::QueryLedger])]), Effect::Read, [2, 4], false, Encoding::Form),
    row("TradeVolume", Verb::Post, "/0/private/TradeVolume", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("AddExport", Verb::Post, "/0/private/AddExport", Needs::AnyOf(&[set(&[P::ExportData])]), Effect::Administer, [1, 1], false, Encoding::Form),
    row("ExportStatus", Verb::Post, "/0/private/ExportStatus", Needs::AnyOf(&[set(&[P::ExportData])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("RetrieveExport", Verb::Post, "/0/private/RetrieveExport", Needs::AnyOf(&[set(&[P::ExportData])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("RemoveExport", Verb::Post, "/0/private/RemoveExport", Needs::AnyOf(&[set(&[P::ExportData])]), Effect::Administer, [1, 1], false, Encoding::Form),
    row("GetApiKeyInfo", Verb::Post, "/0/private/GetApiKeyInfo", Needs::AnyKey, Effect::Read, [1, 1], false, Encoding::Form),
    row("AddOrder", Verb::Post, "/0/private/AddOrder", Needs::AnyOf(&[set(&[P::ModifyTrades])]), Effect::Place, [0, 0], true, Encoding::Form),
    row("AddOrderBatch", Verb::Post, "/0/private/AddOrderBatch", Needs::AnyOf(&[set(&[P::ModifyTrades, P::CloseTrades])]), Effect::Place, [0, 0], true, Encoding::Json),
    row("AmendOrder", Verb::Post, "/0/private/AmendOrder", Needs::AnyOf(&[set(&[P::ModifyTrades]), set(&[P::CloseTrades])]), Effect::Amend, [0, 0], true, Encoding::Form),
    row("EditOrder", Verb::Post, "/0/private/EditOrder", Needs::AnyOf(&[set(&[P::ModifyTrades, P::CloseTrades])]), Effect::Amend, [0, 0], true, Encoding::Form),
    row("CancelOrder", Verb::Post, "/0/private/CancelOrder", Needs::AnyOf(&[set(&[P::ModifyTrades]), set(&[P::CloseTrades])]), Effect::Cancel, [0, 0], true, Encoding::Form),
    row("CancelAll", Verb::Post, "/0/private/CancelAll", Needs::AnyOf(&[set(&[P::ModifyTrades]), set(&[P::CloseTrades])]), Effect::CancelScope, [1, 1], true, Encoding::Form),
    row("CancelAllOrdersAfter", Verb::Post, "/0/private/CancelAllOrdersAfter", Needs::AnyOf(&[set(&[P::ModifyTrades]), set(&[P::CloseTrades])]), Effect::CancelScope, [1, 1], true, Encoding::Form),
    row("CancelOrderBatch", Verb::Post, "/0/private/CancelOrderBatch", Needs::AnyOf(&[set(&[P::ModifyTrades]), set(&[P::CloseTrades])]), Effect::Cancel, [0, 0], true, Encoding::Json),
    row("GetWebSocketsToken", Verb::Post, "/0/private/GetWebSocketsToken", Needs::AnyOf(&[set(&[P::CreateWsToken])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("DepositMethods", Verb::Post, "/0/private/DepositMethods", Needs::AnyOf(&[set(&[P::QueryFunds, P::AddFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("DepositAddresses", Verb::Post, "/0/private/DepositAddresses", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Form).but(&[guide(&[set(&[P::AddFunds])])]),
    row("DepositStatus", Verb::Post, "/0/private/DepositStatus", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("WithdrawMethods", Verb::Post, "/0/private/WithdrawMethods", Needs::AnyOf(&[set(&[P::QueryFunds, P::WithdrawFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("WithdrawAddresses", Verb::Post, "/0/private/WithdrawAddresses", Needs::AnyOf(&[set(&[P::QueryFunds, P::WithdrawFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("WithdrawInfo", Verb::Post, "/0/private/WithdrawInfo", Needs::AnyOf(&[set(&[P::QueryFunds, P::WithdrawFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("Withdraw", Verb::Post, "/0/private/Withdraw", Needs::AnyOf(&[set(&[P::WithdrawFunds])]), Effect::Transfer, [1, 1], false, Encoding::Form),
    row("WithdrawStatus", Verb::Post, "/0/private/WithdrawStatus", Needs::AnyOf(&[set(&[P::WithdrawFunds]), set(&[P::QueryLedger])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("WithdrawCancel", Verb::Post, "/0/private/WithdrawCancel", Needs::AnyOf(&[set(&[P::WithdrawFunds])]), Effect::Administer, [1, 1], false, Encoding::Form),
    row("WalletTransfer", Verb::Post, "/0/private/WalletTransfer", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Transfer, [1, 1], false, Encoding::Form),
    row("CreateSubaccount", Verb::Post, "/0/private/CreateSubaccount", Needs::AnyOf(&[set(&[P::WithdrawFunds])]), Effect::Administer, [1, 1], false, Encoding::Form).but(&[guide(&[set(&[P::ModifyTrades])])]),
    row("AccountTransfer", Verb::Post, "/0/private/AccountTransfer", Needs::AnyOf(&[set(&[P::WithdrawFunds])]), Effect::Transfer, [1, 1], false, Encoding::Form),
    row("Earn/Allocate", Verb::Post, "/0/private/Earn/Allocate", Needs::AnyOf(&[set(&[P::EarnFunds])]), Effect::Transfer, [1, 1], false, Encoding::Form),
    row("Earn/Deallocate", Verb::Post, "/0/private/Earn/Deallocate", Needs::AnyOf(&[set(&[P::EarnFunds])]), Effect::Transfer, [1, 1], false, Encoding::Form),
    row("Earn/AllocateStatus", Verb::Post, "/0/private/Earn/AllocateStatus", Needs::AnyOf(&[set(&[P::EarnFunds]), set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("Earn/DeallocateStatus", Verb::Post, "/0/private/Earn/DeallocateStatus", Needs::AnyOf(&[set(&[P::EarnFunds]), set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("Earn/Strategies", Verb::Post, "/0/private/Earn/Strategies", Needs::AnyKey, Effect::Read, [1, 1], false, Encoding::Form),
    row("Earn/Allocations", Verb::Post, "/0/private/Earn/Allocations", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Form),
    row("FundingBeta/ListMethods", Verb::Get, "/funding/v1/methods/{direction}", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Query),
    row("FundingBeta/ListNetworks", Verb::Get, "/funding/v1/networks", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Query),
    row("FundingBeta/CalculateFees", Verb::Get, "/funding/v1/fees/{method_id}", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Query),
    row("FundingBeta/ListAddresses", Verb::Get, "/funding/v1/addresses", Needs::AnyOf(&[set(&[P::QueryFunds])]), Effect::Read, [1, 1], false, Encoding::Query),
    row("FundingBeta/CreateAddress", Verb::Post, "/funding/v1/addresses", Needs::AnyOf(&[set(&[P::AddWithdrawAddress])]), Effect::Administer, [1, 1], false, Encoding::Json),
    row("FundingBeta/DeleteAddress", Verb::Delete, "/funding/v1/addresses/{id}", Needs::AnyOf(&[set(&[P::AddWithdrawAddress])]), Effect::Administer, [1, 1], false, Encoding::Query),
    row("FundingBeta/ClaimDepositAddress", Verb::Put, "/funding/v1/deposit/address", Needs::AnyOf(&[set(&[P::AddFunds])]), Effect::Administer, [1, 1], false, Encoding::Json),
    row("FundingBeta/CreateWithdrawal", Verb::Post, "/funding/v1/withdrawals", Needs::AnyOf(&[set(&[P::WithdrawFunds])]), Effect::Transfer, [1, 1], false, Encoding::Json),
    row("FundingBeta/UpdateAddress", Verb::Put, "/funding/v1/addresses/{id}", Needs::AnyOf(&[set(&[P::UpdateWithdrawAddress])]), Effect::Administer, [1, 1], false, Encoding::Json).but(&[Reading { source: "a reading of Kraken's pages on Funding (Beta)", needs: Needs::AnyOf(&[set(&[P::AddWithdrawAddress, P::UpdateWithdrawAddress])]) }]),
];
