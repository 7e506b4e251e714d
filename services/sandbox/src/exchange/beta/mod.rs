//! Funding (Beta): methods, networks, fees, saved addresses and withdrawals under stable ids.
//!
//! Kraken documents the requests and the shape of its answers, hardly what it does in between; what is chosen here where it says
//! nothing is in the README. A withdrawal leaves the account at once and is with the world outside then.

mod addresses;
mod catalogue;
mod fees;
mod withdrawals;

use std::collections::{BTreeMap, VecDeque};

use super::engine::Engine;
use super::ids::Source;
use super::keys::iban;
use super::private::Done;
use super::refusal::{Refusal, wrong};
use crate::wire::json::Json;
use crate::wire::params::Params;
use addresses::{Claimed, Saved};
use fees::Quote;

/// Rows on a page: Kraken takes 1 to 500 and does not say how many there are if nothing is said.
const PAGE_MAX: usize = 500;
const PAGE: usize = 100;
/// The stream of chance that ids, tokens and addresses come from.
const CHANCE: u64 = 40;

/// One of the family's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    ListMethods,
    ListNetworks,
    CalculateFees,
    ListAddresses,
    CreateAddress,
    UpdateAddress,
    DeleteAddress,
    ClaimDepositAddress,
    CreateWithdrawal,
}

/// What is kept between calls.
#[derive(Debug)]
pub(crate) struct Beta {
    chance: Source,
    /// By account, in the order of their making.
    saved: BTreeMap<usize, Vec<Saved>>,
    claimed: Vec<Claimed>,
    /// Oldest first.
    quotes: VecDeque<Quote>,
}

impl Beta {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Source::new(seed, CHANCE),
            saved: BTreeMap::new(),
            claimed: Vec::new(),
            quotes: VecDeque::new(),
        }
    }

    /// Carries an operation out.
    pub(crate) fn carry_out(
        &mut self,
        call: Call,
        engine: &mut Engine,
        now_us: u64,
        account: usize,
        params: &Params,
    ) -> Result<Done, Refusal> {
        // Each account here stands for itself.
        let own = params.get("account_id").is_none_or(|id| id == iban(&engine.accounts.get(account).name));
        if !own {
            return Err(wrong("account_id"));
        }
        let body = match call {
            Call::ListMethods => catalogue::list_methods(params)?,
            Call::ListNetworks => catalogue::list_networks(),
            Call::CalculateFees => self.calculate_fees(now_us, account, params)?,
            Call::ListAddresses => self.list_addresses(now_us, account, params)?,
            Call::CreateAddress => self.create_address(now_us, engine.speed, account, params)?,
            Call::UpdateAddress => self.update_address(now_us, account, params)?,
            Call::DeleteAddress => self.delete_address(account, params)?,
            Call::ClaimDepositAddress => self.claim_deposit_address(account, params)?,
            Call::CreateWithdrawal => self.create_withdrawal(engine, now_us, account, params)?,
        };
        Ok(Done::answer(body))
    }
}

/// An answer: an object without an envelope.
fn bare(members: impl FnOnce(&mut Json)) -> String {
    let mut json = Json::default();
    json.object(members);
    json.finish()
}

/// Which rows are wanted: those behind an offset, at most so many, that fit a filter of two words.
struct Page {
    offset: usize,
    limit: usize,
    filter: [String; 2],
}

impl Page {
    /// From a cursor, which stands alone, or from limit and filter.
    fn read(params: &Params, filters: [Option<&str>; 2]) -> Result<Self, Refusal> {
        let limit = match params.get("limit") {
            None => PAGE,
            Some(text) => {
                text.parse().ok().filter(|n| (1..=PAGE_MAX).contains(n)).ok_or_else(|| wrong("limit"))?
            }
        };
        let Some(cursor) = params.get("cursor") else {
            return Ok(Self {
                offset: 0,
                limit,
                filter: filters.map(|text| text.unwrap_or_default().to_owned()),
            });
        };
        if params.get("limit").is_some() || filters.iter().any(Option::is_some) {
            return Err(wrong("cursor"));
        }
        let parts: Vec<_> = cursor.split('~').collect();
        let number = |text: &str| text.parse().map_err(|_| wrong("cursor"));
        match parts[..] {
            [offset, limit, first, second] => Ok(Self {
                offset: number(offset)?,
                limit: number(limit)?,
                filter: [first.to_owned(), second.to_owned()],
            }),
            _ => Err(wrong("cursor")),
        }
    }

    /// Writes the rows and where the next page begins.
    fn write<T>(&self, json: &mut Json, name: &str, rows: &[T], write: impl Fn(&mut Json, &T)) {
        let shown = rows.iter().skip(self.offset).take(self.limit);
        json.field(name).array(|json| shown.for_each(|row| write(json, row)));
        let next = self.offset.saturating_add(self.limit);
        if next < rows.len() {
            let [first, second] = &self.filter;
            json.field("next_cursor").text(&format!("{next}~{}~{first}~{second}", self.limit));
        }
    }
}
