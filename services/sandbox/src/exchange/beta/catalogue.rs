//! The networks and methods that there are: few, one of each kind.

use super::{Page, bare};
use crate::exchange::markets::{ASSETS, find_asset};
use crate::exchange::refusal::{Refusal, wrong};
use crate::wire::json::Json;
use crate::wire::params::Params;

const XXBT: usize = 0;
const XETH: usize = 1;
const ZEUR: usize = 3;

/// A group of networks that share one form of addresses.
pub(super) struct Group {
    pub(super) id: &'static str,
    name: &'static str,
}

/// The only one.
pub(super) const EVM: usize = 0;
pub(super) static GROUPS: [Group; 1] = [Group { id: "5b2f0f0e-0000-4000-8000-00000000e000", name: "EVM" }];

/// A network.
pub(super) struct Network {
    pub(super) id: &'static str,
    name: &'static str,
    pub(super) group: Option<usize>,
}

pub(super) const BITCOIN: usize = 0;
pub(super) const ETHEREUM: usize = 1;
pub(super) const ARBITRUM: usize = 2;
pub(super) static NETWORKS: [Network; 3] = [
    Network { id: "5b2f0f0e-0000-4000-8000-00000000b001", name: "Bitcoin", group: None },
    Network { id: "5b2f0f0e-0000-4000-8000-00000000e001", name: "Ethereum", group: Some(EVM) },
    Network { id: "5b2f0f0e-0000-4000-8000-00000000e002", name: "Arbitrum One", group: Some(EVM) },
];

/// Whether new addresses can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// There is one, and it stays.
    Unsupported,
    /// So many.
    Limited(usize),
}

/// A way in or out.
pub(super) struct Method {
    pub(super) id: &'static str,
    name: &'static str,
    /// In, with what only ways in have; else out.
    pub(super) deposit: Option<Deposit>,
    pub(super) asset: usize,
    /// None at a bank.
    pub(super) network: Option<usize>,
    /// In units of the asset's last place.
    pub(super) minimum: i128,
    pub(super) fee: i128,
}

/// What only ways in have.
pub(super) struct Deposit {
    pub(super) generation: Generation,
    /// The method whose addresses it uses.
    pub(super) shares: Option<usize>,
}

const OUT_OF_BITCOIN: Method = Method {
    id: "5b2f0f0e-0000-4000-8000-000000000b01",
    name: "Bitcoin",
    deposit: None,
    asset: XXBT,
    network: Some(BITCOIN),
    minimum: 5_000_000,
    fee: 1_500_000,
};

pub(super) static METHODS: [Method; 7] = [
    OUT_OF_BITCOIN,
    Method {
        id: "5b2f0f0e-0000-4000-8000-000000000e01",
        name: "Ether",
        asset: XETH,
        network: Some(ETHEREUM),
        minimum: 50_000_000,
        fee: 9_000_000,
        ..OUT_OF_BITCOIN
    },
    Method {
        id: "5b2f0f0e-0000-4000-8000-000000000e02",
        name: "Ether on Arbitrum One",
        asset: XETH,
        network: Some(ARBITRUM),
        minimum: 20_000_000,
        fee: 1_000_000,
        ..OUT_OF_BITCOIN
    },
    Method {
        id: "5b2f0f0e-0000-4000-8000-000000001b01",
        name: "Bitcoin",
        deposit: Some(Deposit { generation: Generation::Limited(5), shares: None }),
        asset: XXBT,
        network: Some(BITCOIN),
        minimum: 1_000_000,
        fee: 0,
    },
    Method {
        id: "5b2f0f0e-0000-4000-8000-000000001e01",
        name: "Ether",
        deposit: Some(Deposit { generation: Generation::Limited(5), shares: None }),
        asset: XETH,
        network: Some(ETHEREUM),
        minimum: 10_000_000,
        fee: 0,
    },
    Method {
        id: "5b2f0f0e-0000-4000-8000-000000001e02",
        name: "Ether on Arbitrum One",
        deposit: Some(Deposit { generation: Generation::Limited(5), shares: Some(4) }),
        asset: XETH,
        network: Some(ARBITRUM),
        minimum: 10_000_000,
        fee: 0,
    },
    Method {
        id: "5b2f0f0e-0000-4000-8000-000000001a01",
        name: "SEPA",
        deposit: Some(Deposit { generation: Generation::Unsupported, shares: None }),
        asset: ZEUR,
        network: None,
        minimum: 10_000,
        fee: 0,
    },
];

