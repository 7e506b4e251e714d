//! From a recorded body to the reply of its RPC, by the functions that the services call.

use std::any::type_name;

use prost::Message;
use serde_json::value::RawValue;
use tidegate_core::{Endpoint, endpoint};
use tidegate_kraken::wire::Wire;
use tidegate_kraken::{classify, read_answer};
use tidegate_proto::v1;

use crate::answers::{self, Answer};
use crate::convert::{
    account, books, earn, funding, funding_beta as beta, history, market, orders, report, transparency,
};
use crate::handle::{AmendHandle, EditHandle, Handle, Scope};
use crate::services::shaped;

/// What a caller would be told: the encoded reply, or why there is none.
pub(super) type Read = Box<dyn Fn(&Endpoint, Option<&RawValue>) -> Result<Vec<u8>, String> + Send + Sync>;

/// How an endpoint's answer is read, and the Rust name of the reply.
pub(super) struct Way {
    pub reply: &'static str,
    pub read: Read,
}

/// A result that changes nothing.
fn read<T: Wire + 'static, R: Message + 'static>(convert: impl Fn(T) -> R + Send + Sync + 'static) -> Way {
    let read = move |endpoint: &Endpoint, result: Option<&RawValue>| {
        shaped::<T>(endpoint, result)
            .map(|found| convert(found).encode_to_vec())
            .map_err(|error| error.log.unwrap_or(error.text))
    };
    Way { reply: type_name::<R>(), read: Box::new(read) }
}

/// The same where null is an answer.
fn read_or_null<T: Wire + 'static, R: Message + 'static>(
    convert: impl Fn(T) -> R + Send + Sync + 'static,
) -> Way {
    let Way { reply, read } = read(convert);
    let read = move |endpoint: &Endpoint, result: Option<&RawValue>| {
        read(endpoint, Some(result.unwrap_or(RawValue::NULL)))
    };
    Way { reply, read: Box::new(read) }
}

/// The answer to an act.
fn act<R: Message + 'static>(handle: Handle) -> Way {
    let read = move |_: &Endpoint, result: Option<&RawValue>| {
        let result = result.ok_or("the reply has neither result nor error")?;
        match answers::read(&handle, "id", result, Vec::new()) {
            Answer::Done(reply) | Answer::Partly(reply) => Ok(reply),
            Answer::Refused(text) | Answer::Unreadable(text) => Err(text),
        }
    };
    Way { reply: type_name::<R>(), read: Box::new(read) }
}

fn unseen<R: Message + 'static>(endpoint: &str) -> Way {
    act::<R>(Handle::Unseen { endpoint: endpoint.to_owned(), sought: None })
}

