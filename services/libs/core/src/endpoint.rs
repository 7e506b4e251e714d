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
    /// Permissions.
    pub needs: Needs,
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
}
