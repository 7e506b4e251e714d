//! The async shell around one lane: it performs what the machine says, and sends.
//!
//! The machine sits behind a plain lock that is held for microseconds and never across a wait. Whoever submits a call
//! performs the machine's next steps at once, so an idle lane costs no hand-over between tasks; a task of the
//! lane's own (`keep`) wakes for deadlines, points that have decayed and the grant.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tidegate_core::{Clock, Endpoint, Error, ErrorKind, MonoUs, Nonce, UnixUs};
use tidegate_kraken::{Params, RestClient};
use tidegate_lanes::{
    Denials, End, Findings, Lane, LaneView, Priority, Step, SubmitRefusal, Ticket, TicketId, Traffic,
};
use tidegate_runtime::Drain;
use tidegate_runtime::telemetry::{LaneReading, Metrics, NonceCause, Stage};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tracing::{Span, error, info_span, warn};

use crate::check;
use crate::egress::Egress;
use crate::flight::{self, Landed};
use crate::key::Key;
use crate::verify::Limits;

/// Tickets are numbered across all lanes of the process; zero belongs to verifications.
static NEXT_TICKET: AtomicU64 = AtomicU64::new(1);

/// Until when Kraken's engine may execute a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotAfter {
    /// Kraken takes no deadline for this call.
    None,
    /// So long after the call reaches the head of its lane, and never later than its claim says.
    FromHead { ms: u64, latest: UnixUs },
    /// A time that the caller chose.
    At(UnixUs),
}

/// A call as a lane takes it.
#[derive(Debug)]
pub(crate) struct Job {
    pub endpoint: &'static Endpoint,
    pub params: Params,
    pub not_after: NotAfter,
    /// What it is to the egress; `None` once it has been let out.
    pub traffic: Option<Traffic>,
    /// No longer than this for the whole exchange with Kraken, or until an archive begins.
    pub total: Duration,
    /// Whether the answer is an archive if all goes well.
    pub archive: bool,
    /// For the log.
    pub request_id: String,
    /// The span of the call: whoever sends it does so in a task of another's.
    pub span: Span,
}

/// A job that waits, and whoever waits for it.
pub(crate) struct Waiting {
    pub job: Job,
    pub queued_at: MonoUs,
    /// Ends when the call leaves the queue.
    queue_span: Span,
    pub done: oneshot::Sender<Landed>,
    /// Set once the call is signed.
    pub not_after: Arc<OnceLock<UnixUs>>,
}

/// What all lanes of a process share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub clock: Arc<dyn Clock>,
    pub rest: RestClient,
    pub egress: Egress,
    pub metrics: Metrics,
    pub drain: Drain,
    /// Counts changes of any lane, for the directory.
    pub changes: watch::Sender<u64>,
    pub total_timeout: Duration,
}

/// One lane of this process.
pub(crate) struct LaneCell {
    pub key: Key,
    pub shared: Arc<Shared>,
    state: Mutex<State>,
    /// Wakes the lane's own task.
    pub wake: Notify,
}

pub(crate) struct State {
    pub lane: Lane,
    waiting: HashMap<TicketId, Waiting>,
    /// Who owns the lane, as the store last said; empty if nobody.
    pub owner: String,
    /// What bounds the key besides its permissions, once verified.
    pub limits: Limits,
    /// What Kraken has denied it not long ago.
    pub denials: Denials,
    /// Verifications in a row after which the key was refused.
    pub refusals: u32,
}

/// What the lane's own task has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Come back at this time, or when woken.
    At(MonoUs),
    /// Come back when woken.
    Woken,
    /// The grant must be taken or renewed now.
    Grant,
}

impl std::fmt::Debug for LaneCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LaneCell({})", self.key.label)
    }
}

/// A call that was queued.
pub(crate) struct Queued {
    cell: Arc<LaneCell>,
    ticket: TicketId,
    landed: oneshot::Receiver<Landed>,
    not_after: Arc<OnceLock<UnixUs>>,
    /// Whether the call goes with its caller. A mutating one does not: what was asked for is done.
    pub withdraw_on_drop: bool,
}

