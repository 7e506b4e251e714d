//! Which lanes there are, and behind which executor.
//!
//! Executors tell it themselves: the gateway keeps one `WatchLanes` stream to each of them and holds the newest
//! picture. The directory is a hint: a wrong entry costs a hop, never a result, because the executor decides again
//! and answers `NOT_HERE` before anything happened.
//!
//! Executors come from the configuration (addresses, whose names may stand for many), from this very process, and from
//! what executors say of their peers, so that two processes on one store find each other without being told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate_core::{AccountName, KeyLabel, PermissionSet};
use tidegate_proto::v1;
use tidegate_proto::v1::operations_service_client::OperationsServiceClient;
use tidegate_runtime::GrpcService;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use crate::target::Target;

/// How often the names of executors are resolved.
const RESOLVE_EVERY: Duration = Duration::from_secs(5);

/// How long a key is remembered that nobody reports any more.
const REMEMBER: Duration = Duration::from_secs(600);

/// A lane as an executor reported it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LaneEntry {
    /// The report, for operators.
    pub report: v1::Lane,
    pub label: KeyLabel,
    pub account: AccountName,
    pub permissions: PermissionSet,
}

/// One executor and its newest report.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    /// `local` or an address.
    pub name: String,
    pub target: Target,
    /// Id of the process behind it; empty before its first report and while it cannot be reached.
    pub owner: String,
    pub lanes: Vec<LaneEntry>,
    peers: Vec<String>,
    /// Whether it has reported or failed to, so that its silence means something.
    asked: bool,
}

impl Executor {
    fn new(name: &str, target: Target) -> Self {
        Self {
            name: name.to_owned(),
            target,
            owner: String::new(),
            lanes: Vec::new(),
            peers: Vec::new(),
            asked: false,
        }
    }

    /// Whether it reports at present.
    pub(crate) fn is_up(&self) -> bool {
        !self.owner.is_empty()
    }
}

/// What a gateway knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// All executors by name: `local` or an address.
    pub executors: BTreeMap<String, Executor>,
    /// Keys that somebody reported not long ago, with when. A call that only such a key may serve is told to wait for
    /// an executor and not that there is no key.
    seen: BTreeMap<KeyLabel, (LaneEntry, Instant)>,
}

impl Picture {
    /// Executors that report at present.
    pub(crate) fn up(&self) -> impl Iterator<Item = &Executor> {
        self.executors.values().filter(|executor| executor.is_up())
    }

    /// The keys that a process mounts.
    pub(crate) fn labels_of(&self, owner: &str) -> Vec<KeyLabel> {
        let lanes = self.up().filter(|executor| executor.owner == owner).flat_map(|e| &e.lanes);
        lanes.map(|lane| lane.label.clone()).collect()
    }

    /// Keys that were reported not long ago and that no executor reports at present.
    pub(crate) fn missed(&self) -> impl Iterator<Item = &LaneEntry> {
        let seen = self.seen.values().map(|(entry, _)| entry);
        seen.filter(|entry| !self.up().any(|e| e.lanes.iter().any(|lane| lane.label == entry.label)))
    }

    /// Whether a gateway that has just started knows enough to serve: somebody reports, and everyone was asked.
    pub(crate) fn is_settled(&self) -> bool {
        self.up().next().is_some() && self.executors.values().all(|executor| executor.asked)
    }

    fn forget_before(&mut self, oldest: Instant) {
        self.seen.retain(|_, (_, at)| *at >= oldest);
    }
}

/// Where executors come from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The executor of this process.
    pub local: Option<GrpcService>,
    /// Addresses, `host:port`. A name stands for every address that it resolves to (a headless service).
    pub addresses: Vec<String>,
}

/// The newest picture, and a way to wait for the next one.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    picture: watch::Receiver<Picture>,
    _keeper: Arc<AbortOnDropHandle<()>>,
}

impl Directory {
    /// Starts to watch. Ends when the last clone is dropped.
    pub(crate) fn start(sources: Sources) -> Self {
        let (sender, picture) = watch::channel(Picture::default());
        let keeper = Keeper { picture: Arc::new(sender), watchers: Mutex::default() };
        if let Some(executor) = &sources.local {
            keeper.add("local", Target::Local(executor.clone()));
        }
        let task = tokio::spawn(async move { keeper.run(&sources).await });
        Self { picture, _keeper: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// The newest picture.
    pub(crate) fn now(&self) -> watch::Ref<'_, Picture> {
        self.picture.borrow()
    }

    /// A receiver of its own, to wait on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Picture> {
        self.picture.clone()
    }
}

/// Keeps a watcher per executor.
struct Keeper {
    picture: Arc<watch::Sender<Picture>>,
    watchers: Mutex<BTreeMap<String, AbortOnDropHandle<()>>>,
}