/// The method of an id, by its place.
pub(super) fn find_method(id: &str) -> Option<usize> {
    METHODS.iter().position(|method| method.id == id)
}

/// The network of an id, by its place.
pub(super) fn find_network(id: &str) -> Option<usize> {
    NETWORKS.iter().position(|network| network.id == id)
}

/// Appends an asset.
fn write_asset(json: &mut Json, asset: usize) {
    json.object(|json| {
        json.field("class").text("currency");
        json.field("name").text(ASSETS[asset].modern);
    });
}

/// Appends an amount of an asset.
pub(super) fn write_amount(json: &mut Json, asset: usize, amount: i128) {
    json.object(|json| {
        write_asset(json.field("asset"), asset);
        json.field("amount").decimal(amount, ASSETS[asset].decimals);
    });
}

/// `ListMethods`.
pub(super) fn list_methods(params: &Params) -> Result<String, Refusal> {
    let deposits = match params.get("direction") {
        Some("deposit") => true,
        Some("withdraw") => false,
        _ => return Err(wrong("direction")),
    };
    let page = Page::read(params, [params.get("asset[class]"), params.get("asset[name]")])?;
    let [class, name] = &page.filter;
    // There is no asset of another class.
    let classed = matches!(class.as_str(), "" | "currency");
    let wanted = match name.as_str() {
        "" => None,
        _ if class.is_empty() => return Err(wrong("asset")),
        name => Some(find_asset(name).ok_or(Refusal::UnknownFundingAsset)?),
    };
    let fits = |method: &&Method| {
        classed && method.deposit.is_some() == deposits && wanted.is_none_or(|asset| method.asset == asset)
    };
    let found: Vec<_> = METHODS.iter().filter(fits).collect();
    Ok(bare(|json| page.write(json, "methods", &found, |json, method| write_method(json, method))))
}

fn write_method(json: &mut Json, method: &Method) {
    json.object(|json| {
        write_asset(json.field("asset"), method.asset);
        json.field("method_id").text(method.id);
        json.field("method_name").text(method.name);
        json.field("minimum_amount").decimal(method.minimum, ASSETS[method.asset].decimals);
        json.field("fees").object(|json| {
            write_amount(json.field("base"), method.asset, method.fee);
            json.field("included").truth(false);
        });
        if let Some(network) = method.network.map(|network| &NETWORKS[network]) {
            json.field("network").object(|json| {
                json.field("network_id").text(network.id);
                json.field("network_name").text(network.name);
            });
        }
        let Some(deposit) = &method.deposit else {
            // Without members, as Kraken's.
            json.field("withdrawal").object(|_| {});
            return;
        };
        json.field("deposit").object(|json| {
            json.field("address_generation").object(|json| match deposit.generation {
                Generation::Unsupported => json.field("status").text("unsupported"),
                Generation::Limited(limit) => {
                    json.field("status").text("limited");
                    json.field("limit").integer(limit);
                }
            });
            if let Some(shared) = deposit.shares {
                json.field("shares_addresses_with_method_id").text(METHODS[shared].id);
            }
        });
    });
}

/// `ListNetworks`.
pub(super) fn list_networks() -> String {
    bare(|json| {
        json.field("network_groups").array(|json| {
            for (at, group) in GROUPS.iter().enumerate() {
                json.object(|json| {
                    json.field("network_group_id").text(group.id);
                    json.field("name").text(group.name);
                    let own = NETWORKS.iter().filter(|network| network.group == Some(at));
                    json.field("network_ids").array(|json| own.for_each(|network| json.text(network.id)));
                });
            }
        });
        json.field("networks").array(|json| {
            for network in &NETWORKS {
                json.object(|json| {
                    json.field("network_id").text(network.id);
                    json.field("name").text(network.name);
                });
            }
        });
    })
}
