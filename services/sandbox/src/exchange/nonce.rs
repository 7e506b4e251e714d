//! The nonce rule of one key.
//!
//! The highest nonce accepted so far is remembered for ever. Window 0: a nonce must be above it. Window w: it must be
//! above `highest - w`, in ticks of the key's own unit, so a late one is accepted, and so, as Kraken never says
//! otherwise, is a repeated one (Kraken docs: rest/authentication, support article "nonce window").

use std::collections::BTreeSet;

/// How many nonces inside a window are remembered. The lowest are forgotten first.
const REMEMBERED_MAX: usize = 100_000;

/// What a key remembers of its nonces.
#[derive(Debug)]
pub(crate) struct NonceState {
    window: u64,
    highest: Option<u64>,
    /// Accepted nonces that the window would accept again. Empty for window 0.
    used: BTreeSet<u64>,
}

impl NonceState {
    pub(crate) fn new(window: u64) -> Self {
        Self { window, highest: None, used: BTreeSet::new() }
    }

    /// Sets another window. What was used inside a narrower one is not known any more, so it counts as unused.
    pub(crate) fn set_window(&mut self, window: u64) {
        self.window = window;
        if window == 0 {
            self.used.clear();
        }
    }

    /// The highest nonce accepted so far.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Judges a nonce and, if it passes, consumes it.
    pub(crate) fn accept(&mut self, nonce: u64, refuse_replays: bool) -> bool {
        let Some(highest) = self.highest else {
            self.remember(nonce);
            return true;
        };
        let fits = match self.window {
            0 => nonce > highest,
            // Not `highest - window`: at the low end of the range everything is inside the window.
            window => nonce.checked_add(window).is_none_or(|reach| reach > highest),
        };
        if !fits || (refuse_replays && self.used.contains(&nonce)) {
            return false;
        }
        self.remember(nonce);
        true
    }

    fn remember(&mut self, nonce: u64) {
        let highest = self.highest.map_or(nonce, |highest| highest.max(nonce));
        self.highest = Some(highest);
        if self.window == 0 {
            return;
        }
        self.used.insert(nonce);
        if let Some(below) = highest.checked_sub(self.window) {
            while self.used.first().is_some_and(|lowest| *lowest <= below) {
                self.used.pop_first();
            }
        }
        while self.used.len() > REMEMBERED_MAX {
            self.used.pop_first();
        }
    }
}

/// Reads a nonce: decimal digits and nothing else, inside 64 bits.
pub(crate) fn parse(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule in one line over everything that was ever accepted.
    fn naive(accepted: &[u64], window: u64, nonce: u64, refuse_replays: bool) -> bool {
        let Some(highest) = accepted.iter().max() else { return true };
        let (nonce_wide, highest, window) = (i128::from(nonce), i128::from(*highest), i128::from(window));
        let fits = if window == 0 { nonce_wide > highest } else { nonce_wide > highest - window };
        fits && !(refuse_replays && accepted.contains(&nonce))
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_rule(
            window in prop_oneof![Just(0_u64), 1..20_u64, Just(u64::MAX)],
            refuse in any::<bool>(),
            nonces in prop::collection::vec(prop_oneof![0..60_u64, u64::MAX - 30..=u64::MAX], 1..80),
        ) {
            let mut state = NonceState::new(window);
            let mut accepted = Vec::new();
            for nonce in nonces {
                let expected = naive(&accepted, window, nonce, refuse);
                prop_assert_eq!(state.accept(nonce, refuse), expected, "{} after {:?}", nonce, &accepted);
                if expected {
                    accepted.push(nonce);
                }
            }
            prop_assert_eq!(state.highest(), accepted.iter().max().copied());
        }
    }

    #[test]
    fn only_digits_are_a_nonce() {
        assert_eq!(parse("1616492376"), Some(1_616_492_376));
        assert_eq!(parse("9999999999999999999"), Some(9_999_999_999_999_999_999));
        for text in ["", "-1", "+1", "1.0", "1e9", " 1", "18446744073709551616"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
