//! The worlds that are searched: small enough to be searched whole, each rich in one kind of trouble.

use crate::config::{Budget, Config};

const NONE: Budget = Budget {
    flushes: 0,
    promotions: 0,
    syncs: 0,
    crashes: [0, 0],
    releases: 0,
    duplicates: 0,
    abandonments: 0,
};

/// One world for each kind of trouble, for keys of one window.
pub(crate) struct Worlds {
    /// Hand-overs and reordering, nothing fails.
    pub calm: Config,
    /// Hung calls, pauses, a hand-over.
    pub calls: Config,
    /// One request reaches the exchange twice.
    pub copies: Config,
    /// Each owner dies once and restarts.
    pub deaths: Config,
    /// A wall clock that is ahead by more than a grant.
    pub hasty_clock: Config,
    /// One flush.
    pub flush: Config,
    /// One older copy becomes the store.
    pub promotion: Config,
    /// Hand-overs that drive the range ahead of the clock, then a flush.
    pub ahead: Config,
    /// The same, then an older copy.
    pub ahead_promotion: Config,
    /// The same flush with a lead guard that hand-overs reach.
    pub low_guard: Config,
    /// Two flushes and a restart.
    pub two_flushes: Config,
    /// Two older copies.
    pub two_promotions: Config,
    /// One of each.
    pub both: Config,
    /// Two flushes, and calls up to the end of the range between them.
    pub two_jumps: Config,
    /// Every state is asked whether each owner can still open the lane.
    pub opens: Config,
    /// The same with a lead guard that floors reach.
    pub short_lead: Config,
}

/// The worlds of a window of 0 or 2.
pub(crate) fn worlds(window: u8) -> Worlds {
    let narrow = window == 0;
    let quiet = Config::quiet(window);
    let flush = Config { end: 9, faults_until: 3, budget: Budget { flushes: 1, ..NONE }, ..quiet };
    let releases = if narrow { 6 } else { 4 };
    let ahead = Config {
        end: 6,
        faults_until: 2,
        calls: [0, 0],
        late_renewals: false,
        budget: Budget { flushes: 1, releases, ..NONE },
        ..quiet
    };
    // Two generations, one after the other, with all their waits: room for little else.
    let brief = Config {
        ttl: 1,
        end: if narrow { 10 } else { 14 },
        faults_until: if narrow { 6 } else { 8 },
        calls: [0, 0],
        epochs_max: if narrow { 4 } else { 3 },
        wire_max: 2,
        late_renewals: false,
        prompt_replies: true,
        ..quiet
    };
    Worlds {
        calm: Config {
            calm: true,
            faults_until: quiet.end,
            calls: [2, 1],
            budget: Budget { releases: 2, ..NONE },
            ..quiet
        },
        calls: Config {
            end: 6,
            faults_until: 6,
            budget: Budget { abandonments: 2, releases: 1, ..NONE },
            ..quiet
        },
        copies: Config { end: 6, budget: Budget { abandonments: 1, duplicates: 1, ..NONE }, ..quiet },
        deaths: Config { end: 7, budget: Budget { crashes: [1, 1], abandonments: 1, ..NONE }, ..quiet },
        hasty_clock: Config { end: 6, skew: [4, 0], ..quiet },
        flush,
        promotion: Config { budget: Budget { promotions: 1, syncs: 1, ..NONE }, ..flush },
        ahead,
        ahead_promotion: Config { budget: Budget { promotions: 1, syncs: 1, releases, ..NONE }, ..ahead },
        low_guard: Config { lead_cap: 1, end: 9, ..ahead },
        two_flushes: Config { budget: Budget { flushes: 2, crashes: [1, 0], ..NONE }, ..brief },
        two_promotions: Config { budget: Budget { promotions: 2, syncs: 1, ..NONE }, ..brief },
        both: Config { budget: Budget { promotions: 1, flushes: 1, syncs: 1, ..NONE }, ..brief },
        two_jumps: Config {
            reserve: 2,
            end: if narrow { 12 } else { 16 },
            faults_until: if narrow { 7 } else { 9 },
            calls: [2, 0],
            epochs_max: 2,
            budget: Budget { flushes: 2, ..NONE },
            ..brief
        },
        opens: Config {
            end: 6,
            faults_until: 3,
            calls: [1, 0],
            liveness: true,
            budget: Budget { flushes: 1, crashes: [1, 0], abandonments: 1, ..NONE },
            ..quiet
        },
        short_lead: Config {
            end: 5,
            faults_until: 3,
            calls: [0, 0],
            lead_cap: 8,
            liveness: true,
            budget: Budget { flushes: 1, ..NONE },
            ..quiet
        },
    }
}
