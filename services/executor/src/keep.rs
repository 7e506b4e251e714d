//! The task of one lane: it runs the keeper's errands to the store, and wakes the machines when time does.
//!
//! What to ask and when is decided by [`Keeper`], which is pure; here is what needs a runtime: waiting, the store's
//! answers, the end of the process, and the words for the log.

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::MonoUs;
use tidegate_lanes::{
    Errand, Fingerprint, GrantReply, GrantRequest, GrantStore, Heard, Keeper, LOOK_AGAIN_US, LaneState,
    Member, Release,
};
use tidegate_runtime::Drain;
use tidegate_runtime::telemetry::StoreAct;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::lane_cell::{LaneCell, Next};
use crate::verify::ends_soon;

/// The task of a lane.
pub(crate) struct Keep {
    pub cell: Arc<LaneCell>,
    pub store: Arc<dyn GrantStore>,
    pub keeper: Keeper,
    /// The live members, as the store last said them; for the directory.
    pub members: watch::Sender<Vec<Member>>,
    pub drain: Drain,
}

impl Keep {
    /// Keeps the lane until the drain begins, then gives it back.
    pub(crate) async fn run(mut self) {
        let mut notices = self.store.notices();
        let mut store_trouble = false;
        loop {
            let leaving = self.drain.is_begun();
            if leaving {
                self.keeper.leave();
            }
            self.stop_before_the_end();
            let next = self.cell.pump();
            match self.errand(next) {
                Errand::Ask(request) => self.ask(&request, &mut store_trouble).await,
                Errand::GiveBack(release) => self.give_back(&release).await,
                Errand::Gone => return self.cell.announce(),
                Errand::WaitUntil(until) => {
                    let wake_at = match next {
                        Next::At(at) => self.instant(until.min(at)),
                        Next::Woken | Next::Grant => {
                            self.instant(self.deadline().map_or(until, |at| until.min(at)))
                        }
                    };
                    tokio::select! {
                        () = tokio::time::sleep_until(wake_at) => {}
                        () = self.cell.wake.notified() => {}
                        () = self.drain.begun(), if !leaving => {}
                        () = told_of(&mut notices, &self.cell.key.grant_key.fingerprint) => {
                            self.keeper.noticed(self.cell.shared.clock.mono());
                        }
                    }
                }
            }
        }
    }

    fn errand(&mut self, next: Next) -> Errand {
        let clock = &self.cell.shared.clock;
        let mut handed_back = Vec::new();
        let errand = {
            let mut state = self.cell.lock();
            let pressing = next == Next::Grant;
            self.keeper.next(&mut state.lane, clock.mono(), clock.wall(), pressing, &mut handed_back)
        };
        if !handed_back.is_empty() {
            self.cell.hand_back(&handed_back);
            self.cell.announce();
        }
        errand
    }

    /// Stops using a key that is about to expire: a call that is on its way then must not find it gone.
    fn stop_before_the_end(&self) {
        let wall = self.cell.shared.clock.wall();
        let handed_back = {
            let mut state = self.cell.lock();
            let ends = state.limits.expires.is_some_and(|expires| ends_soon(expires, wall));
            if !ends || matches!(state.lane.state(), LaneState::Refused { .. }) {
                return;
            }
            let again = self.cell.shared.clock.mono().plus_us(LOOK_AGAIN_US);
            state
                .lane
                .refuse_until(again, "it expires within a minute; make a new key, or prolong it at Kraken")
        };
        error!(key = %self.cell.key.label, "the key is not used any more: it expires within a minute");
        self.cell.hand_back(&handed_back);
        self.cell.announce();
    }

    fn instant(&self, at: MonoUs) -> Instant {
        Instant::now() + Duration::from_micros(at.us_since(self.cell.shared.clock.mono()))
    }

    fn deadline(&self) -> Option<MonoUs> {
        self.cell.lock().lane.earliest_deadline().map(|at| at.plus_us(1))
    }

    /// One request to the store and what follows from it.
    async fn ask(&mut self, request: &GrantRequest, store_trouble: &mut bool) {
        let clock = Arc::clone(&self.cell.shared.clock);
        let label = &self.cell.key.label;
        let sent_at = clock.mono();
        match self.timed(StoreAct::Grant, self.store.grant(request)).await {
            Ok(answer) => {
                if std::mem::take(store_trouble) {
                    info!(key = %label, "the store answers again");
                }
                let heard = {
                    let mut state = self.cell.lock();
                    let heard =
                        self.keeper.answered(&mut state.lane, sent_at, clock.mono(), clock.wall(), answer);
                    state.owner = self.keeper.owner().map(ToString::to_string).unwrap_or_default();
                    heard
                };
                self.explain(&heard);
                if heard.members_changed {
                    self.members.send_replace(self.keeper.members().to_vec());
                }
                self.cell.hand_back(&heard.handed_back);
            }
            Err(error) => {
                self.keeper.unanswered(&mut self.cell.lock().lane, clock.mono());
                if !std::mem::replace(store_trouble, true) {
                    warn!(key = %label, %error, "the store cannot be asked for the grant");
                }
            }
        }
        self.cell.announce();
    }

    async fn give_back(&mut self, release: &Release) {
        let (label, epoch) = (&self.cell.key.label, release.released.epoch);
        self.cell.announce();
        match self.timed(StoreAct::Release, self.store.release(release)).await {
            Ok(()) if epoch > 0 => info!(key = %label, epoch, "gave the key back"),
            Ok(()) => {}
            Err(error) => {
                warn!(key = %label, epoch, %error, "the key could not be given back; its grant will expire");
            }
        }
        self.keeper.given_back(self.cell.shared.clock.mono());
        self.cell.lock().owner.clear();
        self.cell.announce();
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

    /// Says what an answer of the store means.
    fn explain(&self, heard: &Heard) {
        let key = &self.cell.key.label;
        if let Some(generation) = &heard.forgot {
            warn!(
                %key, generation,
                "the store has lost its memory or was replaced; live owners go on, other keys wait some seconds"
            );
        }
        if let Some(refused) = heard.refused {
            error!(%key, %refused, "a grant of the store would ruin the key and is not used");
        }
        match heard.reply {
            GrantReply::Granted { epoch, first_of_epoch: true, .. } => {
                info!(%key, epoch, "took the key; asking Kraken what it is");
            }
            GrantReply::Recovering { until_us, store_now_us } => {
                let wait_ms = until_us.saturating_sub(store_now_us) / 1_000;
                debug!(%key, wait_ms, "the key rests while the store recovers its memory");
            }
            GrantReply::Skewed { store_now_us } => {
                let ours_us = self.cell.shared.clock.wall().0;
                let ahead_ms = (i128::from(ours_us) - i128::from(store_now_us)) / 1_000;
                error!(
                    %key, ahead_ms,
                    "no grant: the clocks of this machine and of the store differ by more than a second"
                );
            }
            GrantReply::TooFarAhead { lo_us, store_now_us } => {
                let ahead_s = lo_us.saturating_sub(store_now_us) / 1_000_000;
                error!(
                    %key, ahead_s,
                    "no grant: the key changed hands so often that its nonces run ahead of the clock; it rests"
                );
            }
            _ => {}
        }
    }
}

/// Waits until the store tells that a key was given back. Whoever lags behind may have missed it, so that counts too.
async fn told_of(notices: &mut broadcast::Receiver<Fingerprint>, key: &Fingerprint) {
    loop {
        match notices.recv().await {
            Ok(released) if released == *key => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
        }
    }
}