/// How the answer of an endpoint is read. Whoever adds an endpoint adds its row, and a recording.
pub(super) fn way(name: &str) -> Option<Way> {
    Some(match name {
        "Time" => read(market::server_time),
        "SystemStatus" => read(market::system_status),
        "Assets" => read(market::assets),
        "AssetPairs" => read(market::asset_pairs),
        "Ticker" => read(market::tickers),
        "OHLC" => read(books::candles),
        "Depth" => read(books::depth),
        "GroupedBook" => read(books::grouped_book),
        "Trades" => read(books::trades),
        "Spread" => read(books::spreads),
        "PreTrade" => read(transparency::pre_trade),
        "PostTrade" => read(transparency::post_trade),
        "Level3" => read(books::level3),
        "Balance" => read(account::balance),
        "BalanceEx" => read(account::extended_balance),
        "CreditLines" => read_or_null(history::credit_lines),
        "TradeBalance" => read(history::trade_balance),
        "OpenOrders" => read(account::open_orders),
        "ClosedOrders" => read(account::closed_orders),
        "QueryOrders" => read(account::orders_by_id),
        "OrderAmends" => read(account::order_amends),
        "TradesHistory" => read(history::trades_history),
        "QueryTrades" => read(history::trades_by_id),
        "OpenPositions" => read(history::open_positions),
        "Ledgers" => read(account::ledgers),
        "QueryLedgers" => read(history::ledgers_by_id),
        "TradeVolume" => read(history::trade_volume),
        "AddExport" => unseen::<v1::AddExportResponse>(name),
        "ExportStatus" => read(report::export_status),
        "RemoveExport" => unseen::<v1::RemoveExportResponse>(name),
        "GetApiKeyInfo" => read(|info| account::key_info("label", info)),
        "AddOrder" => act::<v1::AddOrderResponse>(Handle::Order),
        "AddOrderBatch" => {
            act::<v1::AddOrderBatchResponse>(Handle::Batch { rows: ["a", "b"].map(str::to_owned).into() })
        }
        "AmendOrder" => act::<v1::AmendOrderResponse>(Handle::Amend(AmendHandle::default())),
        "EditOrder" => act::<v1::EditOrderResponse>(Handle::Edit(EditHandle {
            order_id: "OLM64K-2CIQH-3PVKSQ".to_owned(),
            userref: 7,
            volume: None,
        })),
        "CancelOrder" => act::<v1::CancelOrderResponse>(Handle::Cancel(Scope::Userref(7))),
        "CancelAll" => act::<v1::CancelAllResponse>(Handle::Cancel(Scope::All)),
        "CancelAllOrdersAfter" => act::<v1::CancelAllOrdersAfterResponse>(Handle::Timer { timeout_s: 60 }),
        "CancelOrderBatch" => read(|cancelled| orders::batch_cancelled(cancelled, Vec::new())),
        "GetWebSocketsToken" => read(account::web_sockets_token),
        "DepositMethods" => read(funding::deposit_methods),
        "DepositAddresses" => read(|found| funding::deposit_addresses(found, Vec::new())),
        "DepositStatus" => read(funding::deposit_status),
        "WithdrawMethods" => read(funding::withdraw_methods),
        "WithdrawAddresses" => read(funding::withdraw_addresses),
        "WithdrawInfo" => read(funding::withdraw_info),
        "Withdraw" => unseen::<v1::WithdrawResponse>(name),
        "WithdrawStatus" => read(funding::withdraw_status),
        "WithdrawCancel" => unseen::<v1::WithdrawCancelResponse>(name),
        "WalletTransfer" => unseen::<v1::WalletTransferResponse>(name),
        "CreateSubaccount" => unseen::<v1::CreateSubaccountResponse>(name),
        "AccountTransfer" => unseen::<v1::AccountTransferResponse>(name),
        "Earn/Allocate" => unseen::<v1::AllocateEarnResponse>(name),
        "Earn/Deallocate" => unseen::<v1::DeallocateEarnResponse>(name),
        "Earn/AllocateStatus" => read_or_null(earn::allocate_status),
        "Earn/DeallocateStatus" => read_or_null(earn::deallocate_status),
        "Earn/Strategies" => read(earn::strategies),
        "Earn/Allocations" => read(earn::allocations),
        "FundingBeta/ListMethods" => read(beta::methods),
        "FundingBeta/ListNetworks" => read(beta::networks),
        "FundingBeta/CalculateFees" => read(beta::fees),
        "FundingBeta/ListAddresses" => read(beta::addresses),
        "FundingBeta/CreateAddress" => unseen::<v1::CreateAddressResponse>(name),
        "FundingBeta/UpdateAddress" => unseen::<v1::UpdateAddressResponse>(name),
        "FundingBeta/DeleteAddress" => unseen::<v1::DeleteAddressResponse>(name),
        "FundingBeta/ClaimDepositAddress" => unseen::<v1::ClaimDepositAddressResponse>(name),
        "FundingBeta/CreateWithdrawal" => unseen::<v1::CreateWithdrawalResponse>(name),
        _ => return None,
    })
}

/// What becomes of a whole body.
pub(super) fn told(name: &str, way: &Way, body: &str) -> Result<Vec<u8>, String> {
    let endpoint = endpoint(name).expect("in the table");
    let reply = read_answer(endpoint, 200, Some("application/json"), body.as_bytes());
    let reply = reply.map_err(|fault| fault.to_string())?;
    if let Some(refusal) = classify(&reply.errors).refusal {
        return Err(refusal.text);
    }
    (way.read)(endpoint, reply.result.as_deref())
}
