//! Holds scoped keys and turns one call into one outcome.
//!
//! A call comes from a gateway, in this process or another, by the same services. The executor chooses among its own
//! lanes, waits in the lane's queue, draws a nonce, signs, sends once, and reads what Kraken says. What cannot be known
//! is answered "unresolved" with a handle by which the order can be found.
//!
//! *Invariant:* secrets live in this crate's keys and nowhere else; and no [`tidegate_core::Error`] leaves for a
//! mutating call unless it is proved that nothing was executed.

mod acts;
mod answers;
mod board;
mod budget;
mod caller;
mod check;
mod convert;
mod directory;
mod egress;
mod evidence;
mod execute;
mod flight;
mod handle;
mod inherited;
mod joined;
mod keep;
mod key;
mod lane_cell;
pub mod mapping;
mod markets;
mod outcome;
#[cfg(test)]
mod recorded;
mod remarks;
mod resolve;
mod services;
mod strict;
mod verdict;
mod verify;
mod walk;
mod wishes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate_core::{AccountName, CallerName, Clock, OwnerId, Permission, PermissionSet, PoolName};
use tidegate_kraken::RestClient;
use tidegate_lanes::{Fingerprint, GrantIds, GrantStore, Keeper, Lane, LaneConfig, MemoryStore, Store};
use tidegate_proto::v1::account_service_server::AccountServiceServer;
use tidegate_proto::v1::earn_service_server::EarnServiceServer;
use tidegate_proto::v1::funding_beta_service_server::FundingBetaServiceServer;
use tidegate_proto::v1::funding_service_server::FundingServiceServer;
use tidegate_proto::v1::market_data_service_server::MarketDataServiceServer;
use tidegate_proto::v1::operations_service_server::OperationsServiceServer;
use tidegate_proto::v1::report_service_server::ReportServiceServer;
use tidegate_proto::v1::stream_service_server::StreamServiceServer;
use tidegate_proto::v1::trading_service_server::TradingServiceServer;
use tidegate_runtime::telemetry::Metrics;
use tidegate_runtime::{Condition, Drain, GrpcService};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use key::{Key, Otp};

use acts::Acts;
use board::Board;
use budget::Budget;
use egress::Egress;
use execute::Lanes;
use joined::Joined;
use keep::Keep;
use lane_cell::{LaneCell, Shared};
use resolve::Resolver;
use services::Api;
use strict::Strict;
use wishes::Wishes;

/// Calls in flight at the same time on a key with a window: 1,000 calls a second at an exchange of 50 ms are 50, and five times
/// that is room for an exchange that has a slow moment. More would only lengthen the queue at Kraken.
const IN_FLIGHT_MAX: usize = 256;

/// Whether money leaves an account by this endpoint, or it decides where money may go: then it is refused unless
/// [`Settings::allow_transfers`] is set.
pub fn is_transfer(endpoint: &str) -> bool {
    services::TRANSFERS.contains(&endpoint)
}

/// Settings of an executor.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the deployment; part of every derived client order id.
    pub deployment: String,
    /// This process.
    pub owner: OwnerId,
    /// As whom the process itself asks Kraken about orders.
    pub caller: CallerName,
    /// Where gateways of other processes reach its API, `host:port`; empty if nowhere.
    pub advertise: String,
    /// Name of the address by which this process reaches Kraken.
    pub egress: String,
    /// Failed authentications within a minute after which calls rest.
    pub auth_failures_max: usize,
    /// Calls that may wait in one lane.
    pub queue_len_max: usize,
    /// Largest request.
    pub request_bytes_max: usize,
    /// Longest exchange with Kraken.
    pub total_timeout: Duration,
    /// Longest command of the store.
    pub store_timeout: Duration,
    /// Whether EditOrder is taken.
    pub allow_edit_order: bool,
    /// Whether money may be moved out of an account.
    pub allow_transfers: bool,
}

