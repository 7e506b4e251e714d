//! One life of an executor process: its clocks, its lanes, and what its shell remembers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_core::{AccountName, MonoUs, OwnerId, PoolName, UnixUs};
use tidegate_lanes::{Fingerprint, GrantIds, GrantKey, Lane, LaneConfig, TicketId};

use crate::plan::{ACCOUNTS, Act, EPOCH_US, KeyPlan, Plan, Point};
use tidegate_lanes::{Keeper, Pace};

/// Clocks of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    born_us: u64,
    /// How fast the monotonic clock runs, in millionths off.
    drift_ppm: i64,
    /// By how much the wall clock differs from true time.
    pub wall_off_us: i64,
}

const MILLION: i128 = 1_000_000;

impl Clocks {
    pub(crate) fn mono(&self, t_us: u64) -> MonoUs {
        let age = i128::from(t_us - self.born_us);
        let run = age + age * i128::from(self.drift_ppm) / MILLION;
        MonoUs(1_000_000 + u64::try_from(run).unwrap_or_default())
    }

    pub(crate) const fn wall(&self, t_us: u64) -> UnixUs {
        UnixUs((EPOCH_US + t_us).saturating_add_signed(self.wall_off_us))
    }

    /// The first true time at which the monotonic clock shows `mono` or more.
    pub(crate) fn true_us(&self, mono: MonoUs) -> u64 {
        let run = i128::from(mono.0.saturating_sub(1_000_000));
        let age = run * MILLION / (MILLION + i128::from(self.drift_ppm)) + 1;
        let mut t_us = self.born_us.saturating_add(u64::try_from(age).unwrap_or(u64::MAX >> 1));
        while t_us > self.born_us && self.mono(t_us - 1) >= mono {
            t_us -= 1;
        }
        t_us
    }
}

/// A lane with its keeper, as the shell holds them.
#[derive(Debug)]
pub(crate) struct Cell {
    pub lane: Lane,
    pub keeper: Keeper,
    /// Calls that wait, by ticket.
    pub waiting: BTreeMap<TicketId, usize>,
    /// A request to the store is under way; the lane's own task waits for it.
    pub busy: bool,
    /// A notice came meanwhile.
    pub noticed: bool,
    /// Which of the wake-ups counts.
    pub wake: u64,
    pub gone: bool,
    /// The last request to the store came to nothing.
    pub unanswered: bool,
}

/// One life.
#[derive(Debug)]
pub(crate) struct Process {
    pub life: u64,
    pub up: bool,
    pub leaving: bool,
    /// Claims that are still to be taken back; it does not end before.
    pub owed: usize,
    /// For how long it stays away after it has left.
    pub down_us: u64,
    pub paused_until_us: u64,
    /// To be stopped at its next act of a kind, for so long.
    pub freeze: Option<(Act, u64)>,
    /// To be killed at a failpoint, and for how long it stays away.
    pub fails: Option<(Point, u64)>,
    /// How fast it looks for the orders of each account, and whether it does just now.
    pub paces: [Pace; ACCOUNTS.len()],
    pub looking: [bool; ACCOUNTS.len()],
    pub clocks: Clocks,
    pub cells: Vec<Cell>,
}

/// The name of a key in the store.
pub(crate) fn grant_key(key: &KeyPlan) -> GrantKey {
    GrantKey { domain: domain(key.account), fingerprint: Fingerprint::of_api_key(&key.label) }
}

/// The domain of an account.
#[expect(clippy::expect_used, reason = "the names are constants")]
pub(crate) fn domain(account: usize) -> AccountName {
    ACCOUNTS[account].parse().expect("a label")
}

impl Process {
    #[expect(clippy::expect_used, reason = "the names are our own")]
    pub(crate) fn start(plan: &Plan, slot: usize, life: u64, t_us: u64, drift_ppm: i64) -> Self {
        let owner = OwnerId::named(&format!("owner-{slot}-{life}"));
        let clocks = Clocks { born_us: t_us, drift_ppm, wall_off_us: plan.wall_us[slot] };
        let pool: PoolName = "default".parse().expect("a label");
        let mounts = |account: usize| -> Arc<[Fingerprint]> {
            plan.keys.iter().filter(|k| k.account == account).map(|k| grant_key(k).fingerprint).collect()
        };
        let cell = |key: &KeyPlan| {
            let config = LaneConfig {
                label: key.label.parse().expect("a label"),
                unit: key.unit,
                window: key.window,
                tier: plan.tier,
                permissions: key.permissions,
                codes: false,
                queue_len_max: 64,
                in_flight_max: 16,
            };
            let ids = GrantIds {
                key: grant_key(key),
                owner: owner.clone(),
                advertise: format!("host-{slot}:50052"),
                pool: pool.clone(),
                mounts: mounts(key.account),
            };
            Cell {
                lane: Lane::new(config, clocks.mono(t_us)),
                keeper: Keeper::new(ids),
                waiting: BTreeMap::new(),
                busy: false,
                noticed: false,
                wake: 0,
                gone: false,
                unanswered: false,
            }
        };
        let cells = plan.keys.iter().map(cell).collect();
        Self {
            life,
            up: true,
            leaving: false,
            owed: 0,
            down_us: 0,
            paused_until_us: 0,
            freeze: None,
            fails: None,
            paces: std::array::from_fn(|_| Pace::default()),
            looking: [false; ACCOUNTS.len()],
            clocks,
            cells,
        }
    }
}
