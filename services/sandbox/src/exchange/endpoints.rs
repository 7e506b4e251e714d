//! What the exchange asks for each of its 68 endpoints: permissions and REST counter costs (Kraken docs: API
//! reference pages, guide "API rate limits", support article "API counter").

use std::collections::HashMap;
use std::sync::LazyLock;

use super::beta;

/// One endpoint of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointRow {
    /// Kraken's name, for instance `AddOrder` or `Earn/Allocate`.
    pub name: &'static str,
    /// The path; `{...}` stands for one segment of any content.
    pub path: &'static str,
    /// The HTTP method.
    pub verb: &'static str,
    /// Needs no key.
    pub public: bool,
    /// Alternatives, any one of which suffices; of each all tokens are needed. One empty alternative: any valid key.
    pub permissions: &'static [&'static [&'static str]],
    /// Points on the key's REST counter as the documentation has it.
    pub cost: u32,
    /// Points at the higher figure where Kraken's own sources differ, else the same.
    pub cost_conservative: u32,
    pub(crate) act: Act,
}

/// What the exchange does for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Time,
    SystemStatus,
    Assets,
    AssetPairs,
    Ticker,
    Ohlc,
    Depth,
    GroupedBook,
    Trades,
    Spread,
    PreTrade,
    PostTrade,
    Level3,
    Balance,
    BalanceEx,
    TradeBalance,
    OpenOrders,
    ClosedOrders,
    QueryOrders,
    TradesHistory,
    QueryTrades,
    Ledgers,
    QueryLedgers,
    TradeVolume,
    OpenPositions,
    CreditLines,
    GetWebSocketsToken,
    GetApiKeyInfo,
    AddOrder,
    CancelOrder,
    CancelAll,
    OrderAmends,
    AddOrderBatch,
    AmendOrder,
    EditOrder,
    CancelAllOrdersAfter,
    CancelOrderBatch,
    AddExport,
    ExportStatus,
    RetrieveExport,
    RemoveExport,
    CreateSubaccount,
    AccountTransfer,
    EarnAllocate,
    EarnDeallocate,
    EarnAllocateStatus,
    EarnDeallocateStatus,
    EarnStrategies,
    EarnAllocations,
    DepositMethods,
    DepositAddresses,
    DepositStatus,
    WithdrawMethods,
    WithdrawAddresses,
    WithdrawInfo,
    Withdraw,
    WithdrawStatus,
    WithdrawCancel,
    WalletTransfer,
    /// Funding (Beta).
    Beta(beta::Call),
}

/// All endpoints.
pub fn table() -> impl Iterator<Item = EndpointRow> {
    TABLE.iter().copied()
}

const fn public(name: &'static str, path: &'static str, act: Act) -> EndpointRow {
    EndpointRow {
        name,
        path,
        verb: "GET",
        public: true,
        permissions: &[],
        cost: 0,
        cost_conservative: 0,
        act,
    }
}

