//! The address by which this process reaches Kraken, and what Kraken holds against it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_core::{Clock, Endpoint, Error, ErrorKind};
use tidegate_kraken::{Executed, KeyEffect, Refusal};
use tidegate_lanes::{Breaker, Held, Priority, Traffic, Trouble};
use tidegate_runtime::telemetry::Metrics;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{error, info, warn};

/// Statuses by which the edge in front of Kraken refuses an address (Cloudflare's 1015 comes as 429).
const REFUSED_BY_EDGE: [u16; 2] = [403, 429];

/// Keys whose verification may be on its way at the same time.
const TRIES_MAX: usize = 3;

/// One per process: `kraken.egress` in the configuration.
pub(crate) struct Egress {
    label: String,
    breaker: Mutex<Breaker>,
    /// Keys of which nothing is known yet are tried a few at a time, so that a process full of bad ones does not fail with all
    /// of them before the first answer.
    tries: Semaphore,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Egress({})", self.label)
    }
}

impl Egress {
    /// `failures_max`: so many failed authentications within a minute stop calls.
    pub(crate) fn new(label: String, failures_max: usize, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        let breaker = Mutex::new(Breaker::new(failures_max));
        let this = Self { label, breaker, tries: Semaphore::new(TRIES_MAX), clock, metrics };
        this.metrics.egress_failures(0, &this.label);
        this.show(None);
        this
    }

    /// The lock. The breaker has no I/O to fail at, so a panic elsewhere cannot leave it between two states.
    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn to verify a key.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.tries.acquire().await.ok()
    }

    /// Whether such a call would be let out now. Takes no place.
    pub(crate) fn look(&self, traffic: Traffic) -> Result<(), Held> {
        self.lock().look(self.clock.mono(), traffic)
    }

    /// Lets a call out, or says why not. To be asked directly before it leaves.
    pub(crate) fn admit(&self, traffic: Traffic) -> Result<(), Held> {
        self.lock().admit(self.clock.mono(), traffic)
    }

    /// Whether nothing at all may leave.
    pub(crate) fn is_silent(&self) -> bool {
        let held = self.look(Traffic::Cancel);
        held.is_err_and(|held| held.trouble == Trouble::Lockout && held.wait_us > 0)
    }

    /// Why calls are held back at present.
    pub(crate) fn trouble(&self) -> Option<Held> {
        self.lock().trouble(self.clock.mono()).filter(|held| held.wait_us > 0)
    }

    /// What an operator is told of the trouble.
    pub(crate) fn words(&self, trouble: Trouble) -> String {
        format!("egress {:?} {}", self.label, trouble.words())
    }

    /// The refusal of a call that was not sent.
    pub(crate) fn refusal(&self, endpoint: &Endpoint, held: Held) -> Error {
        let text = format!("{} was not sent: {}", endpoint.name, self.words(held.trouble));
        Error::new(ErrorKind::Unavailable, text)
            .retry_after_ms(held.wait_us.div_ceil(1_000).max(1))
            .with_fact("endpoint", endpoint.name)
            .with_fact("held_back", held.trouble.as_str())
            .with_fact("egress", self.label.clone())
    }

    /// Kraken answered a signed call.
    pub(crate) fn answered(&self, refusal: Option<&Refusal>) {
        let authenticated = match refusal {
            None => true,
            Some(refusal) => match refusal.effect {
                KeyEffect::PermissionDenied => true,
                // An internal error says nothing of who was recognised before it.
                KeyEffect::None => refusal.executed == Executed::No,
                _ => false,
            },
        };
        if authenticated && self.lock().authenticated(self.clock.mono()) {
            info!(egress = %self.label, "Kraken takes calls from this address again");
            self.show(None);
        }
    }

    /// Kraken did not authenticate a call of ours.
    pub(crate) fn failed(&self) {
        self.metrics.egress_failures(1, &self.label);
        let now = self.clock.mono();
        let held = {
            let mut breaker = self.lock();
            breaker.failed(now).then(|| breaker.trouble(now)).flatten()
        };
        if let Some(held) = held {
            let rest_s = held.wait_us / 1_000_000;
            error!(egress = %self.label, rest_s, "{}; one cancel per 5 s leaves", self.words(held.trouble));
            self.show(Some(held.trouble));
        }
    }

    /// Kraken said that the address is locked out.
    pub(crate) fn locked_out(&self) {
        let now = self.clock.mono();
        self.lock().locked_out(now);
        error!(egress = %self.label, "{}; nothing leaves for a quarter of an hour", self.words(Trouble::Lockout));
        self.show(Some(Trouble::Lockout));
    }

    /// A response came that is none of Kraken's own.
    pub(crate) fn http_status(&self, status: u16, retry_after_s: Option<u64>) {
        if !REFUSED_BY_EDGE.contains(&status) {
            return;
        }
        let now = self.clock.mono();
        let trouble = {
            let mut breaker = self.lock();
            breaker.refused_by_edge(now, retry_after_s.map(|s| s.saturating_mul(1_000_000)));
            breaker.trouble(now)
        };
        if let Some(held) = trouble {
            let rest_s = held.wait_us / 1_000_000;
            warn!(egress = %self.label, status, rest_s, "{}; one cancel per 5 s leaves", self.words(held.trouble));
            self.show(Some(held.trouble));
        }
    }

    fn show(&self, trouble: Option<Trouble>) {
        for each in Trouble::ALL {
            self.metrics.egress_held(&self.label, each.as_str(), trouble == Some(each));
        }
    }
}

/// What a call of a lane is to the egress.
pub(crate) const fn traffic(priority: Priority) -> Traffic {
    match priority {
        Priority::Cancel => Traffic::Cancel,
        _ => Traffic::Signed,
    }
}