impl Keeper {
    fn add(&self, name: &str, target: Target) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        if watchers.contains_key(name) {
            return;
        }
        self.picture.send_modify(|picture| {
            picture.executors.insert(name.to_owned(), Executor::new(name, target.clone()));
        });
        let task = tokio::spawn(watch_one(name.to_owned(), target, Arc::clone(&self.picture)));
        watchers.insert(name.to_owned(), AbortOnDropHandle::new(task));
    }

    fn remove(&self, name: &str) {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.picture.send_modify(|picture| {
            picture.executors.remove(name);
        });
    }

    /// Compares what is watched with what should be, for ever.
    async fn run(&self, sources: &Sources) {
        let mut changed = self.picture.subscribe();
        let mut named = Named::default();
        loop {
            let mut wanted = named.resolve(&sources.addresses).await;
            {
                let picture = changed.borrow_and_update();
                let reached: BTreeSet<_> = picture.up().map(|e| e.name.clone()).collect();
                let peers = picture.executors.values().flat_map(|e| e.peers.iter().cloned());
                // A peer that can be reached is kept even when others no longer speak of it.
                wanted.extend(peers.chain(reached.into_iter().filter(|name| name != "local")));
            }
            let watched: BTreeSet<String> =
                self.watchers.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
            for name in wanted.difference(&watched) {
                match Target::remote(name) {
                    Ok(target) => self.add(name, target),
                    Err(error) => warn!(%error, "cannot watch an executor"),
                }
            }
            for name in watched.difference(&wanted).filter(|name| *name != "local") {
                info!(executor = %name, "no longer watching an executor that nobody names and that does not answer");
                self.remove(name);
            }
            if let Some(oldest) = Instant::now().checked_sub(REMEMBER) {
                self.picture.send_if_modified(|picture| {
                    picture.forget_before(oldest);
                    false
                });
            }
            // Peers are followed as they are told.
            let _ = tokio::time::timeout(RESOLVE_EVERY, changed.changed()).await;
        }
    }
}

/// What the configured addresses stand for, resolved again as time goes by.
#[derive(Default)]
struct Named {
    found: BTreeMap<String, BTreeSet<String>>,
    resolved_at: Option<Instant>,
}

impl Named {
    async fn resolve(&mut self, addresses: &[String]) -> BTreeSet<String> {
        if self.resolved_at.is_none_or(|at| at.elapsed() >= RESOLVE_EVERY) {
            for address in addresses {
                match tokio::net::lookup_host(address).await {
                    Ok(found) => {
                        self.found.insert(address.clone(), found.map(|addr| addr.to_string()).collect());
                    }
                    // What it stood for before is kept: a name server that fails has not taken executors away.
                    Err(error) => warn!(%address, %error, "cannot resolve an address of executors"),
                }
            }
            self.resolved_at = Some(Instant::now());
        }
        self.found.values().flatten().cloned().collect()
    }
}

/// Follows one executor's reports, connecting again whenever the stream ends.
async fn watch_one(name: String, target: Target, picture: Arc<watch::Sender<Picture>>) {
    let mut client = OperationsServiceClient::new(target);
    let mut pause_ms = 50;
    loop {
        match client.watch_lanes(v1::WatchLanesRequest {}).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                while let Ok(Some(report)) = stream.message().await {
                    pause_ms = 50;
                    update(&picture, &name, report);
                }
                info!(executor = %name, "an executor stopped reporting its lanes");
            }
            Err(status) => debug!(executor = %name, %status, "cannot watch the lanes of an executor"),
        }
        update(&picture, &name, v1::WatchLanesResponse::default());
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        pause_ms = (pause_ms * 2).min(1_000);
    }
}

fn update(picture: &watch::Sender<Picture>, name: &str, report: v1::WatchLanesResponse) {
    let lanes: Vec<LaneEntry> = report.lanes.into_iter().filter_map(read_lane).collect();
    picture.send_if_modified(|picture| {
        let now = Instant::now();
        picture.seen.extend(lanes.iter().map(|lane| (lane.label.clone(), (lane.clone(), now))));
        let Some(executor) = picture.executors.get_mut(name) else { return false };
        let same = executor.asked
            && executor.owner == report.owner
            && executor.lanes == lanes
            && executor.peers == report.peers;
        if !same {
            executor.asked = true;
            executor.owner = report.owner;
            executor.lanes = lanes;
            executor.peers = report.peers;
        }
        !same
    });
}

/// Reads a report; one that makes no sense is left out, as if the lane were not there.
fn read_lane(report: v1::Lane) -> Option<LaneEntry> {
    match (report.key_label.parse(), report.account.parse()) {
        (Ok(label), Ok(account)) => {
            // A permission of a newer executor is no use to this gateway.
            let permissions = report.permissions.iter().filter_map(|token| token.parse().ok()).collect();
            Some(LaneEntry { label, account, permissions, report })
        }
        _ => {
            warn!(key = %report.key_label, account = %report.account, "an executor reported a lane of no valid name");
            None
        }
    }
}