impl Queued {
    /// Waits for the call to land; `None` when the time is up first.
    pub(crate) async fn landed(&mut self, until: Instant) -> Option<Landed> {
        match tokio::time::timeout_at(until, &mut self.landed).await {
            Ok(Ok(landed)) => Some(landed),
            // The sender was dropped without a word: a defect, and so nothing is proved.
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Takes the call out of the lane. `true`: it had not left and never will.
    pub(crate) fn withdraw(&self) -> bool {
        let mut state = self.cell.lock();
        let waited = state.lane.withdraw(self.ticket).is_some();
        state.waiting.remove(&self.ticket);
        waited
    }

    /// Until when Kraken may execute the call, once it is signed and if there is such a time.
    pub(crate) fn not_after(&self) -> Option<UnixUs> {
        self.not_after.get().copied()
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if self.withdraw_on_drop {
            self.withdraw();
        }
    }
}

impl LaneCell {
    pub(crate) fn new(key: Key, lane: Lane, shared: Arc<Shared>) -> Self {
        let state = State {
            lane,
            waiting: HashMap::new(),
            owner: String::new(),
            limits: Limits::default(),
            denials: Denials::default(),
            refusals: 0,
        };
        Self { key, shared, state: Mutex::new(state), wake: Notify::new() }
    }

    /// The lock. A panic elsewhere cannot leave the machine between two states: it has no I/O to fail at.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane at this moment.
    pub(crate) fn view(&self) -> LaneView {
        self.lock().lane.snapshot(self.shared.clock.mono())
    }

    /// Queues a call, or gives it back with the reason why it cannot be sent in time.
    pub(crate) fn submit(
        self: &Arc<Self>,
        job: Job,
        priority: Priority,
        deadline: MonoUs,
    ) -> Result<Queued, (Box<Job>, SubmitRefusal)> {
        let id = TicketId(NEXT_TICKET.fetch_add(1, Ordering::Relaxed));
        let ticket = Ticket { id, priority, points: job.endpoint.rest_points, deadline };
        let (done, landed) = oneshot::channel();
        let queued_at = self.shared.clock.mono();
        let not_after = Arc::new(OnceLock::new());
        {
            let mut state = self.lock();
            if let Err(refusal) = state.lane.submit(queued_at, ticket) {
                return Err((Box::new(job), refusal));
            }
            let queue_span = info_span!(parent: &job.span, "queue", key = %self.key.label);
            let waiting = Waiting { job, queued_at, queue_span, done, not_after: Arc::clone(&not_after) };
            state.waiting.insert(id, waiting);
        }
        if self.pump() != Next::Woken {
            self.wake.notify_one();
        }
        Ok(Queued { cell: Arc::clone(self), ticket: id, landed, not_after, withdraw_on_drop: false })
    }

    /// Performs the machine's steps until it has to wait.
    pub(crate) fn pump(self: &Arc<Self>) -> Next {
        loop {
            let (now, wall) = (self.shared.clock.mono(), self.shared.clock.wall());
            let mut state = self.lock();
            if let Some(findings) = state.lane.take_findings() {
                self.tell(&findings);
            }
            match state.lane.next(now, wall) {
                Step::Send { ticket, nonce } => {
                    let waiting = state.waiting.remove(&ticket.id);
                    drop(state);
                    match waiting {
                        Some(waiting) => self.take_off(ticket, nonce, waiting),
                        // Its caller went away between two locks; the nonce is a gap, which harms nothing.
                        None => {
                            self.ended(ticket.id, End::NotSent);
                        }
                    }
                }
                Step::Verify { nonce, epoch } => {
                    drop(state);
                    self.shared.drain.spawn(check::verification(Arc::clone(self), nonce, epoch));
                }
                Step::Recheck { nonce, epoch } => {
                    drop(state);
                    self.shared.drain.spawn(check::recheck(Arc::clone(self), nonce, epoch));
                }
                Step::Expired(ticket) => {
                    let waiting = state.waiting.remove(&ticket.id);
                    drop(state);
                    if let Some(waiting) = waiting {
                        let text = "the call could not be sent in the time left; nothing was sent";
                        let _ = waiting.done.send(Landed::Unsent(Error::new(ErrorKind::Late, text)));
                    }
                }
                Step::Abandon(ticket) => {
                    drop(state);
                    self.shared.metrics.abandoned(self.key.label.as_str());
                    warn!(
                        key = %self.key.label, %ticket,
                        "a call hangs; the lane goes on without it, and its answer is still waited for"
                    );
                }
                Step::WaitUntil(at) => return Next::At(at),
                Step::Idle => return Next::Woken,
                Step::NeedsGrant => return Next::Grant,
            }
        }
    }

    /// What came of refused nonces, for logs and counters.
    fn tell(&self, findings: &Findings) {
        let (metrics, label) = (&self.shared.metrics, self.key.label.as_str());
        metrics.nonces_refused(findings.unexplained, label, NonceCause::Unexplained);
        metrics.nonces_refused(findings.superseded, label, NonceCause::Superseded);
        match &findings.quarantined {
            Some(reason) => {
                error!(key = label, %reason, "the key is in quarantine: one cancel per 5 s and nothing else");
            }
            None if findings.unexplained > 0 => {
                warn!(key = label, "nothing explains a refused nonce; the key is still ours");
            }
            None => warn!(key = label, "a refused nonce is explained: another process has the key"),
        }
        self.announce();
    }

    fn take_off(self: &Arc<Self>, ticket: Ticket, nonce: Nonce, mut waiting: Waiting) {
        waiting.queue_span = Span::none();
        let waited_us = self.shared.clock.mono().us_since(waiting.queued_at);
        self.shared.metrics.stage(Stage::Queue, Duration::from_micros(waited_us));
        // On the drain's tracker: neither a vanished caller nor a stopping process cuts it in half.
        self.shared.drain.spawn(flight::call(Arc::clone(self), ticket.id, nonce, waiting));
    }

    /// A call in flight ended; the next one may go. `false` if the lane had given it up before.
    pub(crate) fn ended(self: &Arc<Self>, ticket: TicketId, end: End) -> bool {
        let (in_time, draining) = {
            let mut state = self.lock();
            (state.lane.ended(ticket, self.shared.clock.mono(), end), state.lane.is_draining())
        };
        // The lane's own task may be waiting for a time that is no longer the right one, or for this very end.
        if self.pump() != Next::Woken || draining {
            self.wake.notify_one();
        }
        in_time
    }

    /// Answers calls that were handed back unsent; the gateway looks for another owner.
    pub(crate) fn hand_back(&self, tickets: &[Ticket]) {
        for ticket in tickets {
            let waiting = self.lock().waiting.remove(&ticket.id);
            if let Some(waiting) = waiting {
                let _ = waiting.done.send(Landed::Unsent(moved()));
            }
        }
    }

    /// Tells the directory that something changed.
    pub(crate) fn announce(&self) {
        self.shared.changes.send_modify(|changes| *changes += 1);
    }

    /// The lane for a scrape.
    pub(crate) fn reading(&self) -> LaneReading {
        let view = self.view();
        LaneReading {
            lane: self.key.label.to_string(),
            owned: view.epoch.is_some(),
            open: view.is_ready(),
            quarantined: view.is_quarantined(),
            in_flight: view.in_flight as u64,
            queue: view.queue_len as u64,
            rest_points_milli: view.points_level_milli,
            rest_points_max_milli: self.key.tier.max_milli,
            expires_s: self.lock().limits.expires.map(|expires| expires.0 / 1_000_000),
        }
    }
}

/// The lane is somewhere else now; nothing was sent.
pub(crate) fn moved() -> Error {
    Error::new(ErrorKind::Moved, "the lane has just moved to another executor; nothing was sent")
        .retry_after_ms(100)
}
