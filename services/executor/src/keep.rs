//! The task of one lane: it keeps the grant, follows the placement, and wakes the machine when time does.
//!
//! Every request to the store is a renewal, an attempt to take the key, or a look, and each of them announces this
//! process and brings back who else is alive. From the members every process computes the same proposal. The
//! proposed process takes the key as soon as it is free; one that owns a key and is not proposed any more hands it over:
//! what waits goes back unsent, what is in flight ends, the grant is released with its last nonce.

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::MonoUs;
use tidegate_lanes::{
    GrantAnswer, GrantIds, GrantReply, GrantRequest, GrantStore, Intent, LaneState, Member, Release, Want,
    propose,
};
use tidegate_runtime::Drain;
use tidegate_runtime::telemetry::StoreAct;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::lane_cell::{LaneCell, Next};
use crate::verify::ends_soon;

/// Between two requests to the store while nothing presses.
const RENEW_EVERY: Duration = Duration::from_millis(1_500);
/// While waiting for a key that another process is about to hand over.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Between two requests to the store at the least, however much presses.
const AT_LEAST: Duration = Duration::from_millis(50);

/// What the keeper of a lane needs.
pub(crate) struct Keeper {
    pub cell: Arc<LaneCell>,
    pub store: Arc<dyn GrantStore>,
    pub ids: GrantIds,
    /// The live members, as the store last said them; for the directory.
    pub members: watch::Sender<Vec<Member>>,
    pub drain: Drain,
}

impl Keeper {
    /// Keeps the lane until the drain begins, then gives it back.
    pub(crate) async fn run(self) {
        let mut ask_store_at = Instant::now();
        let mut store_trouble = false;
        loop {
            if self.drain.is_begun() {
                return self.give_back().await;
            }
            self.stop_before_the_end();
            let next = self.cell.pump();
            let pressing = next == Next::Grant && self.cell.lock().lane.epoch().is_some();
            if Instant::now() >= ask_store_at || pressing {
                let asked = Instant::now();
                let pause = match self.ask_store().await {
                    Ok(pause) => {
                        if std::mem::take(&mut store_trouble) {
                            info!(key = %self.cell.key.label, "the store answers again");
                        }
                        pause
                    }
                    Err(text) => {
                        self.cell.lock().lane.store_gone();
                        if !std::mem::replace(&mut store_trouble, true) {
                            warn!(key = %self.cell.key.label, error = %text, "the store cannot be asked for the grant");
                        }
                        LOOK_AGAIN
                    }
                };
                self.cell.announce();
                ask_store_at = asked + pause;
                // Pressing or not, the store is not hammered.
                tokio::time::sleep_until(asked + AT_LEAST.min(pause)).await;
                continue;
            }
            let wake_at = match next {
                Next::At(at) => ask_store_at.min(self.instant(at)),
                Next::Woken | Next::Grant => self.deadline().map_or(ask_store_at, |at| ask_store_at.min(at)),
            };
            tokio::select! {
                () = tokio::time::sleep_until(wake_at) => {}
                () = self.cell.wake.notified() => {}
                () = self.drain.begun() => {}
            }
        }
    }

    /// Stops using a key that is about to expire: a call that is on its way then must not find it gone.
    fn stop_before_the_end(&self) {
        let wall = self.cell.shared.clock.wall();
        let handed_back = {
            let mut state = self.cell.lock();
            let ends = state.expires.is_some_and(|expires| ends_soon(expires, wall));
            if !ends || matches!(state.lane.state(), LaneState::Refused { .. }) {
                return;
            }
            state.lane.refuse("it expires within a minute; make a new key")
        };
        error!(key = %self.cell.key.label, "the key is not used any more: it expires within a minute");
        self.cell.hand_back(&handed_back);
        self.cell.announce();
    }

    fn instant(&self, at: MonoUs) -> Instant {
        Instant::now() + Duration::from_micros(at.us_since(self.cell.shared.clock.mono()))
    }

    fn deadline(&self) -> Option<Instant> {
        let earliest = self.cell.lock().lane.earliest_deadline();
        earliest.map(|at| self.instant(at.plus_us(1)))
    }

