//! Saved addresses for withdrawals, and claimed ones for deposits.

use super::catalogue::{GROUPS, Generation, METHODS, NETWORKS, find_method, find_network};
use super::{Beta, Page, bare};
use crate::exchange::refusal::{Refusal, wrong};
use crate::wire::json::Json;
use crate::wire::params::Params;

/// So long after its making an address is confirmed by its owner.
const CONFIRMED_AFTER_US: u64 = 2_000_000;
/// Saved addresses of an account.
const SAVED_MAX: usize = 1_000;
const NAME_MAX: usize = 100;

/// Where an address may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Method(usize),
    Network(usize),
    Group(usize),
}

impl Scope {
    /// Exactly one of the three, or none at all.
    pub(super) fn read(params: &Params) -> Result<Option<Self>, Refusal> {
        let parts = ["method_id", "network_id", "network_group_id"]
            .map(|name| Some((name, params.get(&format!("scope[{name}]"))?)));
        let mut given = parts.into_iter().flatten();
        match (given.next(), given.next()) {
            (None, _) => Ok(None),
            (Some((name, id)), None) => Self::named(name, id).map(Some).ok_or_else(|| wrong("scope")),
            (Some(_), Some(_)) => Err(wrong("scope")),
        }
    }

    fn named(name: &str, id: &str) -> Option<Self> {
        match name {
            "method_id" => find_method(id).filter(|at| METHODS[*at].deposit.is_none()).map(Self::Method),
            "network_id" => find_network(id).map(Self::Network),
            _ => GROUPS.iter().position(|group| group.id == id).map(Self::Group),
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Method(at) => ("method_id", METHODS[at].id),
            Self::Network(at) => ("network_id", NETWORKS[at].id),
            Self::Group(at) => ("network_group_id", GROUPS[at].id),
        }
    }

    /// Whether what is saved here may be used there: where it is, or anywhere inside of it.
    pub(super) fn covers(self, other: Self) -> bool {
        let network = match other {
            Self::Method(at) => METHODS[at].network,
            Self::Network(at) => Some(at),
            Self::Group(_) => None,
        };
        self == other
            || network.is_some_and(|at| {
                self == Self::Network(at) || NETWORKS[at].group.map(Self::Group) == Some(self)
            })
    }
}

/// An address for withdrawals.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) id: String,
    pub(super) scope: Scope,
    pub(super) address: String,
    /// Tag or memo, with which of the two it is.
    mark: Option<(&'static str, String)>,
    name: String,
    description: String,
    confirmed_us: u64,
}

impl Saved {
    /// Whether money may go there.
    pub(super) fn is_confirmed(&self, now_us: u64) -> bool {
        now_us >= self.confirmed_us
    }

    fn write(&self, json: &mut Json, now_us: u64) {
        json.object(|json| {
            json.field("address_id").text(&self.id);
            let (name, id) = self.scope.words();
            json.field("scope").object(|json| json.field(name).text(id));
            json.field("address_details").object(|json| {
                json.field("crypto").object(|json| {
                    json.field("address").text(&self.address);
                    if let Some((name, mark)) = &self.mark {
                        json.field(name).text(mark);
                    }
                });
            });
            json.field("name").text(&self.name);
            if !self.description.is_empty() {
                json.field("description").text(&self.description);
            }
            json.field("verified").truth(self.is_confirmed(now_us));
        });
    }
}

/// An address for deposits.
#[derive(Debug)]
pub(super) struct Claimed {
    account: usize,
    method: usize,
    address: String,
}

impl Beta {
    /// The saved addresses of an account.
    pub(super) fn saved(&self, account: usize) -> &[Saved] {
        self.saved.get(&account).map_or(&[], Vec::as_slice)
    }

    fn find_saved(&mut self, account: usize, params: &Params) -> Result<(usize, &mut Vec<Saved>), Refusal> {
        let list = self.saved.entry(account).or_default();
        let id = params.get("id").unwrap_or_default();
        let at = list.iter().position(|saved| saved.id == id).ok_or(Refusal::UnknownWithdrawKey)?;
        Ok((at, list))
    }

    /// `ListAddresses`.
    pub(super) fn list_addresses(
        &self,
        now_us: u64,
        account: usize,
        params: &Params,
    ) -> Result<String, Refusal> {
        let asked = Scope::read(params)?.map(Scope::words);
        let page = Page::read(params, [asked.map(|words| words.0), asked.map(|words| words.1)])?;
        let [name, id] = &page.filter;
        let wanted = match name.as_str() {
            "" => None,
            name => Some(Scope::named(name, id).ok_or_else(|| wrong("cursor"))?),
        };
        let fits = |saved: &&Saved| wanted.is_none_or(|wanted| saved.scope.covers(wanted));
        let found: Vec<_> = self.saved(account).iter().filter(fits).collect();
        Ok(bare(|json| page.write(json, "addresses", &found, |json, saved| saved.write(json, now_us))))
    }

