use tidegate_core::{MonoUs, Nonce, NonceUnit, PermissionSet, UnixUs};

use super::*;
use crate::budget::Tier;
use crate::queue::Priority;

const WALL: UnixUs = UnixUs(1_795_000_000_000_000);
const T: MonoUs = MonoUs(1_000_000);
const HOUR_US: u64 = 3_600_000_000;
/// For how long one grant of these tests lasts.
const TTL_US: u64 = 200 * HOUR_US;

fn wall(now: MonoUs) -> UnixUs {
    UnixUs(WALL.0 + now.0 - T.0)
}

fn open_lane(label: &str, window: u64, tier: Tier) -> Lane {
    let config = LaneConfig {
        label: label.parse().expect("a label"),
        unit: NonceUnit::Us,
        window,
        tier,
        permissions: PermissionSet::EMPTY,
        codes: false,
        queue_len_max: 64,
        in_flight_max: 8,
    };
    let mut lane = Lane::new(config, T);
    let reply = GrantReply::Granted {
        epoch: 1,
        lo_us: WALL.0,
        hi_us: WALL.0 + TTL_US,
        expires_us: WALL.0 + TTL_US,
        store_now_us: WALL.0,
        first_of_epoch: true,
        counter_start_milli: Some(0),
    };
    lane.grant_given(T, T, WALL, &reply).expect("plausible");
    let Step::Verify { epoch, .. } = lane.next(T, WALL) else { panic!("no fence") };
    assert!(lane.ended(TicketId::VERIFICATION, T, End::Answered) && lane.verified(epoch));
    lane
}

fn ticket(id: u64, priority: Priority) -> Ticket {
    Ticket { id: TicketId(id), priority, points: 0, deadline: MonoUs(u64::MAX) }
}

/// When the lane asks again, looking every second from `from` on.
fn asks_at(lane: &mut Lane, from: MonoUs) -> MonoUs {
    let mut now = from;
    while now < from.plus_us(3 * HOUR_US) {
        match lane.next(now, wall(now)) {
            Step::Recheck { epoch, .. } => {
                assert!(lane.lease_ok(TicketId::RECHECK, now));
                assert!(lane.ended(TicketId::RECHECK, now, End::Answered));
                assert!(lane.rechecked(epoch, now));
                return now;
            }
            Step::Idle => now = now.plus_ms(1_000),
            other => panic!("{other:?}"),
        }
    }
    panic!("never asked");
}

#[test]
fn an_open_lane_asks_every_hour_and_each_key_at_a_distance_of_its_own() {
    let mut distances = Vec::new();
    for label in ["desk", "desk-2", "desk-3"] {
        let mut lane = open_lane(label, 0, Tier::PRO);
        let first = asks_at(&mut lane, T);
        let second = asks_at(&mut lane, first.plus_ms(1_000));
        let third = asks_at(&mut lane, second.plus_ms(1_000));
        for (from, to) in [(T, first), (first, second), (second, third)] {
            let minutes = to.us_since(from) / 60_000_000;
            assert!((55..=65).contains(&minutes), "{label}: {minutes} minutes");
        }
        assert!(second.us_since(first).abs_diff(third.us_since(second)) <= 2_000_000);
        assert_eq!(lane.snapshot(third).points_level_milli, 1_000, "one point");
        distances.push(first);
    }
    distances.dedup();
    assert_eq!(distances.len(), 3);
}

#[test]
fn the_question_stands_in_line_and_a_cancel_passes_it() {
    let mut lane = open_lane("desk", 0, Tier::WIDE);
    let due = T.plus_ms(10_000);
    lane.doubt(due);
    lane.submit(due, ticket(1, Priority::Place)).expect("room");
    lane.submit(due, ticket(2, Priority::Read)).expect("room");
    assert!(matches!(lane.next(due, wall(due)), Step::Send { ticket, .. } if ticket.id == TicketId(1)));
    assert!(lane.ended(TicketId(1), due, End::Answered));
    assert!(matches!(lane.next(due, wall(due)), Step::Recheck { .. }), "in line with reads");
    assert!(matches!(lane.next(due, wall(due)), Step::WaitUntil(_)), "one in flight");
    lane.submit(due, ticket(3, Priority::Cancel)).expect("room");
    assert_eq!(lane.next(due, wall(due)), Step::Abandon(TicketId::RECHECK));
    assert!(matches!(lane.next(due, wall(due)), Step::Send { ticket, .. } if ticket.id == TicketId(3)));
    assert!(lane.ended(TicketId(3), due, End::Answered));
    // Its late refusal is explained; it is asked again in a minute.
    assert!(!lane.ended(TicketId::RECHECK, due, End::Answered));
    assert_eq!(lane.nonce_refused(TicketId::RECHECK, due), NonceVerdict::Abandoned);
    assert!(matches!(lane.next(due, wall(due)), Step::Send { ticket, .. } if ticket.id == TicketId(2)));
    assert!(lane.ended(TicketId(2), due, End::Answered));
    assert_eq!(asks_at(&mut lane, due), due.plus_us(RECHECK_SOON_US));
}

#[test]
fn orders_cannot_put_it_off_for_ever() {
    let mut lane = open_lane("desk", 0, Tier::WIDE);
    let mut now = T.plus_ms(1);
    lane.doubt(now);
    for id in 1..200 {
        lane.submit(now, ticket(id, Priority::Place)).expect("room");
        match lane.next(now, wall(now)) {
            Step::Send { ticket, .. } => assert!(lane.ended(ticket.id, now, End::Answered)),
            Step::Recheck { .. } => {
                assert_eq!(now.us_since(T.plus_ms(1)), RECHECK_SOON_US);
                return;
            }
            other => panic!("{other:?}"),
        }
        now = now.plus_ms(1_000);
    }
    panic!("never asked");
}