const fn signed(
    name: &'static str,
    verb: &'static str,
    path: &'static str,
    permissions: &'static [&'static [&'static str]],
    [cost, cost_conservative]: [u32; 2],
    act: Act,
) -> EndpointRow {
    EndpointRow { name, path, verb, public: false, permissions, cost, cost_conservative, act }
}

#[rustfmt::skip] // A table is read by its columns.
const TABLE: &[EndpointRow] = &[
    public("Time", "/0/public/Time", Act::Time),
    public("SystemStatus", "/0/public/SystemStatus", Act::SystemStatus),
    public("Assets", "/0/public/Assets", Act::Assets),
    public("AssetPairs", "/0/public/AssetPairs", Act::AssetPairs),
    public("Ticker", "/0/public/Ticker", Act::Ticker),
    public("OHLC", "/0/public/OHLC", Act::Ohlc),
    public("Depth", "/0/public/Depth", Act::Depth),
    public("GroupedBook", "/0/public/GroupedBook", Act::GroupedBook),
    public("Trades", "/0/public/Trades", Act::Trades),
    public("Spread", "/0/public/Spread", Act::Spread),
    public("PreTrade", "/0/public/PreTrade", Act::PreTrade),
    public("PostTrade", "/0/public/PostTrade", Act::PostTrade),
    signed("Level3", "POST", "/0/private/Level3", &[&["query-open-trades"]], [1, 1], Act::Level3),
    signed("Balance", "POST", "/0/private/Balance", &[&["query-funds"]], [1, 1], Act::Balance),
    signed("BalanceEx", "POST", "/0/private/BalanceEx", &[&["query-funds"]], [1, 1], Act::BalanceEx),
    signed("CreditLines", "POST", "/0/private/CreditLines", &[&["query-funds"]], [1, 1], Act::CreditLines),
    signed("TradeBalance", "POST", "/0/private/TradeBalance", &[&["query-open-trades"]], [1, 1], Act::TradeBalance),
    signed("OpenOrders", "POST", "/0/private/OpenOrders", &[&["query-open-trades"]], [1, 2], Act::OpenOrders),
    signed("ClosedOrders", "POST", "/0/private/ClosedOrders", &[&["query-closed-trades"]], [1, 4], Act::ClosedOrders),
    signed("QueryOrders", "POST", "/0/private/QueryOrders", &[&["query-open-trades"], &["query-closed-trades"]], [1, 1], Act::QueryOrders),
    signed("OrderAmends", "POST", "/0/private/OrderAmends", &[&["query-open-trades"], &["query-closed-trades"]], [1, 1], Act::OrderAmends),
    signed("TradesHistory", "POST", "/0/private/TradesHistory", &[&["query-closed-trades"]], [2, 4], Act::TradesHistory),
    signed("QueryTrades", "POST", "/0/private/QueryTrades", &[&["query-closed-trades"]], [2, 4], Act::QueryTrades),
    signed("OpenPositions", "POST", "/0/private/OpenPositions", &[&["query-open-trades"]], [1, 1], Act::OpenPositions),
    signed("Ledgers", "POST", "/0/private/Ledgers", &[&["query-ledger"]], [2, 4], Act::Ledgers),
    signed("QueryLedgers", "POST", "/0/private/QueryLedgers", &[&["query-ledger"]], [2, 4], Act::QueryLedgers),
    signed("TradeVolume", "POST", "/0/private/TradeVolume", &[&["query-funds"]], [1, 1], Act::TradeVolume),
    signed("AddExport", "POST", "/0/private/AddExport", &[&["export-data"]], [1, 1], Act::AddExport),
    signed("ExportStatus", "POST", "/0/private/ExportStatus", &[&["export-data"]], [1, 1], Act::ExportStatus),
    signed("RetrieveExport", "POST", "/0/private/RetrieveExport", &[&["export-data"]], [1, 1], Act::RetrieveExport),
    signed("RemoveExport", "POST", "/0/private/RemoveExport", &[&["export-data"]], [1, 1], Act::RemoveExport),
    signed("GetApiKeyInfo", "POST", "/0/private/GetApiKeyInfo", &[&[]], [1, 1], Act::GetApiKeyInfo),
    signed("AddOrder", "POST", "/0/private/AddOrder", &[&["modify-trades"]], [0, 0], Act::AddOrder),
    signed("AddOrderBatch", "POST", "/0/private/AddOrderBatch", &[&["modify-trades", "close-trades"]], [0, 0], Act::AddOrderBatch),
    signed("AmendOrder", "POST", "/0/private/AmendOrder", &[&["modify-trades"], &["close-trades"]], [0, 0], Act::AmendOrder),
    signed("EditOrder", "POST", "/0/private/EditOrder", &[&["modify-trades", "close-trades"]], [0, 0], Act::EditOrder),
    signed("CancelOrder", "POST", "/0/private/CancelOrder", &[&["modify-trades"], &["close-trades"]], [0, 0], Act::CancelOrder),
    signed("CancelAll", "POST", "/0/private/CancelAll", &[&["modify-trades"], &["close-trades"]], [1, 1], Act::CancelAll),
    signed("CancelAllOrdersAfter", "POST", "/0/private/CancelAllOrdersAfter", &[&["modify-trades"], &["close-trades"]], [1, 1], Act::CancelAllOrdersAfter),
    signed("CancelOrderBatch", "POST", "/0/private/CancelOrderBatch", &[&["modify-trades"], &["close-trades"]], [0, 0], Act::CancelOrderBatch),
    signed("GetWebSocketsToken", "POST", "/0/private/GetWebSocketsToken", &[&["create-ws-token"]], [1, 1], Act::GetWebSocketsToken),
    signed("DepositMethods", "POST", "/0/private/DepositMethods", &[&["query-funds", "add-funds"]], [1, 1], Act::DepositMethods),
    signed("DepositAddresses", "POST", "/0/private/DepositAddresses", &[&["query-funds"]], [1, 1], Act::DepositAddresses),
    signed("DepositStatus", "POST", "/0/private/DepositStatus", &[&["query-funds"]], [1, 1], Act::DepositStatus),
    signed("WithdrawMethods", "POST", "/0/private/WithdrawMethods", &[&["query-funds", "withdraw-funds"]], [1, 1], Act::WithdrawMethods),
    signed("WithdrawAddresses", "POST", "/0/private/WithdrawAddresses", &[&["query-funds", "withdraw-funds"]], [1, 1], Act::WithdrawAddresses),
    signed("WithdrawInfo", "POST", "/0/private/WithdrawInfo", &[&["query-funds", "withdraw-funds"]], [1, 1], Act::WithdrawInfo),
    signed("Withdraw", "POST", "/0/private/Withdraw", &[&["withdraw-funds"]], [1, 1], Act::Withdraw),
    signed("WithdrawStatus", "POST", "/0/private/WithdrawStatus", &[&["withdraw-funds"], &["query-ledger"]], [1, 1], Act::WithdrawStatus),
    signed("WithdrawCancel", "POST", "/0/private/WithdrawCancel", &[&["withdraw-funds"]], [1, 1], Act::WithdrawCancel),
    signed("WalletTransfer", "POST", "/0/private/WalletTransfer", &[&["query-funds"]], [1, 1], Act::WalletTransfer),
    signed("CreateSubaccount", "POST", "/0/private/CreateSubaccount", &[&["withdraw-funds"]], [1, 1], Act::CreateSubaccount),
    signed("AccountTransfer", "POST", "/0/private/AccountTransfer", &[&["withdraw-funds"]], [1, 1], Act::AccountTransfer),
    signed("Earn/Allocate", "POST", "/0/private/Earn/Allocate", &[&["earn-funds"]], [1, 1], Act::EarnAllocate),
    signed("Earn/Deallocate", "POST", "/0/private/Earn/Deallocate", &[&["earn-funds"]], [1, 1], Act::EarnDeallocate),
    signed("Earn/AllocateStatus", "POST", "/0/private/Earn/AllocateStatus", &[&["earn-funds"], &["query-funds"]], [1, 1], Act::EarnAllocateStatus),
    signed("Earn/DeallocateStatus", "POST", "/0/private/Earn/DeallocateStatus", &[&["earn-funds"], &["query-funds"]], [1, 1], Act::EarnDeallocateStatus),
    signed("Earn/Strategies", "POST", "/0/private/Earn/Strategies", &[&[]], [1, 1], Act::EarnStrategies),
    signed("Earn/Allocations", "POST", "/0/private/Earn/Allocations", &[&["query-funds"]], [1, 1], Act::EarnAllocations),
    signed("FundingBeta/ListMethods", "GET", "/funding/v1/methods/{direction}", &[&["query-funds"]], [1, 1], Act::Beta(beta::Call::ListMethods)),
    signed("FundingBeta/ListNetworks", "GET", "/funding/v1/networks", &[&["query-funds"]], [1, 1], Act::Beta(beta::Call::ListNetworks)),
    signed("FundingBeta/CalculateFees", "GET", "/funding/v1/fees/{method_id}", &[&["query-funds"]], [1, 1], Act::Beta(beta::Call::CalculateFees)),
    signed("FundingBeta/ListAddresses", "GET", "/funding/v1/addresses", &[&["query-funds"]], [1, 1], Act::Beta(beta::Call::ListAddresses)),
    signed("FundingBeta/CreateAddress", "POST", "/funding/v1/addresses", &[&["add-withdraw-address"]], [1, 1], Act::Beta(beta::Call::CreateAddress)),
    signed("FundingBeta/DeleteAddress", "DELETE", "/funding/v1/addresses/{id}", &[&["add-withdraw-address"]], [1, 1], Act::Beta(beta::Call::DeleteAddress)),
    signed("FundingBeta/ClaimDepositAddress", "PUT", "/funding/v1/deposit/address", &[&["add-funds"]], [1, 1], Act::Beta(beta::Call::ClaimDepositAddress)),
    signed("FundingBeta/CreateWithdrawal", "POST", "/funding/v1/withdrawals", &[&["withdraw-funds"]], [1, 1], Act::Beta(beta::Call::CreateWithdrawal)),
    signed("FundingBeta/UpdateAddress", "PUT", "/funding/v1/addresses/{id}", &[&["update-withdraw-address"]], [1, 1], Act::Beta(beta::Call::UpdateAddress)),
];

/// The endpoint behind a path. Public ones answer POST as well, as the live host does.
pub(crate) fn find(verb: &str, path: &str) -> Option<&'static EndpointRow> {
    static BY_PATH: LazyLock<HashMap<&str, &EndpointRow>> = LazyLock::new(|| {
        TABLE.iter().filter(|row| !is_funding(row.path)).map(|row| (row.path, row)).collect()
    });
    if is_funding(path) {
        return TABLE.iter().find(|row| row.verb == verb && same_segments(row.path, path));
    }
    BY_PATH.get(path).copied().filter(|row| row.verb == verb || (row.public && verb == "POST"))
}

