//! What Kraken says of a key's use, held against our own.
//!
//! `GetApiKeyInfo` tells the highest nonce that Kraken has seen on the key and when it was last used. Both speak of the question
//! itself or of the call before it; Kraken does not say which. So only what is above or between is believed: a nonce that is
//! higher than any of ours, and a use that falls into a time in which we are sure to have been idle.

use tidegate_core::{MonoUs, Nonce, UnixUs};

use super::Lane;

/// Calls of ours are still on their way this long after they left, at the most.
const LATE_US: u64 = 60_000_000;
/// How far clocks may differ, and how coarse Kraken's seconds are.
const COARSE_US: u64 = 5_000_000;

/// What Kraken says of the use of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// The highest nonce seen.
    pub nonce: Option<Nonce>,
    /// When it was used.
    pub last_used: Option<UnixUs>,
}

impl Lane {
    /// Whether what Kraken says of the key's use, in answer to the newest question of this epoch, shows that somebody else uses
    /// it: then in words for an operator, and it is noted. The lane goes on, because Kraken has just taken its nonce; the next
    /// refused one that nothing explains closes the key.
    pub fn foreign_use(&mut self, said: KeyUse, now: MonoUs) -> Option<String> {
        let words = self.who_else(said)?;
        self.suspicion.note(now);
        Some(words)
    }

    fn who_else(&self, said: KeyUse) -> Option<String> {
        let (unit, ours) = (self.config.unit, self.nonces.last()?);
        if let Some(theirs) = said.nonce.filter(|theirs| *theirs > ours) {
            let finer = if theirs.0 / 500 > ours.0 { ", in a finer unit" } else { "" };
            return Some(format!(
                "another program uses this key: Kraken has seen nonce {theirs} on it, and the highest of ours is {ours} ({unit}); \
                 he counts higher{finer}; stop him, or make a new key for tidegate alone"
            ));
        }
        // Only while the lane was ours without a break is it known when the key was idle.
        let (idle_from, asked) = (self.idle_since?, self.drawn_at?);
        let idle = idle_from.0 + LATE_US..asked.0.saturating_sub(COARSE_US);
        let used = said.last_used.filter(|used| idle.contains(&used.0))?;
        let ago_s = asked.0.saturating_sub(used.0) / 1_000_000;
        Some(format!(
            "another program uses this key: Kraken says that it was used {ago_s} s ago, when no call of ours was under way"
        ))
    }
}
