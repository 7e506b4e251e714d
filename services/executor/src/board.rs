//! The open intents of every account, as they were a moment ago.
//!
//! One look at the store per account and second serves all who want to know: streams of callers, the task that carries out
//! wishes, and the scrape. Whoever gives a verdict reads the store itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::AccountName;
use tidegate_lanes::{IntentRecord, IntentState, OpenIntents};
use tidegate_runtime::Condition;
use tidegate_runtime::telemetry::IntentReading;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::acts::Acts;
use crate::inherited::Inherited;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// As many are shown of one account.
pub(crate) const SHOWN_MAX: usize = 500;

/// The open intents of an account; nothing before the store has answered for the first time.
pub(crate) type Listing = Option<Arc<OpenIntents>>;

/// All accounts of this process.
#[derive(Debug)]
pub(crate) struct Board(BTreeMap<AccountName, watch::Sender<Listing>>);

impl Board {
    /// Starts to look, until the process drains.
    pub(crate) fn start(acts: &Arc<Acts>) -> Arc<Self> {
        let accounts = acts.domains.keys().map(|account| (account.clone(), watch::Sender::new(None)));
        let board = Arc::new(Self(accounts.collect()));
        let shown = Arc::downgrade(&board);
        acts.lanes.shared.metrics.watch_intents(move || {
            let Some(board) = shown.upgrade() else { return Vec::new() };
            let read = |account: &AccountName| Some(readings(account.as_str(), &*board.now(account)?));
            board.0.keys().filter_map(read).flatten().collect()
        });
        for account in board.0.keys() {
            tokio::spawn(look(Arc::clone(&board), Arc::clone(acts), account.clone()));
        }
        board
    }

    /// The newest listing of an account, and a way to wait for the next; `None` if this process has no key of it.
    pub(crate) fn subscribe(&self, account: &AccountName) -> Option<watch::Receiver<Listing>> {
        self.0.get(account).map(watch::Sender::subscribe)
    }

    /// The newest listing of an account.
    pub(crate) fn now(&self, account: &AccountName) -> Listing {
        self.0.get(account).and_then(|listing| listing.borrow().clone())
    }
}

/// Reports readiness once what was in doubt at the start is decided, or was given time to be; once and for all.
pub(crate) async fn report_inherited(board: Arc<Board>, acts: Arc<Acts>, ready: Condition) {
    let shared = &acts.lanes.shared;
    let mut inherited = Inherited::of(board.0.keys().cloned(), shared.clock.mono());
    loop {
        for account in board.0.keys() {
            if let Some(open) = board.now(account) {
                inherited.see(account, &open);
            }
        }
        if inherited.is_over(shared.clock.mono()) {
            ready.set(true);
            if inherited.left() > 0 {
                let left = inherited.left();
                warn!(
                    left,
                    "ready, although the fate of some acts from before this start is still not known"
                );
            }
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            () = shared.drain.begun() => return,
        }
    }
}

/// States as a scrape shows them, all of them always, so that the first of a kind is seen as an increase.
const STATES: [&str; 5] = ["in_progress", "unresolved", "claim_lost", "needs_operator", "to_cancel"];

/// What an open intent is to whoever watches.
const fn state_name(known: &IntentRecord) -> &'static str {
    match known.state {
        IntentState::Claimed => "in_progress",
        IntentState::Doubtful => "unresolved",
        IntentState::Lost => "claim_lost",
        IntentState::NeedsOperator => "needs_operator",
        // Open is of these only what is still to be cancelled.
        IntentState::Executed | IntentState::Refused | IntentState::Absent => "to_cancel",
    }
}

fn readings(account: &str, open: &OpenIntents) -> Vec<IntentReading> {
    let of_state = |state: &'static str| {
        let of_it = open.intents.iter().filter(move |(_, known)| state_name(known) == state);
        let oldest = of_it.clone().map(|(_, known)| open.store_now_us.saturating_sub(known.claimed_us)).max();
        IntentReading {
            account: account.to_owned(),
            state,
            open: of_it.count() as u64,
            oldest_s: oldest.unwrap_or_default() / 1_000_000,
        }
    };
    STATES.map(of_state).into()
}

async fn look(board: Arc<Board>, acts: Arc<Acts>, account: AccountName) {
    let drain = acts.lanes.shared.drain.clone();
    let (Some(domain), Some(sender)) = (acts.domains.get(&account), board.0.get(&account)) else { return };
    let mut trouble = false;
    loop {
        // One more than is shown, so that it is known whether there are more.
        match acts.store.open_intents(domain, &account, SHOWN_MAX + 1).await {
            Ok(open) => {
                sender.send_replace(Some(Arc::new(open)));
                if std::mem::take(&mut trouble) {
                    info!(%account, "the open intents can be read again");
                }
            }
            Err(fault) if !std::mem::replace(&mut trouble, true) => {
                warn!(%account, error = %fault, "the open intents cannot be read; what is shown of them is old");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = drain.begun() => return,
        }
    }
}
