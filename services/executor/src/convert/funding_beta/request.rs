//! Requests of Funding (Beta) as Kraken's parameters. All mistakes of a request are named at once.

use std::collections::HashMap;

use tidegate_core::{Error, Volume};
use tidegate_kraken::{Params, Value};
use tidegate_proto::v1;
use v1::beta_scope::Of;

use crate::convert::request::Builder;

/// Most rows on a page (Kraken docs: List Funding Methods, List Funding Addresses).
const PAGE_MAX: u32 = 500;
/// The longest text that a person writes, in bytes. Kraken names no limit.
const TEXT_MAX: usize = 256;
/// The longest token or cursor, in bytes: they are Kraken's, and opaque.
const TOKEN_MAX: usize = 2_048;

/// Parameters of ListMethods.
pub(crate) fn list_methods_params(request: &v1::ListMethodsRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    match v1::BetaDirection::try_from(request.direction) {
        Ok(v1::BetaDirection::Deposit) => to.text("direction", "deposit"),
        Ok(v1::BetaDirection::Withdraw) => to.text("direction", "withdraw"),
        Ok(v1::BetaDirection::Unspecified) | Err(_) => to.wrong("direction", "must be a known direction"),
    }
    let filters = [("asset", request.asset.is_some()), ("rebase_multiplier", request.rebase_multiplier != 0)];
    if !page(&mut to, request.page_size, &request.page_token, &filters) {
        if let Some(asset) = &request.asset {
            judge(&mut to, "asset", asset, false);
            to.nested("asset", |to| asset_into(to, asset));
        }
        rebase(&mut to, request.rebase_multiplier);
    }
    account(&mut to, &request.account_id);
    to.finish()
}

/// Parameters of ListNetworks.
pub(crate) fn list_networks_params(request: &v1::ListNetworksRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    account(&mut to, &request.account_id);
    to.finish()
}

/// Parameters of CalculateFees.
pub(crate) fn calculate_fees_params(request: &v1::CalculateFeesRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    id(&mut to, "method_id", "method_id", &request.method_id);
    amount_text(&mut to, "amount", "amount", &request.amount);
    if let Some(included) = request.fee_included {
        to.push("fee_included", Value::Bool(included));
    }
    token(&mut to, "withdrawal_fee_token", "fee_token", &request.fee_token);
    rebase(&mut to, request.rebase_multiplier);
    account(&mut to, &request.account_id);
    to.finish()
}

/// Parameters of ListAddresses.
pub(crate) fn list_addresses_params(request: &v1::ListAddressesRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    let filters = [("scope", request.scope.is_some())];
    if !page(&mut to, request.page_size, &request.page_token, &filters)
        && let Some(scope) = &request.scope
    {
        scope_into(&mut to, scope, true);
    }
    account(&mut to, &request.account_id);
    to.finish()
}

/// Parameters of CreateAddress.
pub(crate) fn create_address_params(request: &v1::CreateAddressRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    match &request.scope {
        Some(scope) => scope_into(&mut to, scope, true),
        None => to.wrong("scope", "must be set"),
    }
    if !request.tag.is_empty() && !request.memo.is_empty() {
        to.wrong("memo", "must be empty where tag is not: a chain has one of them");
    }
    to.nested("address_details", |to| {
        to.nested("crypto", |to| {
            words(to, "address", "address", &request.address);
            for (name, value) in [("tag", &request.tag), ("memo", &request.memo)] {
                if !value.is_empty() {
                    words(to, name, name, value);
                }
            }
        });
    });
    words(&mut to, "name", "name", &request.name);
    if !request.description.is_empty() {
        words(&mut to, "description", "description", &request.description);
    }
    account(&mut to, &request.account_id);
    to.finish()
}

/// Parameters of UpdateAddress.
pub(crate) fn update_address_params(request: &v1::UpdateAddressRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    id(&mut to, "id", "address_id", &request.address_id);
    if request.name.is_none() && request.description.is_none() {
        to.wrong("name", "or description must be set: nothing else can be changed");
    }
    if let Some(name) = &request.name {
        words(&mut to, "name", "name", name);
    }
    match request.description.as_deref() {
        None => {}
        // Nothing is a description, too: it takes the old one away.
        Some("") => to.text("description", ""),
        Some(description) => words(&mut to, "description", "description", description),
    }
    account(&mut to, &request.account_id);
    to.finish()
}

