//! What tidegate knows about one Kraken endpoint before it calls it.

use crate::{Permission, PermissionSet};

/// HTTP verb of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET, all arguments in the query.
    Get,
    /// POST, arguments in the body.
    Post,
    /// PUT (Funding Beta only).
    Put,
    /// DELETE (Funding Beta only).
    Delete,
}

/// Where and how the arguments travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// URL query.
    Query,
    /// `application/x-www-form-urlencoded` body.
    Form,
    /// `application/json` body, by Kraken's habit for list-valued calls.
    Json,
}

/// Which permissions a key must have to serve a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// No key at all.
    Public,
    /// Any valid key.
    AnyKey,
    /// One of these sets, each of which is needed whole.
    AnyOf(&'static [PermissionSet]),
}

impl Needs {
    /// Whether a key with `have` may serve the call.
    pub fn met_by(self, have: PermissionSet) -> bool {
        match self {
            Self::Public | Self::AnyKey => true,
            Self::AnyOf(sets) => sets.iter().any(|set| have.contains(*set)),
        }
    }
}

impl std::fmt::Display for Needs {
    /// In words for an operator: `modify-trades + close-trades`, `modify-trades or close-trades`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Public => f.write_str("no key"),
            Self::AnyKey => f.write_str("any key"),
            Self::AnyOf(sets) => {
                for (i, set) in sets.iter().enumerate() {
                    if i > 0 {
                        f.write_str(" or ")?;
                    }
                    write!(f, "{set}")?;
                }
                Ok(())
            }
        }
    }
}

/// What one of Kraken's sources says that a call needs, where it differs from the most likely reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which source, in words.
    pub source: &'static str,
    /// What it asks for.
    pub needs: Needs,
}

/// How sure it is that a key may serve a call. Earlier members are surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Whichever of Kraken's sources is right.
    Surely,
    /// If the most likely one is right.
    Likely,
}

/// What a call does to the account, which decides whether it may ever be repeated.
///
/// Repeating belongs to the act and not to the error: nothing but a [`Effect::Read`] is sent a second time
/// after it may have left us, with the exception of a cancel by transaction id or by our own client order id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Creates orders.
    Place,
    /// Changes an order.
    Amend,
    /// Cancels named orders.
    Cancel,
    /// Cancels whatever is in a scope at that moment.
    CancelScope,
    /// Moves money.
    Transfer,
    /// Changes something else about the account.
    Administer,
}

impl Effect {
    /// Whether an answer that never came leaves something to find out.
    pub const fn is_mutating(self) -> bool {
        !matches!(self, Self::Read)
    }

    /// Whether the call takes risk away, and so goes in front of others and out of the reserve.
    pub const fn is_cancel(self) -> bool {
        matches!(self, Self::Cancel | Self::CancelScope)
    }
}

/// One row of the endpoint table.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Kraken's name, for instance `AddOrder` or `Earn/Allocate`.
    pub name: &'static str,
    /// HTTP verb.
    pub verb: Verb,
    /// Path from the root, for instance `/0/private/AddOrder`. Funding Beta paths have `{placeholders}`.
    pub path: &'static str,
    /// Permissions, by the most likely reading of Kraken's sources.
    pub needs: Needs,
    /// What its other sources ask for; empty where they agree.
    pub other_readings: &'static [Reading],
    /// What it does.
    pub effect: Effect,
    /// Points on the key's REST counter as Kraken's guide states them.
    pub rest_points_documented: u32,
    /// Points that we charge: the higher figure where sources differ.
    pub rest_points: u32,
    /// Whether the matching engine's counter per account and pair applies.
    pub trading_limited: bool,
    /// How arguments travel.
    pub encoding: Encoding,
}

impl Endpoint {
    /// Whether the call is signed.
    pub const fn is_private(&self) -> bool {
        !matches!(self.needs, Needs::Public)
    }

    /// The same row, for which other sources ask for something else.
    pub(crate) const fn but(mut self, other_readings: &'static [Reading]) -> Self {
        self.other_readings = other_readings;
        self
    }

    /// Whether a key with `have` may serve the call, and how sure that is. What only a less likely reading allows it may not.
    pub fn fit(&self, have: PermissionSet) -> Option<Fit> {
        if !self.needs.met_by(have) {
            return None;
        }
        let every = self.other_readings.iter().all(|reading| reading.needs.met_by(have));
        Some(if every { Fit::Surely } else { Fit::Likely })
    }

    /// Every permission that some reading asks for, whether together with others or instead of them.
    pub fn named(&self) -> PermissionSet {
        let readings = std::iter::once(self.needs).chain(self.other_readings.iter().map(|other| other.needs));
        let sets = readings.filter_map(|needs| match needs {
            Needs::AnyOf(sets) => Some(sets),
            Needs::Public | Needs::AnyKey => None,
        });
        sets.flatten().flat_map(|set| set.iter()).collect()
    }

    /// Whether it shows what has been, of which a key may see a part only (Kraken docs: GetApiKeyInfo, `queryFrom` and
    /// `queryTo`; which calls that concerns is not said, so these are all that tell of closed orders, trades, ledgers, deposits
    /// and withdrawals).
    pub fn is_history(&self) -> bool {
        matches!(
            self.name,
            "ClosedOrders"
                | "QueryOrders"
                | "OrderAmends"
                | "TradesHistory"
                | "QueryTrades"
                | "Ledgers"
                | "QueryLedgers"
                | "AddExport"
                | "DepositStatus"
                | "WithdrawStatus"
        )
    }
}

impl PartialEq for Endpoint {
    /// Rows of the table are told apart by their name.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Endpoint {}

pub(crate) const fn set(list: &[Permission]) -> PermissionSet {
    PermissionSet::of(list)
}

/// What Kraken's guide to API keys says, where its reference says something else.
pub(crate) const fn guide(needs: &'static [PermissionSet]) -> Reading {
    Reading { source: "Kraken's guide to API keys", needs: Needs::AnyOf(needs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint;

    #[test]
    fn and_and_or_are_told_apart() {
        let modify = PermissionSet::of(&[Permission::ModifyTrades]);
        let both = PermissionSet::of(&[Permission::ModifyTrades, Permission::CloseTrades]);
        let needs = |name| endpoint(name).expect("in the table").needs;
        assert!(!needs("AddOrderBatch").met_by(modify));
        assert!(needs("AddOrderBatch").met_by(both));
        assert!(needs("CancelOrder").met_by(modify));
        assert!(needs("GetApiKeyInfo").met_by(PermissionSet::EMPTY));
        assert_eq!(needs("AmendOrder").to_string(), "modify-trades or close-trades");
        assert_eq!(needs("EditOrder").to_string(), "modify-trades + close-trades");
    }

    #[test]
    fn a_key_that_meets_every_reading_is_surer_and_one_that_meets_another_alone_is_none() {
        let fit = |list: &[Permission]| {
            endpoint("TradeBalance").expect("in the table").fit(PermissionSet::of(list))
        };
        assert_eq!(fit(&[Permission::QueryOpenTrades, Permission::QueryFunds]), Some(Fit::Surely));
        assert_eq!(fit(&[Permission::QueryOpenTrades]), Some(Fit::Likely));
        assert_eq!(fit(&[Permission::QueryFunds]), None);
        assert!(Fit::Surely < Fit::Likely);
    }
}
