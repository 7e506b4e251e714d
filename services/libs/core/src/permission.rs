//! The rights that a Kraken API key can carry.

use std::fmt;
use std::str::FromStr;

/// One right of an API key, as `GetApiKeyInfo` spells it (Kraken docs: API keys, key permissions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// Read balances.
    QueryFunds,
    /// Make deposit addresses.
    AddFunds,
    /// Withdraw, or move money between accounts.
    WithdrawFunds,
    /// Allocate to and from Earn strategies.
    EarnFunds,
    /// Read open orders and positions.
    QueryOpenTrades,
    /// Read closed orders and trades.
    QueryClosedTrades,
    /// Create and modify orders.
    ModifyTrades,
    /// Cancel and close orders.
    CloseTrades,
    /// Read ledger entries.
    QueryLedger,
    /// Make and fetch export reports.
    ExportData,
    /// Mint WebSocket tokens.
    CreateWsToken,
    /// Add withdrawal addresses.
    AddWithdrawAddress,
    /// Change withdrawal addresses.
    UpdateWithdrawAddress,
}

impl Permission {
    /// All permissions, in the order in which this page and the documentation list them.
    pub const ALL: [Self; 13] = [
        Self::QueryFunds,
        Self::AddFunds,
        Self::WithdrawFunds,
        Self::EarnFunds,
        Self::QueryOpenTrades,
        Self::QueryClosedTrades,
        Self::ModifyTrades,
        Self::CloseTrades,
        Self::QueryLedger,
        Self::ExportData,
        Self::CreateWsToken,
        Self::AddWithdrawAddress,
        Self::UpdateWithdrawAddress,
    ];

    /// Kraken's own token, for instance `modify-trades`; also the spelling in our configuration.
    pub const fn token(self) -> &'static str {
        match self {
            Self::QueryFunds => "query-funds",
            Self::AddFunds => "add-funds",
            Self::WithdrawFunds => "withdraw-funds",
            Self::EarnFunds => "earn-funds",
            Self::QueryOpenTrades => "query-open-trades",
            Self::QueryClosedTrades => "query-closed-trades",
            Self::ModifyTrades => "modify-trades",
            Self::CloseTrades => "close-trades",
            Self::QueryLedger => "query-ledger",
            Self::ExportData => "export-data",
            Self::CreateWsToken => "create-ws-token",
            Self::AddWithdrawAddress => "add-withdraw-address",
            Self::UpdateWithdrawAddress => "update-withdraw-address",
        }
    }

    /// What Kraken's settings page calls it (2026), so that an operator finds the tick box.
    pub const fn title(self) -> &'static str {
        match self {
            Self::QueryFunds => "Funds: Query",
            Self::AddFunds => "Funds: Deposit",
            Self::WithdrawFunds => "Funds: Withdraw",
            Self::EarnFunds => "Funds: Earn",
            Self::QueryOpenTrades => "Query open orders & trades",
            Self::QueryClosedTrades => "Query closed orders & trades",
            Self::ModifyTrades => "Create & modify orders",
            Self::CloseTrades => "Cancel & close orders",
            Self::QueryLedger => "Query ledger entries",
            Self::ExportData => "Export data",
            Self::CreateWsToken => "WebSocket interface: On",
            Self::AddWithdrawAddress => "Add withdrawal addresses",
            Self::UpdateWithdrawAddress => "Update withdrawal addresses",
        }
    }

    const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// A permission token that this build does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown permission {0:?}")]
pub struct UnknownPermission(pub String);

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|p| p.token() == text).ok_or_else(|| UnknownPermission(text.to_owned()))
    }
}

/// A set of permissions, as one key carries or one call needs.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet(u16);

impl PermissionSet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// The set of the listed permissions.
    pub const fn of(list: &[Permission]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < list.len() {
            bits |= list[i].bit();
            i += 1;
        }
        Self(bits)
    }

    /// Whether every permission of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What `other` has and this set lacks.
    pub const fn missing(self, other: Self) -> Self {
        Self(other.0 & !self.0)
    }

    /// How many permissions are in the set. Fewer means less privileged.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |p| self.0 & p.bit() != 0)
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<T: IntoIterator<Item = Permission>>(iter: T) -> Self {
        Self(iter.into_iter().fold(0, |bits, p| bits | p.bit()))
    }
}

impl fmt::Display for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, p) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(" + ")?;
            }
            f.write_str(p.token())?;
        }
        Ok(())
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip_and_are_distinct() {
        for p in Permission::ALL {
            assert_eq!(p.token().parse(), Ok(p));
        }
        assert_eq!(Permission::ALL.into_iter().collect::<PermissionSet>().len(), 13);
        assert!("modify_trades".parse::<Permission>().is_err());
    }

    #[test]
    fn missing_names_what_is_lacking() {
        let key = PermissionSet::of(&[Permission::ModifyTrades]);
        let needs = PermissionSet::of(&[Permission::ModifyTrades, Permission::CloseTrades]);
        assert!(!key.contains(needs));
        assert!(needs.contains(key));
        assert_eq!(key.missing(needs).to_string(), "close-trades");
    }
}