    /// One request to the store and what follows from it. Returns when to ask again.
    async fn ask_store(&self) -> Result<Duration, String> {
        let clock = &self.cell.shared.clock;
        let proposed = self.is_proposed();
        let holds = self.cell.lock().lane.epoch().is_some();
        if holds && !proposed {
            self.release(false).await;
        }
        let want = if proposed { Want::Hold } else { Want::Look };
        let sent_at = clock.mono();
        let terms = self.cell.lock().lane.terms(sent_at, clock.wall(), want);
        let request = GrantRequest { ids: self.ids.clone(), terms };
        let answer = self.timed(StoreAct::Grant, self.store.grant(&request)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let GrantAnswer { reply, members, sight } = answer;
        if self.cell.lock().lane.saw(&sight, sent_at, clock.mono()) {
            warn!(
                key = %self.cell.key.label, generation = sight.generation,
                "the store has lost its memory or was replaced; live owners go on, other keys wait some seconds"
            );
        }
        self.note_members(members);
        self.note_owner(&reply);
        if request.terms.intent == Intent::Look {
            // Whether this process is proposed was not known when it looked.
            return Ok(if self.is_proposed() { Duration::ZERO } else { RENEW_EVERY });
        }
        let granted = matches!(reply, GrantReply::Granted { .. });
        let outcome = self.cell.lock().lane.grant_given(sent_at, clock.mono(), clock.wall(), &reply);
        match outcome {
            Ok(handed_back) => self.cell.hand_back(&handed_back),
            Err(refused) => {
                error!(key = %self.cell.key.label, %refused, "a grant of the store would ruin the key and is not used");
            }
        }
        self.cell.pump();
        Ok(if granted { RENEW_EVERY } else { LOOK_AGAIN })
    }

    /// A request to the store, counted.
    async fn timed<T, E>(&self, act: StoreAct, request: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let shared = &self.cell.shared;
        let began = shared.clock.mono();
        let result = request.await;
        let took = Duration::from_micros(shared.clock.mono().us_since(began));
        shared.metrics.store_request(act, result.is_ok(), took);
        result
    }

    fn note_owner(&self, reply: &GrantReply) {
        let mut state = self.cell.lock();
        match reply {
            GrantReply::Granted { epoch, first_of_epoch, .. } => {
                if *first_of_epoch {
                    info!(key = %self.cell.key.label, epoch, "took the key; asking Kraken what it is");
                }
                state.owner = self.ids.owner.to_string();
            }
            GrantReply::Held { owner, .. } => state.owner = owner.to_string(),
            GrantReply::Free { .. } | GrantReply::Lost { .. } => state.owner.clear(),
            GrantReply::Recovering { until_us, store_now_us } => {
                state.owner.clear();
                let wait_ms = until_us.saturating_sub(*store_now_us) / 1_000;
                debug!(key = %self.cell.key.label, wait_ms, "the key rests while the store recovers its memory");
            }
            GrantReply::Skewed { store_now_us } => {
                let ours_us = self.cell.shared.clock.wall().0;
                let ahead_ms = i128::from(ours_us) - i128::from(*store_now_us);
                error!(
                    key = %self.cell.key.label, ahead_ms = ahead_ms / 1_000,
                    "no grant: the clocks of this machine and of the store differ by more than a second"
                );
            }
            GrantReply::TooFarAhead { lo_us, store_now_us } => {
                let ahead_s = lo_us.saturating_sub(*store_now_us) / 1_000_000;
                error!(
                    key = %self.cell.key.label, ahead_s,
                    "no grant: the key changed hands so often that its nonces run ahead of the clock; it rests"
                );
            }
        }
    }

    /// Whether the placement gives the key to this process. Before the first answer nobody is known, so nobody is.
    fn is_proposed(&self) -> bool {
        propose(&self.members.borrow()).get(&self.ids.key.fingerprint) == Some(&self.ids.owner)
    }

    /// Hands back what waits, lets end what is in flight, and gives the grant back.
    async fn release(&self, leave: bool) {
        let handed_back = self.cell.lock().lane.drain();
        self.cell.hand_back(&handed_back);
        self.cell.announce();
        loop {
            let now = self.cell.shared.clock.mono();
            let (held, released) = {
                let mut state = self.cell.lock();
                (state.lane.epoch().is_some(), state.lane.release(now))
            };
            if let Some(released) = released {
                info!(key = %self.cell.key.label, epoch = released.epoch, "gave the key back");
                let release = Release { ids: self.ids.clone(), released, leave };
                if let Err(error) = self.timed(StoreAct::Release, self.store.release(&release)).await {
                    warn!(key = %self.cell.key.label, %error, "the key could not be given back; its grant will expire");
                }
                return;
            }
            if !held {
                return;
            }
            // Something is in flight; it wakes us when it ends.
            let _ = tokio::time::timeout(LOOK_AGAIN, self.cell.wake.notified()).await;
        }
    }

    fn note_members(&self, members: Vec<Member>) {
        self.members.send_if_modified(|known| {
            let who = |m: &Member| (m.owner.clone(), m.mounts.clone());
            let same = known.iter().map(who).eq(members.iter().map(who));
            *known = members;
            !same
        });
    }

    async fn give_back(&self) {
        // A process that came a moment ago may not be known yet, and gateways learn of it from this one.
        let clock = &self.cell.shared.clock;
        let terms = self.cell.lock().lane.terms(clock.mono(), clock.wall(), Want::Look);
        let look = GrantRequest { ids: self.ids.clone(), terms };
        if let Ok(answer) = self.timed(StoreAct::Grant, self.store.grant(&look)).await {
            self.note_members(answer.members);
        }
        self.release(true).await;
        self.cell.announce();
    }
}
