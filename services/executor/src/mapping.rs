//! What becomes of a request, and of Kraken's answer, without the lanes between them.
//!
//! The services are the ones who need this; here it is for those who measure it and for those who try to break it. Nothing is sent and
//! nothing is decided.

use std::fmt::Debug;

use serde_json::value::RawValue;
use tidegate_core::Error;
use tidegate_kraken::Params;
use tidegate_kraken::wire::{self, ShapeError, Wire};
use tidegate_proto::v1;

use crate::convert::{
    account, books, earn, funding, funding_beta, history, market, report, request, transparency,
};

/// Parameters of AddOrder, without the id and the deadline that an executor adds.
///
/// # Errors
/// Every field that is at fault.
pub fn add_order(order: &v1::AddOrderRequest) -> Result<Params, Error> {
    request::add_order(order)
}

/// The reply to GetOpenOrders; symbols are not filled in.
///
/// # Errors
/// When the result is not what Kraken documents.
pub fn open_orders(result: &RawValue) -> Result<v1::GetOpenOrdersResponse, ShapeError> {
    wire::read(Some(result)).map(account::open_orders)
}

/// How the result of an endpoint is read.
type Read = fn(&RawValue) -> Result<Box<dyn Debug>, ShapeError>;

fn as_reply<T: Wire, R: Debug + 'static>(
    result: &RawValue,
    convert: impl FnOnce(T) -> R,
) -> Result<Box<dyn Debug>, ShapeError> {
    wire::read(Some(result)).map(|found| Box::new(convert(found)) as Box<dyn Debug>)
}

/// Endpoints that change nothing, and how the reply to each is made of Kraken's result. Tokens and archives are not among them.
pub const READS: &[(&str, Read)] = &[
    ("Time", |result| as_reply(result, market::server_time)),
    ("SystemStatus", |result| as_reply(result, market::system_status)),
    ("Assets", |result| as_reply(result, market::assets)),
    ("AssetPairs", |result| as_reply(result, market::asset_pairs)),
    ("Ticker", |result| as_reply(result, market::tickers)),
    ("Depth", |result| as_reply(result, books::depth)),
    ("Trades", |result| as_reply(result, books::trades)),
    ("Spread", |result| as_reply(result, books::spreads)),
    ("OHLC", |result| as_reply(result, books::candles)),
    ("GroupedBook", |result| as_reply(result, books::grouped_book)),
    ("Level3", |result| as_reply(result, books::level3)),
    ("PreTrade", |result| as_reply(result, transparency::pre_trade)),
    ("PostTrade", |result| as_reply(result, transparency::post_trade)),
    ("Balance", |result| as_reply(result, account::balance)),
    ("BalanceEx", |result| as_reply(result, account::extended_balance)),
    ("OpenOrders", |result| as_reply(result, account::open_orders)),
    ("ClosedOrders", |result| as_reply(result, account::closed_orders)),
    ("QueryOrders", |result| as_reply(result, account::orders_by_id)),
    ("OrderAmends", |result| as_reply(result, account::order_amends)),
    ("Ledgers", |result| as_reply(result, account::ledgers)),
    ("QueryLedgers", |result| as_reply(result, history::ledgers_by_id)),
    ("TradeBalance", |result| as_reply(result, history::trade_balance)),
    ("TradesHistory", |result| as_reply(result, history::trades_history)),
    ("QueryTrades", |result| as_reply(result, history::trades_by_id)),
    ("TradeVolume", |result| as_reply(result, history::trade_volume)),
    ("OpenPositions", |result| as_reply(result, history::open_positions)),
    ("CreditLines", |result| as_reply(result, history::credit_lines)),
    ("GetApiKeyInfo", |result| as_reply(result, |info| account::key_info("key", info))),
    ("Earn/AllocateStatus", |result| as_reply(result, earn::allocate_status)),
    ("Earn/DeallocateStatus", |result| as_reply(result, earn::deallocate_status)),
    ("Earn/Strategies", |result| as_reply(result, earn::strategies)),
    ("Earn/Allocations", |result| as_reply(result, earn::allocations)),
    ("DepositMethods", |result| as_reply(result, funding::deposit_methods)),
    ("DepositAddresses", |result| as_reply(result, |found| funding::deposit_addresses(found, Vec::new()))),
    ("DepositStatus", |result| as_reply(result, funding::deposit_status)),
    ("WithdrawMethods", |result| as_reply(result, funding::withdraw_methods)),
    ("WithdrawAddresses", |result| as_reply(result, funding::withdraw_addresses)),
    ("WithdrawInfo", |result| as_reply(result, funding::withdraw_info)),
    ("WithdrawStatus", |result| as_reply(result, funding::withdraw_status)),
    ("ExportStatus", |result| as_reply(result, report::export_status)),
    ("FundingBeta/ListMethods", |result| as_reply(result, funding_beta::methods)),
    ("FundingBeta/ListNetworks", |result| as_reply(result, funding_beta::networks)),
    ("FundingBeta/CalculateFees", |result| as_reply(result, funding_beta::fees)),
    ("FundingBeta/ListAddresses", |result| as_reply(result, funding_beta::addresses)),
];