/// Parameters of DeleteAddress.
pub(crate) fn delete_address_params(request: &v1::DeleteAddressRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    id(&mut to, "id", "address_id", &request.address_id);
    account(&mut to, &request.account_id);
    to.finish()
}

/// Parameters of ClaimDepositAddress.
pub(crate) fn claim_deposit_address_params(
    request: &v1::ClaimDepositAddressRequest,
) -> Result<Params, Error> {
    let mut to = Builder::default();
    id(&mut to, "method_id", "method_id", &request.method_id);
    account(&mut to, &request.account_id);
    to.finish()
}

/// Parameters of CreateWithdrawal.
pub(crate) fn create_withdrawal_params(request: &v1::CreateWithdrawalRequest) -> Result<Params, Error> {
    use v1::create_withdrawal_request::Fee;
    let mut to = Builder::default();
    match &request.scope {
        Some(scope) => scope_into(&mut to, scope, false),
        None => to.wrong("scope", "must be set"),
    }
    id(&mut to, "address_id", "address_id", &request.address_id);
    let asset = request.amount.as_ref().and_then(|amount| amount.asset.as_ref());
    match (&request.amount, asset) {
        (Some(amount), Some(asset)) => {
            judge(&mut to, "amount.asset", asset, true);
            to.nested("amount", |to| {
                asset_amount(to, asset, "amount.amount", &amount.amount);
                rebase(to, request.rebase_multiplier);
            });
        }
        (Some(_), None) => to.wrong("amount.asset", "must be set"),
        (None, _) => to.wrong("amount", "must be set"),
    }
    to.nested("fee", |to| {
        match &request.fee {
            Some(Fee::FeeToken(quoted)) if quoted.is_empty() => to.wrong("fee_token", "must not be empty"),
            Some(Fee::FeeToken(quoted)) => to.nested("quoted_fee", |to| {
                token(to, "token", "fee_token", quoted);
                multiplier(to, request.rebase_multiplier);
            }),
            Some(Fee::MaxFee(most)) => to.nested("current_fee", |to| {
                to.nested("max_fee", |to| {
                    asset_amount(to, asset.unwrap_or(&v1::BetaAsset::default()), "max_fee", most);
                    multiplier(to, request.rebase_multiplier);
                });
            }),
            None => to.nested("current_fee", |_| {}),
        }
        if let Some(included) = request.fee_included {
            to.push("fee_included", Value::Bool(included));
        }
    });
    if !request.expected_address.is_empty() {
        words(&mut to, "expected_address", "expected_address", &request.expected_address);
    }
    account(&mut to, &request.account_id);
    to.finish()
}

/// An amount whose asset has been judged.
fn asset_amount(to: &mut Builder, asset: &v1::BetaAsset, field: &str, amount: &str) {
    to.nested("asset_amount", |to| {
        to.nested("asset", |to| asset_into(to, asset));
        amount_text(to, "amount", field, amount);
    });
}

/// An asset that has been judged.
fn asset_into(to: &mut Builder, asset: &v1::BetaAsset) {
    let class = if asset.asset_class.is_empty() { "currency" } else { &asset.asset_class };
    to.text("class", class);
    if !asset.name.is_empty() {
        to.text("name", asset.name.as_str());
    }
}

fn judge(to: &mut Builder, field: &str, asset: &v1::BetaAsset, named: bool) {
    let plain = |text: &str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
    for (member, text, needed) in [("asset_class", &asset.asset_class, false), ("name", &asset.name, named)] {
        if !plain(text) || (needed && text.is_empty()) {
            to.wrong(
                &format!("{field}.{member}"),
                "must be 1 to 64 printable ASCII characters without spaces",
            );
        }
    }
    unknown(to, field, &asset.extra);
}