/// Whether a path belongs to Funding (Beta), where the nonce is a header, arguments stand in the path too, and answers have no
/// envelope.
pub(crate) fn is_funding(path: &str) -> bool {
    path.starts_with("/funding/")
}

fn same_segments(template: &str, path: &str) -> bool {
    let (mut left, mut right) = (template.split('/'), path.split('/'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(name), Some(part)) if name == part || (name.starts_with('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_endpoints() {
        let name = |verb, path| find(verb, path).map(|row| row.name);
        assert_eq!(name("POST", "/0/private/AddOrder"), Some("AddOrder"));
        assert_eq!(name("GET", "/0/private/AddOrder"), None);
        assert_eq!(name("POST", "/0/public/Time"), Some("Time"));
        assert_eq!(name("DELETE", "/funding/v1/addresses/AB1"), Some("FundingBeta/DeleteAddress"));
        assert_eq!(name("PUT", "/funding/v1/addresses/AB1"), Some("FundingBeta/UpdateAddress"));
        assert_eq!(name("GET", "/funding/v1/addresses/AB1"), None);
        assert_eq!(name("GET", "/0/public/Nonsense"), None);
    }

    #[test]
    fn every_endpoint_is_there_once() {
        assert_eq!(table().count(), 68);
        let places: std::collections::HashSet<_> = table().map(|row| (row.verb, row.path)).collect();
        assert_eq!(places.len(), 68);
        assert!(
            table().all(|row| row.public == row.permissions.is_empty() && row.cost <= row.cost_conservative)
        );
    }
}