    /// `CreateAddress`.
    pub(super) fn create_address(
        &mut self,
        now_us: u64,
        speed: u64,
        account: usize,
        params: &Params,
    ) -> Result<String, Refusal> {
        let scope = Scope::read(params)?.ok_or_else(|| wrong("scope"))?;
        let crypto = |name: &str| params.get(&format!("address_details[crypto][{name}]")).map(str::to_owned);
        let address = crypto("address").ok_or_else(|| wrong("address_details"))?;
        let mark = match (crypto("tag"), crypto("memo")) {
            (Some(_), Some(_)) => return Err(wrong("address_details")),
            (Some(tag), None) => Some(("tag", tag)),
            (None, memo) => memo.map(|memo| ("memo", memo)),
        };
        let name = self.free_name(account, params.get("name").unwrap_or_default(), None)?;
        if self.saved(account).len() >= SAVED_MAX {
            return Err(Refusal::TooManyAddresses);
        }
        let saved = Saved {
            // Two letters and five, five, six more.
            id: format!("A{}", self.chance.id(b'B').as_str()),
            scope,
            address,
            mark,
            name,
            description: params.get("description").unwrap_or_default().to_owned(),
            confirmed_us: now_us + CONFIRMED_AFTER_US / speed,
        };
        let body = bare(|json| {
            json.field("address_id").text(&saved.id);
            json.field("verified").truth(saved.is_confirmed(now_us));
        });
        self.saved.entry(account).or_default().push(saved);
        Ok(body)
    }

    /// A name that no other address of the account has.
    fn free_name(&self, account: usize, name: &str, own: Option<usize>) -> Result<String, Refusal> {
        if name.trim().is_empty() || name.chars().count() > NAME_MAX {
            return Err(wrong("name"));
        }
        let mut others = self.saved(account).iter().enumerate().filter(|(at, _)| Some(*at) != own);
        if others.any(|(_, saved)| saved.name == name) {
            return Err(Refusal::DuplicateWithdrawKey);
        }
        Ok(name.to_owned())
    }

    /// `UpdateAddress`.
    pub(super) fn update_address(
        &mut self,
        now_us: u64,
        account: usize,
        params: &Params,
    ) -> Result<String, Refusal> {
        let (at, _) = self.find_saved(account, params)?;
        let (name, description) = (params.given("name"), params.given("description"));
        if name.is_none() && description.is_none() {
            return Err(wrong("name"));
        }
        let name = name.map(|name| self.free_name(account, name, Some(at))).transpose()?;
        let (_, list) = self.find_saved(account, params)?;
        let saved = &mut list[at];
        saved.name = name.unwrap_or_else(|| saved.name.clone());
        saved.description = description.map_or_else(|| saved.description.clone(), str::to_owned);
        let verified = saved.is_confirmed(now_us);
        Ok(bare(|json| json.field("verified").truth(verified)))
    }

    /// `DeleteAddress`.
    pub(super) fn delete_address(&mut self, account: usize, params: &Params) -> Result<String, Refusal> {
        let (at, list) = self.find_saved(account, params)?;
        list.remove(at);
        Ok(bare(|json| json.field("result").truth(true)))
    }

    /// `ClaimDepositAddress`. Nothing is ever paid in by these, so none of them is ever used.
    pub(super) fn claim_deposit_address(
        &mut self,
        account: usize,
        params: &Params,
    ) -> Result<String, Refusal> {
        let asked = params.get("method_id").and_then(find_method).ok_or_else(|| wrong("method_id"))?;
        let deposit = METHODS[asked].deposit.as_ref().ok_or(Refusal::NoFundingMethod)?;
        let Generation::Limited(limit) = deposit.generation else {
            return Ok(bare(|json| {
                json.field("address_details").object(|json| {
                    json.field("fiat").object(|json| {
                        for (name, value) in [
                            ("bank", "Sandbox Bank"),
                            ("bic", "SANDXXXX"),
                            ("iban", "XX00SAND0000000000"),
                            ("memo", "no real money"),
                            ("name_on_account", "tidegate sandbox"),
                        ] {
                            json.field(name).text(value);
                        }
                    });
                });
            }));
        };
        let method = deposit.shares.unwrap_or(asked);
        let mut own =
            self.claimed.iter().filter(|claimed| claimed.account == account && claimed.method == method);
        let shared = deposit.shares.is_some().then(|| own.clone().next()).flatten();
        let address = match shared {
            Some(shared) => shared.address.clone(),
            None if own.by_ref().count() >= limit => return Err(Refusal::TooManyAddresses),
            None => {
                let start = if METHODS[method].network == Some(super::catalogue::BITCOIN) {
                    "sandbox1q"
                } else {
                    "0xsandbox"
                };
                let address =
                    format!("{start}{}", self.chance.id(b'x').as_str().replace('-', "").to_lowercase());
                self.claimed.push(Claimed { account, method, address: address.clone() });
                address
            }
        };
        Ok(bare(|json| {
            json.field("address_details").object(|json| {
                json.field("crypto").object(|json| json.field("address").text(&address));
            });
        }))
    }
}