/// What the process hands in.
#[derive(Debug)]
pub struct Parts {
    /// Settings.
    pub settings: Settings,
    /// Keys.
    pub keys: Vec<Key>,
    /// Where grants and intents live.
    pub store: Arc<dyn Store>,
    /// The way to Kraken.
    pub rest: RestClient,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub metrics: Metrics,
    /// Shutdown.
    pub drain: Drain,
    /// Set while every lane is settled: open, refused by name, or owned elsewhere.
    pub ready: Condition,
    /// Set once acts from before the start are decided, or were given time to be.
    pub inherited: Condition,
}

/// A running executor. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Executor {
    strict: Strict,
    keepers: Arc<Mutex<JoinSet<()>>>,
    /// Told when no lane is here any more.
    handed_over: CancellationToken,
}

/// Starts the lanes of all keys.
pub fn start(parts: Parts) -> Executor {
    let Parts { settings, keys, store, rest, clock, metrics, drain, ready, inherited } = parts;
    let (changes, changed) = watch::channel(0);
    let egress =
        Egress::new(settings.egress, settings.auth_failures_max, Arc::clone(&clock), metrics.clone());
    let shared = Arc::new(Shared {
        clock,
        egress,
        rest: rest.clone(),
        metrics,
        drain: drain.clone(),
        changes,
        total_timeout: settings.total_timeout,
    });

    // Placement speaks of all keys of a domain and pool, so each announces what it could own of them.
    let mut siblings: BTreeMap<(AccountName, PoolName), Vec<Fingerprint>> = BTreeMap::new();
    // A break-glass key is nobody else's, and no store learns of it.
    for key in keys.iter().filter(|key| !key.break_glass) {
        let group = (key.grant_key.domain.clone(), key.pool.clone());
        siblings.entry(group).or_default().push(key.grant_key.fingerprint.clone());
    }
    let siblings: BTreeMap<_, Arc<[Fingerprint]>> =
        siblings.into_iter().map(|(group, list)| (group, list.into())).collect();

    let own: Arc<dyn GrantStore> = Arc::new(MemoryStore::new(Arc::clone(&shared.clock)));
    let (mut cells, mut keepers, mut members) = (Vec::new(), JoinSet::new(), Vec::new());
    for key in keys {
        if key.window > 0 && key.permissions.contains(PermissionSet::of(&[Permission::ModifyTrades])) {
            tracing::warn!(
                key = %key.label, window = key.window,
                "this key places orders and has a nonce window, as allowed by name: that no order is executed twice, and that what \
                 is told refused was not executed, holds on it only if nothing between tidegate and Kraken delivers a request twice"
            );
        }
        let lane = Lane::new(lane_config(&key, settings.queue_len_max), shared.clock.mono());
        let group = (key.grant_key.domain.clone(), key.pool.clone());
        let ids = GrantIds {
            key: key.grant_key.clone(),
            owner: settings.owner.clone(),
            advertise: settings.advertise.clone(),
            pool: key.pool.clone(),
            mounts: if key.break_glass {
                [key.grant_key.fingerprint.clone()].into()
            } else {
                siblings.get(&group).cloned().unwrap_or_default()
            },
        };
        let store: Arc<dyn GrantStore> = if key.break_glass { own.clone() } else { store.clone() };
        let cell = Arc::new(LaneCell::new(key, lane, Arc::clone(&shared)));
        let (known, seen) = watch::channel(Vec::new());
        members.push(seen);
        let keep = Keep {
            cell: Arc::clone(&cell),
            store,
            keeper: Keeper::new(ids),
            members: known,
            drain: drain.clone(),
        };
        keepers.spawn(keep.run());
        cells.push(cell);
    }
    let lanes = Arc::new(Lanes { cells, shared });
    // Not kept alive by the metrics, which the lanes hold themselves.
    let shown = Arc::downgrade(&lanes);
    lanes.shared.metrics.watch_lanes(lanes.cells.iter().map(|cell| cell.key.label.as_str()), move || {
        shown
            .upgrade()
            .map(|lanes| lanes.cells.iter().map(|cell| cell.reading()).collect())
            .unwrap_or_default()
    });
    let domains = lanes.cells.iter().map(|cell| {
        let Key { account, grant_key, .. } = &cell.key;
        (account.clone(), grant_key.domain.clone())
    });
    let limits = lanes.cells.iter().filter_map(|cell| {
        let Key { account, grant_key, trade_tier, .. } = &cell.key;
        Some((account.clone(), (grant_key.domain.clone(), (*trade_tier)?)))
    });
    let budget = Arc::new(Budget {
        limits: limits.collect(),
        store: Arc::clone(&store),
        shared: Arc::clone(&lanes.shared),
    });
    let joined = Arc::new(Joined { lanes: Arc::clone(&lanes), waiting: Mutex::default() });
    let acts = Arc::new(Acts {
        budget: Arc::clone(&budget),
        domains: domains.collect(),
        lanes: Arc::clone(&lanes),
        store,
        owner: settings.owner.clone(),
        cancel_patience: settings.store_timeout,
    });
    tokio::spawn(Resolver { acts: Arc::clone(&acts), caller: settings.caller.clone() }.run());
    let board = Board::start(&acts);
    tokio::spawn(board::report_inherited(Arc::clone(&board), Arc::clone(&acts), inherited));
    let caller = settings.caller.clone();
    tokio::spawn(
        Wishes { acts: Arc::clone(&acts), board: Arc::clone(&board), caller: settings.caller }.run(),
    );
    let handed_over = CancellationToken::new();
    let directory =
        directory::publish(Arc::clone(&lanes), settings.owner, members, changed, ready, handed_over.clone());
    let api = Api {
        lanes,
        acts,
        budget,
        joined,
        board,
        markets: Arc::default(),
        rest,
        deployment: settings.deployment.into(),
        directory,
        allow_edit_order: settings.allow_edit_order,
        allow_transfers: settings.allow_transfers,
    };
    tokio::spawn(api.clone().keep_markets(caller));
    let routes = Routes::new(MarketDataServiceServer::new(api.clone()))
        .add_service(AccountServiceServer::new(api.clone()))
        .add_service(TradingServiceServer::new(api.clone()))
        .add_service(EarnServiceServer::new(api.clone()))
        .add_service(ReportServiceServer::new(api.clone()))
        .add_service(FundingServiceServer::new(api.clone()))
        .add_service(FundingBetaServiceServer::new(api.clone()))
        .add_service(StreamServiceServer::new(api.clone()))
        .add_service(OperationsServiceServer::new(api));
    let strict = Strict { routes, request_bytes_max: settings.request_bytes_max };
    Executor { strict, keepers: Arc::new(Mutex::new(keepers)), handed_over }
}

fn lane_config(key: &Key, queue_len_max: usize) -> LaneConfig {
    LaneConfig {
        label: key.label.clone(),
        unit: key.unit,
        window: key.window,
        tier: key.tier,
        permissions: key.permissions,
        codes: key.has_codes(),
        queue_len_max,
        in_flight_max: IN_FLIGHT_MAX,
    }
}

impl Executor {
    /// The API, to put behind a listener or to call in this process.
    pub fn service(&self) -> GrpcService {
        GrpcService::new(self.strict.clone())
    }

    /// After the drain has begun: waits until every lane is given back with its last nonce, or time is up.
    pub async fn hand_over(&self, until: tokio::time::Instant) {
        let mut keepers = std::mem::take(&mut *self.keepers.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while keepers.join_next().await.is_some() {} };
        if tokio::time::timeout_at(until, all).await.is_err() {
            tracing::warn!("some lanes could not be given back in time; their grants will expire");
        }
        self.handed_over.cancel();
    }
}