fn scope_into(to: &mut Builder, scope: &v1::BetaScope, groups: bool) {
    unknown(to, "scope", &scope.extra);
    let (name, value) = match &scope.of {
        Some(Of::MethodId(value)) => ("method_id", value),
        Some(Of::NetworkId(value)) => ("network_id", value),
        Some(Of::NetworkGroupId(value)) if groups => ("network_group_id", value),
        Some(Of::NetworkGroupId(_)) => {
            return to.wrong("scope.network_group_id", "is not taken here: name the method or its network");
        }
        None => return to.wrong("scope", "must be one of method_id, network_id and network_group_id"),
    };
    to.nested("scope", |to| id(to, name, &format!("scope.{name}"), value));
}

/// Replies keep what Kraken added; nothing of it is sent.
fn unknown(to: &mut Builder, field: &str, extra: &HashMap<String, String>) {
    if !extra.is_empty() {
        to.wrong(&format!("{field}.extra"), "is for replies only");
    }
}

/// Page size or token. `true`: the page is named by a token, which Kraken takes alone.
fn page(to: &mut Builder, size: u32, page_token: &str, filters: &[(&str, bool)]) -> bool {
    if size > PAGE_MAX {
        to.wrong("page_size", format!("must be at most {PAGE_MAX}"));
    }
    if page_token.is_empty() {
        if size > 0 {
            to.int("limit", i64::from(size));
        }
        return false;
    }
    for (field, _) in filters.iter().filter(|(_, set)| *set) {
        to.wrong(
            field,
            "must be unset where page_token is set: the token goes on with the filters of its first page",
        );
    }
    token(to, "cursor", "page_token", page_token);
    true
}

/// One of Kraken's stable ids. They are opaque, and some become parts of a path.
fn id(to: &mut Builder, name: &'static str, field: &str, value: &str) {
    if matches!(value, "" | "." | "..") {
        return to.wrong(field, "must be set to one of Kraken's ids");
    }
    to.word(name, field, value);
}

/// A token of Kraken's, left out where empty.
fn token(to: &mut Builder, name: &'static str, field: &str, value: &str) {
    if value.len() > TOKEN_MAX || !value.bytes().all(|b| b.is_ascii_graphic()) {
        return to
            .wrong(field, format!("must be printable ASCII without spaces, at most {TOKEN_MAX} characters"));
    }
    if !value.is_empty() {
        to.text(name, value);
    }
}

/// Words of a person's, or an address.
fn words(to: &mut Builder, name: &'static str, field: &str, value: &str) {
    if value.trim().is_empty() || value.len() > TEXT_MAX || value.chars().any(char::is_control) {
        return to.wrong(
            field,
            format!(
                "must have something else than blanks, no control characters and at most {TEXT_MAX} bytes"
            ),
        );
    }
    to.text(name, value);
}

fn amount_text(to: &mut Builder, name: &'static str, field: &str, value: &str) {
    match value.parse::<Volume>() {
        Ok(amount) if amount.is_zero() => to.wrong(field, "must be above zero"),
        Ok(amount) => to.text(name, amount.to_string()),
        Err(error) => to.wrong(field, error.to_string()),
    }
}

fn account(to: &mut Builder, account_id: &str) {
    // Kraken shows such ids with blanks in them.
    if !account_id.is_empty() {
        words(to, "account_id", "account_id", account_id);
    }
}

fn rebase(to: &mut Builder, value: i32) {
    if v1::RebaseMultiplier::try_from(value).is_err() {
        to.wrong("rebase_multiplier", "is not one of the known ones");
    }
    multiplier(to, value);
}

/// The same where it has been judged.
fn multiplier(to: &mut Builder, value: i32) {
    match v1::RebaseMultiplier::try_from(value) {
        Ok(v1::RebaseMultiplier::Rebased) => to.text("rebase_multiplier", "rebased"),
        Ok(v1::RebaseMultiplier::Base) => to.text("rebase_multiplier", "base"),
        Ok(v1::RebaseMultiplier::Unspecified) | Err(_) => {}
    }
}
