use proptest::prelude::*;
use tidegate_core::{MonoUs, NonceUnit, PermissionSet, UnixUs};

use super::*;
use crate::budget::Tier;
use crate::queue::Priority;

/// Ten seconds into a step.
const WALL: UnixUs = UnixUs(1_795_000_000_000_000 / CODE_US * CODE_US + 10_000_000);
const T: MonoUs = MonoUs(1_000_000);
/// For ever, as these tests go.
const LEASE_US: u64 = 3_600_000_000;

fn lane(window: u64) -> Lane {
    let config = LaneConfig {
        label: "key".parse().expect("a label"),
        unit: NonceUnit::Us,
        window,
        tier: Tier::WIDE,
        permissions: PermissionSet::EMPTY,
        codes: true,
        queue_len_max: 64,
        in_flight_max: 8,
    };
    let mut lane = Lane::new(config, T);
    let reply = GrantReply::Granted {
        epoch: 1,
        lo_us: WALL.0,
        hi_us: WALL.0 + 1_500_000_000,
        expires_us: WALL.0 + LEASE_US,
        store_now_us: WALL.0,
        first_of_epoch: true,
        counter_start_milli: Some(0),
    };
    assert_eq!(lane.grant_given(T, T, WALL, &reply), Ok(Vec::new()));
    lane
}

/// So much later by both clocks.
fn at(us: u64) -> (MonoUs, UnixUs) {
    (T.plus_us(us), UnixUs(WALL.0 + us))
}

fn step(us: u64) -> u64 {
    (WALL.0 + us) / CODE_US
}

fn ticket(id: u64, priority: Priority, deadline: MonoUs) -> Ticket {
    Ticket { id: TicketId(id), priority, points: 0, deadline }
}

/// A lane whose fence has used the first code up.
fn open(window: u64) -> Lane {
    let mut lane = lane(window);
    let Step::Verify { epoch, .. } = lane.next(T, WALL) else { panic!("not verified first") };
    assert_eq!(lane.code_step(TicketId::VERIFICATION), Some(step(0)));
    lane.ended(TicketId::VERIFICATION, T, End::Answered);
    assert!(lane.verified(epoch));
    lane
}

const SECOND: u64 = 1_000_000;

#[test]
fn the_fence_uses_a_code_up_and_each_call_waits_for_the_next() {
    let mut lane = open(0);
    let late = T.plus_us(LEASE_US);
    for id in 1..=2 {
        lane.submit(T, ticket(id, Priority::Place, late)).expect("there is time");
    }
    assert_eq!(
        lane.next(T, WALL),
        Step::WaitUntil(T.plus_us(20 * SECOND)),
        "ten seconds of the step are over"
    );
    let (now, wall) = at(20 * SECOND);
    assert!(matches!(lane.next(now, wall), Step::Send { ticket, .. } if ticket.id == TicketId(1)));
    assert_eq!(lane.code_step(TicketId(1)), Some(step(20 * SECOND)));
    lane.ended(TicketId(1), now, End::Answered);
    assert_eq!(lane.next(now, wall), Step::WaitUntil(T.plus_us(50 * SECOND)));
    let (now, wall) = at(50 * SECOND);
    assert!(matches!(lane.next(now, wall), Step::Send { ticket, .. } if ticket.id == TicketId(2)));
}

#[test]
fn whoever_has_no_time_to_wait_for_a_code_is_told_so_at_once_but_a_cancel_waits() {
    let mut lane = open(0);
    let refused = lane.submit(T, ticket(1, Priority::Read, T.plus_us(10 * SECOND))).expect_err("too early");
    assert_eq!(refused, SubmitRefusal::Late { predicted_wait_ms: 20_000 });
    assert_eq!(lane.snapshot(T).predicted_wait_ms, 20_000);
    lane.submit(T, ticket(2, Priority::Read, T.plus_us(20 * SECOND))).expect("just in time");
    let refused =
        lane.submit(T, ticket(3, Priority::Read, T.plus_us(49 * SECOND))).expect_err("one is before it");
    assert_eq!(refused, SubmitRefusal::Late { predicted_wait_ms: 50_000 });
    lane.submit(T, ticket(4, Priority::Cancel, T.plus_us(SECOND)))
        .expect("a cancel is not refused on a forecast");
}

#[test]
fn what_was_not_sent_gives_its_code_back() {
    let mut lane = open(0);
    lane.submit(T, ticket(1, Priority::Read, T.plus_us(LEASE_US))).expect("there is time");
    let (now, wall) = at(20 * SECOND);
    assert!(matches!(lane.next(now, wall), Step::Send { .. }));
    lane.ended(TicketId(1), now, End::NotSent);
    lane.submit(now, ticket(2, Priority::Read, now.plus_us(SECOND))).expect("the code is free again");
    assert!(matches!(lane.next(now, wall), Step::Send { .. }));
    lane.ended(TicketId(2), now, End::Unknown);
    lane.submit(now, ticket(3, Priority::Read, now.plus_us(SECOND)))
        .expect_err("that one may have been seen");
}

#[test]
fn a_read_is_not_given_up_for_a_cancel_that_has_no_code() {
    let mut lane = open(0);
    lane.submit(T, ticket(1, Priority::Read, T.plus_us(LEASE_US))).expect("there is time");
    let (now, wall) = at(20 * SECOND);
    assert!(matches!(lane.next(now, wall), Step::Send { .. }));
    lane.submit(now, ticket(2, Priority::Cancel, now.plus_us(LEASE_US))).expect("room");
    assert!(matches!(lane.next(now, wall), Step::WaitUntil(_)), "giving the read up would win nothing");
}

proptest! {
    /// Whatever the clocks do, also backwards, and whatever is in flight together: no code is used twice.
    #[test]
    fn no_code_is_used_twice(
        window in prop::sample::select(vec![0_u64, 100_000_000]),
        moves in prop::collection::vec((-40_i64..40, 0_u8..3), 1..120),
    ) {
        let mut lane = open(window);
        let (mut now, mut wall, mut id) = (T, WALL, 0_u64);
        let mut used = std::collections::BTreeSet::from([step(0)]);
        for (seconds, end) in moves {
            now = now.plus_us(seconds.unsigned_abs() * SECOND);
            wall = UnixUs(wall.0.saturating_add_signed(seconds * 1_000_000));
            id += 1;
            let _ = lane.submit(now, ticket(id, Priority::Cancel, now.plus_us(LEASE_US)));
            while let Step::Send { ticket, .. } = lane.next(now, wall) {
                let code = lane.code_step(ticket.id).expect("a code");
                prop_assert!(code <= wall.0 / CODE_US);
                prop_assert!(used.insert(code), "twice");
                match end {
                    0 => drop(lane.ended(ticket.id, now, End::Answered)),
                    1 => drop(lane.ended(ticket.id, now, End::Unknown)),
                    _ => {
                        lane.ended(ticket.id, now, End::NotSent);
                        used.remove(&code);
                        break;
                    }
                }
            }
        }
    }
}
