//! Money that moves without a trade.

use super::Engine;
use crate::exchange::accounts::LedgerEntry;
use crate::exchange::ids::Id;

impl Engine {
    /// The next id of a kind.
    pub(crate) fn next_id(&mut self, kind: u8) -> Id {
        self.ids.id(kind)
    }

    /// Books an amount to (or, negative, from) an account, under a type and a subtype of the ledger. What it is taken from, or
    /// goes to, is the caller's to book.
    pub(crate) fn book_move(
        &mut self,
        at_us: u64,
        account: usize,
        (kind, subtype): (&'static str, &'static str),
        refid: Id,
        asset: usize,
        amount: i128,
    ) {
        let refid = refid.into();
        let entry = LedgerEntry { account, refid, kind, subtype, at_us, asset, amount, fee: 0, balance: 0 };
        let id = self.ids.id(b'L');
        self.accounts.book(id, entry);
    }
}
