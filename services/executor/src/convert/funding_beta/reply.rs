//! What Funding (Beta) tells, as replies.

use std::collections::HashMap;

use tidegate_kraken::wire::{
    AddressDetails, CryptoAddress, Extra, FundingAddress, FundingAddresses, FundingAmount, FundingAsset,
    FundingFees, FundingMethod, FundingMethods, FundingNetworks, FundingScope, MethodDeposit, MethodFees,
    MethodNetwork, Texts,
};
use tidegate_proto::v1;
use v1::beta_scope::Of;

use crate::convert::digits;

pub(crate) fn methods(page: FundingMethods) -> v1::ListMethodsResponse {
    v1::ListMethodsResponse {
        methods: page.methods.into_iter().map(method).collect(),
        next_page_token: page.next_cursor.unwrap_or_default(),
        extra: page.extra.into_iter().collect(),
    }
}

fn method(method: FundingMethod) -> v1::BetaMethod {
    let named =
        method.network_id.map(|network_id| v1::BetaMethodNetwork { network_id, ..Default::default() });
    v1::BetaMethod {
        method_id: method.method_id,
        name: method.method_name.unwrap_or_default(),
        asset: method.asset.map(asset),
        network: method.network.map(method_network).or(named),
        minimum_amount: digits(method.minimum_amount),
        maximum_amount: digits(method.maximum_amount),
        fees: method.fees.map(method_fees),
        deposit: method.deposit.map(method_deposit),
        extra: method.extra.into_iter().collect(),
    }
}

fn asset(asset: FundingAsset) -> v1::BetaAsset {
    let extra = asset.extra.into_iter().collect();
    v1::BetaAsset { asset_class: asset.class.unwrap_or_default(), name: asset.name, extra }
}

/// An amount as replies have it.
pub(super) fn amount(amount: FundingAmount) -> v1::BetaAmount {
    v1::BetaAmount {
        asset: Some(asset(amount.asset)),
        amount: amount.amount.0,
        rebase_multiplier: amount.rebase_multiplier.unwrap_or_default(),
        extra: amount.extra.into_iter().collect(),
    }
}

fn method_network(network: MethodNetwork) -> v1::BetaMethodNetwork {
    v1::BetaMethodNetwork {
        network_id: network.network_id,
        name: network.network_name.unwrap_or_default(),
        contract_address: network.contract_address.unwrap_or_default(),
        on_chain_asset_symbol: network.on_chain_asset_symbol.unwrap_or_default(),
        extra: network.extra.into_iter().collect(),
    }
}

fn method_fees(fees: MethodFees) -> v1::BetaMethodFees {
    v1::BetaMethodFees {
        base: fees.base.map(amount),
        percent: digits(fees.percentage),
        minimum: fees.min.map(amount),
        maximum: fees.max.map(amount),
        included: fees.included,
        extra: fees.extra.into_iter().collect(),
    }
}

fn method_deposit(deposit: MethodDeposit) -> v1::BetaMethodDeposit {
    let (mut extra, mut address_limit) = (deposit.extra, None);
    let address_generation = deposit.address_generation.map(|generation| {
        address_limit = generation.limit;
        within(&mut extra, "address_generation", generation.extra);
        generation.status
    });
    v1::BetaMethodDeposit {
        address_generation: address_generation.unwrap_or_default(),
        address_limit,
        shares_addresses_with_method_id: deposit.shares_addresses_with_method_id.unwrap_or_default(),
        address_setup_fee: deposit.address_setup_fee.map(amount),
        allow_credit_cards: deposit.allow_credit_cards,
        exempted_withdrawal_hold: deposit.exempted_withdrawal_hold,
        extra: extra.into_iter().collect(),
    }
}

/// Keeps other members of an object that has no message of its own.
fn within(extra: &mut Extra, name: &str, more: Extra) {
    extra.extend(more.into_iter().map(|(member, json)| (format!("{name}.{member}"), json)));
}

pub(crate) fn networks(all: FundingNetworks) -> v1::ListNetworksResponse {
    let groups = all.network_groups.into_iter().map(|group| v1::BetaNetworkGroup {
        network_group_id: group.id,
        name: group.name.unwrap_or_default(),
        network_ids: group.network_ids,
        extra: group.extra.into_iter().collect(),
    });
    let networks = all.networks.into_iter().map(|network| v1::BetaNetwork {
        network_id: network.id,
        name: network.name.unwrap_or_default(),
        extra: network.extra.into_iter().collect(),
    });
    v1::ListNetworksResponse {
        network_groups: groups.collect(),
        networks: networks.collect(),
        extra: all.extra.into_iter().collect(),
    }
}

pub(crate) fn fees(quote: FundingFees) -> v1::CalculateFeesResponse {
    let (mut extra, mut base_fee, mut fee_percent) = (quote.extra, None, String::new());
    if let Some(details) = quote.fee_details {
        base_fee = details.base_fee.map(amount);
        fee_percent = digits(details.fee_percentage);
        within(&mut extra, "fee_details", details.extra);
    }
    v1::CalculateFeesResponse {
        fee: Some(amount(quote.fee)),
        gross_amount: quote.gross_amount.map(amount),
        net_amount: quote.net_amount.map(amount),
        base_fee,
        fee_percent,
        fee_token: quote.withdrawal_fee_token.unwrap_or_default(),
        extra: extra.into_iter().collect(),
    }
}

pub(crate) fn addresses(page: FundingAddresses) -> v1::ListAddressesResponse {
    v1::ListAddressesResponse {
        addresses: page.addresses.into_iter().map(address).collect(),
        next_page_token: page.next_cursor.unwrap_or_default(),
        extra: page.extra.into_iter().collect(),
    }
}

fn address(address: FundingAddress) -> v1::BetaAddress {
    v1::BetaAddress {
        address_id: address.address_id,
        name: address.name.unwrap_or_default(),
        description: address.description.unwrap_or_default(),
        scope: address.scope.map(scope),
        details: address.address_details.map(details),
        modifier: address.modifier.unwrap_or_default(),
        verified: address.verified,
        extra: address.extra.into_iter().collect(),
    }
}

fn scope(scope: FundingScope) -> v1::BetaScope {
    let of = scope.method_id.map(Of::MethodId);
    let of = of.or(scope.network_id.map(Of::NetworkId)).or(scope.network_group_id.map(Of::NetworkGroupId));
    v1::BetaScope { of, extra: scope.extra.into_iter().collect() }
}

/// Where an address leads, as replies have it.
pub(super) fn details(details: AddressDetails) -> v1::BetaAddressDetails {
    v1::BetaAddressDetails {
        crypto: details.crypto.map(crypto),
        fiat: texts(details.fiat),
        extra: details.extra.into_iter().collect(),
    }
}

fn crypto(crypto: CryptoAddress) -> v1::BetaCryptoAddress {
    v1::BetaCryptoAddress {
        address: crypto.address,
        tag: crypto.tag.unwrap_or_default(),
        memo: crypto.memo.unwrap_or_default(),
        beneficiary: texts(crypto.beneficiary),
        extra: crypto.extra.into_iter().collect(),
    }
}

fn texts(texts: Option<Texts>) -> HashMap<String, String> {
    texts.unwrap_or_default().0.into_iter().collect()
}
