//! Money in and out: requests as parameters, results as replies.

use prost_types::Timestamp;
use tidegate_core::{Error, Volume};
use tidegate_kraken::wire::{
    Deposit, DepositAddress, DepositAddresses, DepositMethod, DepositMethods, Deposits, FundsSent,
    WithdrawAddress, WithdrawAddresses, WithdrawFee, WithdrawInfo, WithdrawMethod, WithdrawMethods,
    Withdrawal, Withdrawals,
};
use tidegate_kraken::{Params, Value};
use tidegate_proto::v1::{
    self, get_deposit_addresses_response as addresses, wallet_transfer_response as transfer,
    withdraw_cancel_response as cancel, withdraw_response as withdraw,
};

use super::history::{Words, rebase};
use super::request::Builder;
use super::{digits, timestamp};

/// Movements on one page: Kraken documents no limit.
const PAGE_MAX: u32 = 500;

/// Parameters of DepositMethods.
pub(crate) fn deposit_methods_of(request: &v1::GetDepositMethodsRequest) -> Result<Params, Error> {
    let mut to = asset_of(&request.asset);
    to.word("aclass", "asset_class", &request.asset_class);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of DepositAddresses.
pub(crate) fn deposit_addresses_of(request: &v1::GetDepositAddressesRequest) -> Result<Params, Error> {
    let mut to = asset_of(&request.asset);
    needed(&mut to, "method", "method", &request.method);
    to.flag("new", request.new_address);
    if !request.amount.is_empty() {
        if !request.new_address {
            to.wrong("amount", "is for a new address only");
        }
        amount(&mut to, "amount", &request.amount);
    }
    to.word("aclass", "asset_class", &request.asset_class);
    to.finish()
}

/// Parameters of DepositStatus.
pub(crate) fn deposit_status_of(request: &v1::GetDepositStatusRequest) -> Result<Params, Error> {
    let v1::GetDepositStatusRequest { asset, asset_class, method, start_time, end_time, .. } = request;
    let mut to = listing_of([asset, asset_class, method], [start_time.as_ref(), end_time.as_ref()]);
    page(&mut to, request.page_size, &request.page_token);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of WithdrawMethods.
pub(crate) fn withdraw_methods_of(request: &v1::GetWithdrawMethodsRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.word("asset", "asset", &request.asset);
    to.word("aclass", "asset_class", &request.asset_class);
    phrase(&mut to, "network", "network", &request.network);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of WithdrawAddresses.
pub(crate) fn withdraw_addresses_of(request: &v1::GetWithdrawAddressesRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.word("asset", "asset", &request.asset);
    to.word("aclass", "asset_class", &request.asset_class);
    phrase(&mut to, "method", "method", &request.method);
    phrase(&mut to, "key", "key", &request.key);
    if let Some(verified) = request.verified {
        to.push("verified", Value::Bool(verified));
    }
    to.finish()
}

/// Parameters of WithdrawInfo.
pub(crate) fn withdraw_info_of(request: &v1::GetWithdrawInfoRequest) -> Result<Params, Error> {
    let mut to = asset_of(&request.asset);
    needed(&mut to, "key", "key", &request.key);
    amount(&mut to, "amount", &request.amount);
    to.finish()
}

/// Parameters of Withdraw.
pub(crate) fn withdraw_of(request: &v1::WithdrawRequest) -> Result<Params, Error> {
    let mut to = asset_of(&request.asset);
    needed(&mut to, "key", "key", &request.key);
    amount(&mut to, "amount", &request.amount);
    to.word("aclass", "asset_class", &request.asset_class);
    phrase(&mut to, "address", "address", &request.address);
    if !request.max_fee.is_empty() {
        // A fee of nothing is a limit, too.
        match request.max_fee.parse::<Volume>() {
            Ok(fee) => to.text("max_fee", fee.to_string()),
            Err(error) => to.wrong("max_fee", error.to_string()),
        }
    }
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of WithdrawStatus.
pub(crate) fn withdraw_status_of(request: &v1::GetWithdrawStatusRequest) -> Result<Params, Error> {
    let v1::GetWithdrawStatusRequest { asset, asset_class, method, start_time, end_time, .. } = request;
    let mut to = listing_of([asset, asset_class, method], [start_time.as_ref(), end_time.as_ref()]);
    page(&mut to, request.page_size, &request.page_token);
    rebase(&mut to, request.rebase_multiplier);
    to.finish()
}

/// Parameters of WithdrawCancel.
pub(crate) fn withdraw_cancel_of(request: &v1::WithdrawCancelRequest) -> Result<Params, Error> {
    let mut to = asset_of(&request.asset);
    // Old ids have other shapes.
    if request.reference_id.is_empty() {
        to.wrong("reference_id", "must be set");
    }
    to.word("refid", "reference_id", &request.reference_id);
    to.finish()
}

/// Parameters of WalletTransfer.
pub(crate) fn wallet_transfer_of(request: &v1::WalletTransferRequest) -> Result<Params, Error> {
    let mut to = asset_of(&request.asset);
    let wallets = [
        ("from", "from_wallet", request.from_wallet, v1::Wallet::Spot, "Spot Wallet"),
        ("to", "to_wallet", request.to_wallet, v1::Wallet::Futures, "Futures Wallet"),
    ];
    for (name, field, wallet, only, text) in wallets {
        if wallet == i32::from(only) {
            to.text(name, text);
        } else {
            to.wrong(field, format!("must be {}: Kraken knows no other here", only.as_str_name()));
        }
    }
    amount(&mut to, "amount", &request.amount);
    to.finish()
}

/// Begins with the asset that must be named.
fn asset_of(asset: &str) -> Builder {
    let mut to = Builder::default();
    if asset.is_empty() {
        to.wrong("asset", "must be set, for instance XBT");
    }
    to.word("asset", "asset", asset);
    to
}

/// A name that somebody chose, or an address; left out where empty. Kraken's own have blanks, people's may have anything.
fn phrase(to: &mut Builder, name: &'static str, field: &str, value: &str) {
    if value.chars().count() > 256 || value.chars().any(char::is_control) || value.trim() != value {
        to.wrong(field, "must be at most 256 characters, without line breaks and without blanks around them");
    } else if !value.is_empty() {
        to.text(name, value);
    }
}

/// A phrase that must be there.
fn needed(to: &mut Builder, name: &'static str, field: &str, value: &str) {
    if value.is_empty() {
        to.wrong(field, "must be set");
    }
    phrase(to, name, field, value);
}

/// An amount above zero.
fn amount(to: &mut Builder, name: &'static str, value: &str) {
    match value.parse::<Volume>() {
        Ok(amount) if amount.is_zero() => to.wrong(name, "must be above zero"),
        Ok(amount) => to.text(name, amount.to_string()),
        Err(error) => to.wrong(name, error.to_string()),
    }
}

fn listing_of([asset, class, method]: [&str; 3], [start, end]: [Option<&Timestamp>; 2]) -> Builder {
    let mut to = Builder::default();
    to.word("asset", "asset", asset);
    to.word("aclass", "asset_class", class);
    phrase(&mut to, "method", "method", method);
    to.seconds("start", "start_time", start);
    to.seconds("end", "end_time", end);
    to
}

/// Pages are always asked for: without them Kraken shows no more than one.
fn page(to: &mut Builder, size: u32, token: &str) {
    if token.is_empty() {
        to.push("cursor", Value::Bool(true));
    } else if token.len() <= 1_024 && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        to.text("cursor", token);
    } else {
        to.wrong("page_token", "must be the next_page_token of an earlier reply to this call");
    }
    if size > PAGE_MAX {
        to.wrong("page_size", format!("must be 0 to {PAGE_MAX}"));
    } else if size > 0 {
        to.int("limit", i64::from(size));
    }
}

pub(crate) fn deposit_methods(methods: DepositMethods) -> v1::GetDepositMethodsResponse {
    let one = |method: DepositMethod| v1::DepositMethod {
        method: method.method,
        limit: digits(method.limit.0),
        fee: digits(method.fee),
        address_setup_fee: digits(method.address_setup_fee),
        makes_addresses: method.gen_address,
        minimum: digits(method.minimum),
        extra: method.extra.into_iter().collect(),
    };
    v1::GetDepositMethodsResponse { methods: methods.into_iter().map(one).collect() }
}

pub(crate) fn deposit_addresses(
    found: DepositAddresses,
    warnings: Vec<String>,
) -> v1::GetDepositAddressesResponse {
    let one = |address: DepositAddress| v1::DepositAddress {
        address: address.address,
        expire_time: timestamp(address.expiretm.as_ref()),
        unused: address.new,
        tag: address.tag.unwrap_or_default(),
        memo: address.memo.unwrap_or_default(),
        extra: address.extra.into_iter().collect(),
    };
    let accepted = addresses::Accepted { addresses: found.into_iter().map(one).collect() };
    v1::GetDepositAddressesResponse { outcome: Some(addresses::Outcome::Accepted(accepted)), warnings }
}

/// How far a movement has come, and what is said of it; words that this build does not know are kept.
fn standing(words: &mut Words, status: String, remark: Option<String>) -> (i32, i32) {
    use v1::{FundingRemark as Remark, FundingStatus as Status};
    let status = match status.as_str() {
        "Initial" => Status::Initial,
        "Pending" => Status::Pending,
        "Settled" => Status::Settled,
        "Success" => Status::Success,
        "Failure" => Status::Failure,
        _ => {
            words.keep("status", status);
            Status::Unspecified
        }
    };
    let remark = remark.unwrap_or_default();
    let remark = match remark.as_str() {
        "" => Remark::Unspecified,
        "return" => Remark::Return,
        // Clients have seen both.
        "onhold" | "on-hold" => Remark::OnHold,
        "cancel-pending" => Remark::CancelPending,
        "canceled" => Remark::Canceled,
        "cancel-denied" => Remark::CancelDenied,
        _ => {
            words.keep("status-prop", remark);
            Remark::Unspecified
        }
    };
    (status.into(), remark.into())
}

pub(crate) fn deposit_status(page: Deposits) -> v1::GetDepositStatusResponse {
    v1::GetDepositStatusResponse {
        deposits: page.deposits.into_iter().map(deposit).collect(),
        next_page_token: page.next_cursor.unwrap_or_default(),
        extra: page.extra.into_iter().collect(),
    }
}

fn deposit(deposit: Deposit) -> v1::Deposit {
    let mut words = Words(deposit.extra);
    let (status, remark) = standing(&mut words, deposit.status, deposit.status_prop);
    v1::Deposit {
        reference_id: deposit.refid,
        method: deposit.method.unwrap_or_default(),
        network: deposit.network.unwrap_or_default(),
        asset_class: deposit.aclass.unwrap_or_default(),
        asset: deposit.asset,
        transaction_id: deposit.txid.unwrap_or_default(),
        info: deposit.info.unwrap_or_default(),
        amount: deposit.amount.0,
        fee: digits(deposit.fee),
        time: timestamp(deposit.time.as_ref()),
        status,
        remark,
        originators: deposit.originators,
        extra: words.0.into_iter().collect(),
    }
}

pub(crate) fn withdraw_methods(methods: WithdrawMethods) -> v1::GetWithdrawMethodsResponse {
    let fee = |fee: WithdrawFee| v1::WithdrawFee {
        asset_class: fee.aclass.unwrap_or_default(),
        asset: fee.asset.unwrap_or_default(),
        fee: digits(fee.fee),
        fee_percentage: digits(fee.fee_percentage),
        extra: fee.extra.into_iter().collect(),
    };
    let one = |method: WithdrawMethod| v1::WithdrawMethod {
        asset: method.asset,
        method: method.method,
        method_id: method.method_id.unwrap_or_default(),
        network: method.network.unwrap_or_default(),
        network_id: method.network_id.unwrap_or_default(),
        minimum: digits(method.minimum),
        fee: method.fee.map(fee),
        extra: method.extra.into_iter().collect(),
    };
    v1::GetWithdrawMethodsResponse { methods: methods.into_iter().map(one).collect() }
}

pub(crate) fn withdraw_addresses(found: WithdrawAddresses) -> v1::GetWithdrawAddressesResponse {
    let one = |address: WithdrawAddress| v1::WithdrawAddress {
        key: address.key,
        address: address.address,
        asset: address.asset.unwrap_or_default(),
        method: address.method.unwrap_or_default(),
        tag: address.tag.unwrap_or_default(),
        memo: address.memo.unwrap_or_default(),
        verified: address.verified,
        extra: address.extra.into_iter().collect(),
    };
    v1::GetWithdrawAddressesResponse { addresses: found.into_iter().map(one).collect() }
}

pub(crate) fn withdraw_info(info: WithdrawInfo) -> v1::GetWithdrawInfoResponse {
    v1::GetWithdrawInfoResponse {
        method: info.method,
        limit: digits(info.limit.0),
        amount: info.amount.0,
        fee: digits(info.fee),
        extra: info.extra.into_iter().collect(),
    }
}

pub(crate) fn withdrawn(
    FundsSent { refid, extra }: FundsSent,
    warnings: Vec<String>,
) -> v1::WithdrawResponse {
    let accepted = withdraw::Accepted { reference_id: refid, extra: extra.into_iter().collect() };
    v1::WithdrawResponse { outcome: Some(withdraw::Outcome::Accepted(accepted)), warnings }
}

pub(crate) fn withdraw_status(page: Withdrawals) -> v1::GetWithdrawStatusResponse {
    v1::GetWithdrawStatusResponse {
        withdrawals: page.withdrawals.into_iter().map(withdrawal).collect(),
        next_page_token: page.next_cursor.unwrap_or_default(),
        extra: page.extra.into_iter().collect(),
    }
}

fn withdrawal(withdrawal: Withdrawal) -> v1::Withdrawal {
    let mut words = Words(withdrawal.extra);
    let (status, remark) = standing(&mut words, withdrawal.status, withdrawal.status_prop);
    v1::Withdrawal {
        reference_id: withdrawal.refid,
        method: withdrawal.method.unwrap_or_default(),
        network: withdrawal.network.unwrap_or_default(),
        asset_class: withdrawal.aclass.unwrap_or_default(),
        asset: withdrawal.asset,
        transaction_id: withdrawal.txid.unwrap_or_default(),
        info: withdrawal.info.unwrap_or_default(),
        amount: withdrawal.amount.0,
        fee: digits(withdrawal.fee),
        time: timestamp(withdrawal.time.as_ref()),
        status,
        remark,
        key: withdrawal.key.unwrap_or_default(),
        extra: words.0.into_iter().collect(),
    }
}

pub(crate) fn withdraw_cancelled(cancelling: bool, warnings: Vec<String>) -> v1::WithdrawCancelResponse {
    let accepted = cancel::Accepted { cancelling };
    v1::WithdrawCancelResponse { outcome: Some(cancel::Outcome::Accepted(accepted)), warnings }
}

pub(crate) fn transferred(
    FundsSent { refid, extra }: FundsSent,
    warnings: Vec<String>,
) -> v1::WalletTransferResponse {
    let accepted = transfer::Accepted { reference_id: refid, extra: extra.into_iter().collect() };
    v1::WalletTransferResponse { outcome: Some(transfer::Outcome::Accepted(accepted)), warnings }
}

#[cfg(test)]
#[path = "funding_tests.rs"]
mod tests;