#[test]
fn a_denied_permission_asks_at_once_but_callers_cannot_make_it_ask_all_the_time() {
    let mut lane = open_lane("desk", 0, Tier::WIDE);
    let mut asked = Vec::new();
    for s in 0..150 {
        let now = T.plus_ms(s * 1_000);
        lane.doubt(now);
        if let Step::Recheck { epoch, .. } = lane.next(now, wall(now)) {
            lane.ended(TicketId::RECHECK, now, End::Answered);
            lane.rechecked(epoch, now);
            asked.push(s);
        }
    }
    assert_eq!(asked, [0, 60, 120]);
}

#[test]
fn a_full_counter_or_window_puts_the_question_off_and_stops_nothing() {
    let mut lane = open_lane("desk", 10_000_000, Tier::PRO);
    lane.rate_limited(T);
    lane.doubt(T);
    lane.submit(T, ticket(1, Priority::Read)).expect("costs nothing");
    assert!(matches!(lane.next(T, WALL), Step::Send { ticket, .. } if ticket.id == TicketId(1)));
    let later = T.plus_ms(5_000);
    lane.ended(TicketId(1), later, End::Answered);
    assert!(matches!(lane.next(later, wall(later)), Step::Recheck { .. }));
    // Beside other calls, where the window allows it, and once.
    lane.submit(later, ticket(2, Priority::Read)).expect("room");
    assert!(matches!(lane.next(later, wall(later)), Step::Send { ticket, .. } if ticket.id == TicketId(2)));
}

#[test]
fn a_refused_key_is_looked_at_again_and_opens_when_it_was_mended() {
    let mut lane = open_lane("desk", 0, Tier::PRO);
    let mut now = T;
    for _ in 0..3 {
        let _ = lane.refuse_until(now.plus_us(LOOK_AGAIN_US), "it lacks query-funds");
        let Step::WaitUntil(at) = lane.next(now, wall(now)) else { panic!("a pause") };
        assert_eq!(at.us_since(now), LOOK_AGAIN_US);
        now = at;
        let refused = lane.submit(now, ticket(1, Priority::Cancel));
        assert_eq!(refused, Err(SubmitRefusal::NotOpen));
        let Step::Verify { .. } = lane.next(now, wall(now)) else { panic!("no look") };
        assert!(lane.lease_ok(TicketId::VERIFICATION, now));
        assert!(lane.ended(TicketId::VERIFICATION, now, End::Answered));
    }
    assert!(lane.verified(1));
    assert_eq!(lane.state(), &LaneState::Open);
    // One that cannot be mended is left alone.
    let _ = lane.refuse("a key of the sandbox");
    let never = now.plus_us(100 * HOUR_US);
    assert_eq!(lane.next(never, wall(never)), Step::Idle);
    assert!(!lane.verified(1));
}

#[test]
fn a_look_without_an_answer_is_repeated_with_patience() {
    let mut lane = open_lane("desk", 0, Tier::PRO);
    let now = T.plus_ms(1_000);
    let _ = lane.refuse_until(now, "it lacks query-funds");
    let Step::Verify { .. } = lane.next(now, wall(now)) else { panic!("no look") };
    lane.ended(TicketId::VERIFICATION, now, End::NotSent);
    let Step::WaitUntil(at) = lane.next(now, wall(now)) else { panic!("a pause") };
    assert_eq!(at.us_since(now), RECHECK_SOON_US);
}

#[test]
fn a_use_that_cannot_be_ours_is_named_and_the_next_refusal_closes_the_key() {
    let secs = |s: u64| Some(UnixUs(WALL.0 + s * 1_000_000));
    let at = T.plus_ms(3_000_000);
    let asked = |lane: &mut Lane| {
        lane.doubt(at);
        let Step::Recheck { nonce, .. } = lane.next(at, wall(at)) else { panic!("no question") };
        lane.ended(TicketId::RECHECK, at, End::Answered);
        nonce
    };
    for (nonce_above, last_used, words) in [
        (0, secs(0), None),     // our fence
        (0, secs(59), None),    // a late call of ours
        (0, secs(2_999), None), // this very question
        (0, secs(3_100), None), // a clock that is ahead
        (0, None, None),
        (0, secs(1_500), Some("used 1500 s ago")),
        (1, None, Some("the highest of ours is")),
        (WALL.0 * 999, None, Some("in a finer unit")),
    ] {
        let mut lane = open_lane("desk", 0, Tier::WIDE);
        let nonce = asked(&mut lane);
        let said = KeyUse { nonce: Some(Nonce(nonce.0 + nonce_above)), last_used };
        let found = lane.foreign_use(said, at);
        assert_eq!(found.is_some(), words.is_some(), "{said:?}: {found:?}");
        let Some(found) = found else { continue };
        assert!(words.is_some_and(|words| found.contains(words)), "{found}");
        assert_eq!(lane.state(), &LaneState::Open);
        lane.submit(at, ticket(9, Priority::Read)).expect("room");
        assert!(matches!(lane.next(at, wall(at)), Step::Send { .. }));
        lane.ended(TicketId(9), at, End::Answered);
        assert_eq!(lane.nonce_refused(TicketId(9), at), NonceVerdict::Noted);
        let ours = GrantReply::Granted {
            epoch: 1,
            lo_us: WALL.0,
            hi_us: WALL.0 + TTL_US,
            expires_us: WALL.0 + TTL_US,
            store_now_us: WALL.0,
            first_of_epoch: false,
            counter_start_milli: None,
        };
        lane.grant_given(at, at, wall(at), &ours).expect("renewed");
        assert!(matches!(lane.state(), LaneState::Quarantined { .. }));
    }
}
