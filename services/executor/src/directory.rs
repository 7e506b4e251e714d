//! What this process says of its lanes.

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::OwnerId;
use tidegate_lanes::{LaneState, Member};
use tidegate_proto::v1;
use tidegate_runtime::Condition;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::execute::{Lanes, timestamp};
use crate::lane_cell::LaneCell;
use crate::verify::Limits;

/// A picture is drawn at most this often, however busy the lanes are: it is a hint, and every gateway gets it.
const AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// And at least this often, because waits and points change without an event.
const AT_LEAST_EVERY: Duration = Duration::from_millis(500);

/// Keeps a picture of the lanes up to date until nobody looks at it any more, or until the lanes were handed over: the
/// last picture says so, and who else is there. Sets `ready` while all are settled.
pub(crate) fn publish(
    lanes: Arc<Lanes>,
    owner: OwnerId,
    members: Vec<watch::Receiver<Vec<Member>>>,
    mut changed: watch::Receiver<u64>,
    ready: Condition,
    handed_over: CancellationToken,
) -> watch::Receiver<v1::WatchLanesResponse> {
    let (sender, receiver) = watch::channel(draw(&lanes, &owner, &members));
    tokio::spawn(async move {
        let mut was_settled = false;
        while !sender.is_closed() {
            let settled = lanes.cells.iter().all(|cell| is_settled(cell));
            ready.set(settled);
            if settled && !std::mem::replace(&mut was_settled, settled) {
                info!("all lanes are settled: open, refused by name, or owned by another process");
            }
            let last = handed_over.is_cancelled();
            let picture = draw(&lanes, &owner, &members);
            sender.send_if_modified(|old| {
                let differs = *old != picture;
                *old = picture;
                differs
            });
            if last {
                // With the sender gone those who watch get this last picture and then the end.
                return;
            }
            let pause = async {
                tokio::time::sleep(AT_MOST_EVERY).await;
                let _ = tokio::time::timeout(AT_LEAST_EVERY, changed.changed()).await;
            };
            tokio::select! {
                () = pause => {}
                () = handed_over.cancelled() => {}
            }
        }
    });
    receiver
}

/// Whether a lane needs no more patience.
fn is_settled(cell: &LaneCell) -> bool {
    let view = cell.view();
    match view.state {
        LaneState::Open | LaneState::Refused { .. } | LaneState::Quarantined { .. } => true,
        LaneState::Verifying => false,
        LaneState::Idle => !cell.lock().owner.is_empty(),
    }
}

fn draw(lanes: &Lanes, owner: &OwnerId, members: &[watch::Receiver<Vec<Member>>]) -> v1::WatchLanesResponse {
    let mut peers: Vec<String> = members
        .iter()
        .flat_map(|seen| {
            let others = |m: &&Member| m.owner != *owner && !m.advertise.is_empty();
            seen.borrow().iter().filter(others).map(|m| m.advertise.clone()).collect::<Vec<_>>()
        })
        .collect();
    peers.sort_unstable();
    peers.dedup();
    let lanes = lanes.cells.iter().map(|cell| lane(cell)).collect();
    v1::WatchLanesResponse { lanes, peers, owner: owner.to_string() }
}

fn lane(cell: &LaneCell) -> v1::Lane {
    let view = cell.view();
    let (state, state_reason) = match &view.state {
        LaneState::Refused { reason } => (v1::LaneState::Refused, reason.clone()),
        LaneState::Quarantined { reason } if view.epoch.is_some() => {
            (v1::LaneState::Quarantined, reason.clone())
        }
        LaneState::Idle | LaneState::Quarantined { .. } => (v1::LaneState::Elsewhere, String::new()),
        _ if view.draining => (v1::LaneState::Draining, String::new()),
        LaneState::Verifying => (v1::LaneState::Verifying, String::new()),
        LaneState::Open if view.is_ready() => (v1::LaneState::Open, String::new()),
        LaneState::Open if view.takes_cancels() => {
            (v1::LaneState::CancelsOnly, "the store does not answer".to_owned())
        }
        LaneState::Open => {
            let trouble =
                view.trouble.map_or_else(|| "the grant is being renewed".to_owned(), |t| t.to_string());
            (v1::LaneState::Verifying, trouble)
        }
    };
    // In whole seconds, so that a picture that only ages is not sent again and again.
    let held = cell.shared.egress.trouble();
    let held_back_ms = held.map_or(0, |held| held.wait_us.div_ceil(1_000_000) * 1_000);
    let state_reason = match held {
        Some(held) if state_reason.is_empty() => cell.shared.egress.words(held.trouble),
        _ => state_reason,
    };
    let (owner, Limits { expires, dates, .. }, denied) = {
        let state = cell.lock();
        let denied = state.denials.names(cell.shared.clock.mono()).map(str::to_owned).collect();
        (state.owner.clone(), state.limits.clone(), denied)
    };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    v1::Lane {
        key_label: cell.key.label.to_string(),
        account: cell.key.account.to_string(),
        pool: cell.key.pool.to_string(),
        state: state.into(),
        state_reason,
        owner,
        epoch: view.epoch.unwrap_or_default(),
        permissions: cell.key.permissions.iter().map(|p| p.token().to_owned()).collect(),
        nonce_unit: cell.key.unit.to_string(),
        nonce_window: cell.key.window,
        in_flight: count(view.in_flight),
        queue_length: count(view.queue_len),
        predicted_wait_ms: u32::try_from(view.predicted_wait_ms).unwrap_or(u32::MAX),
        rest_points_milli: view.points_level_milli,
        rest_points_max_milli: cell.key.tier.max_milli,
        tags: cell.key.tags.clone(),
        key_expires: expires.map(timestamp),
        break_glass: cell.key.break_glass,
        held_back_ms,
        denied,
        query_from: dates.from.map(timestamp),
        query_to: dates.to.map(timestamp),
    }
}
