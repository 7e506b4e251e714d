use tidegate_core::{MonoUs, NonceUnit, PermissionSet, UnixUs};

use super::*;
use crate::budget::Tier;
use crate::queue::Priority;

const WALL: UnixUs = UnixUs(1_795_000_000_000_000);
const T: MonoUs = MonoUs(1_000_000);

fn granted(epoch: u64, first_of_epoch: bool, counter: Option<u64>) -> GrantReply {
    GrantReply::Granted {
        epoch,
        lo_us: WALL.0 + epoch * 8_000_000,
        hi_us: WALL.0 + epoch * 8_000_000 + 7_000_000,
        expires_us: WALL.0 + 5_000_000,
        store_now_us: WALL.0,
        first_of_epoch,
        counter_start_milli: counter,
    }
}

fn lane_at(tier: Tier) -> Lane {
    let config = LaneConfig {
        label: "key".parse().expect("a label"),
        unit: NonceUnit::Us,
        window: 0,
        tier,
        permissions: PermissionSet::EMPTY,
        codes: false,
        queue_len_max: 3,
        in_flight_max: 8,
    };
    Lane::new(config, T)
}

/// A lane that has just become open, with an empty counter but for its verification.
fn open_lane(tier: Tier) -> Lane {
    let mut lane = lane_at(tier);
    assert_eq!(lane.next(T, WALL), Step::NeedsGrant);
    assert_eq!(lane.grant_given(T, T, WALL, &granted(1, true, Some(0))), Ok(Vec::new()));
    let Step::Verify { epoch, .. } = lane.next(T, WALL) else { panic!("not verified first") };
    assert!(lane.lease_ok(TicketId::VERIFICATION, T));
    assert!(lane.ended(TicketId::VERIFICATION, T, End::Answered));
    assert!(lane.verified(epoch));
    lane
}

fn ticket(id: u64, priority: Priority, points: u32, deadline: MonoUs) -> Ticket {
    Ticket { id: TicketId(id), priority, points, deadline }
}

fn sent(step: Step) -> u64 {
    let Step::Send { ticket, .. } = step else { panic!("{step:?}") };
    ticket.id.0
}

#[test]
fn a_cancel_that_comes_last_leaves_first() {
    let mut lane = open_lane(Tier::WIDE);
    let late = T.plus_ms(60_000);
    for (id, priority) in
        [(1, Priority::Read), (2, Priority::Place), (3, Priority::Read), (4, Priority::Cancel)]
    {
        lane.submit(T, ticket(id, priority, 0, late)).expect("room");
    }
    for expected in [4, 2, 1, 3] {
        assert_eq!(sent(lane.next(T, WALL)), expected);
        assert!(matches!(lane.next(T, WALL), Step::WaitUntil(_) | Step::Idle), "one in flight");
        assert!(lane.ended(TicketId(expected), T, End::Answered));
    }
}

#[test]
fn the_counter_holds_back_reads_but_not_orders() {
    let mut lane = open_lane(Tier::PRO);
    let late = T.plus_ms(60_000);
    lane.rate_limited(T);
    lane.submit(T, ticket(1, Priority::Resolve, 2, late)).expect("waits");
    lane.submit(T, ticket(2, Priority::Place, 0, late)).expect("free of points");
    lane.submit(T, ticket(3, Priority::Read, 1, late)).expect("waits");
    assert_eq!(sent(lane.next(T, WALL)), 2, "what costs no points passes what waits for some");
    lane.ended(TicketId(2), T, End::Answered);
    let Step::WaitUntil(at) = lane.next(T, WALL) else { panic!("must wait") };
    assert_eq!(at, T.plus_ms(4_000), "from 20 down to 16 at one point a second");
    lane.grant_given(at, at, WALL, &granted(1, false, None)).expect("renewed");
    assert_eq!(sent(lane.next(at, WALL)), 1, "and the read did not overtake it");
    let soon = ticket(4, Priority::Read, 4, at.plus_ms(200));
    assert_eq!(lane.submit(at, soon), Err(SubmitRefusal::Budget { retry_after_ms: 5_000 }));
    assert_eq!(lane.submit(at, ticket(5, Priority::Read, 19, late)), Err(SubmitRefusal::TooDear));
}

#[test]
fn what_cannot_be_in_time_is_refused_at_once_but_a_cancel_may_hope() {
    let mut lane = open_lane(Tier::WIDE);
    // One answered call of two seconds moves the average an eighth of the way.
    lane.submit(T, ticket(1, Priority::Read, 0, T.plus_ms(9_000))).expect("room");
    assert_eq!(sent(lane.next(T, WALL)), 1);
    let now = T.plus_ms(2_000);
    lane.ended(TicketId(1), now, End::Answered);
    for id in 2..=4 {
        lane.submit(now, ticket(id, Priority::Read, 0, now.plus_ms(9_000))).expect("room");
    }
    let refused = lane.submit(now, ticket(5, Priority::Read, 0, now.plus_ms(9_000)));
    assert!(matches!(refused, Err(SubmitRefusal::QueueFull { retry_after_ms: 500.. })), "{refused:?}");
    assert_eq!(sent(lane.next(now, WALL)), 2);
    let refused = lane.submit(now, ticket(6, Priority::Read, 0, now.plus_ms(100)));
    assert!(matches!(refused, Err(SubmitRefusal::Late { predicted_wait_ms: 500.. })), "{refused:?}");
    lane.submit(now, ticket(7, Priority::Cancel, 0, now.plus_ms(100))).expect("never refused on a forecast");
    assert_eq!(lane.snapshot(now).queue_len, 3);
}

#[test]
fn a_cancel_does_not_wait_for_a_read_and_not_long_for_anything_else() {
    for (priority, waits_ms) in [(Priority::Read, 0), (Priority::Place, 1_000), (Priority::Cancel, 1_000)] {
        let mut lane = open_lane(Tier::WIDE);
        let late = T.plus_ms(9_000);
        lane.submit(T, ticket(1, priority, 0, late)).expect("room");
        let Step::Send { nonce: first, .. } = lane.next(T, WALL) else { panic!("idle lane") };
        let now = T.plus_ms(10);
        lane.submit(now, ticket(2, Priority::Place, 0, late)).expect("room");
        lane.submit(now, ticket(3, Priority::Cancel, 0, late)).expect("room");
        let gives_up = T.plus_ms(waits_ms).max(now);
        if waits_ms > 0 {
            assert_eq!(lane.next(now, WALL), Step::WaitUntil(gives_up), "{priority:?}");
        }
        assert_eq!(lane.next(gives_up, WALL), Step::Abandon(TicketId(1)), "{priority:?}");
        assert!(!lane.lease_ok(TicketId(1), gives_up), "what was not written yet must not be written now");
        let Step::Send { ticket, nonce } = lane.next(gives_up, WALL) else { panic!("the cancel goes") };
        assert!(ticket.id == TicketId(3) && nonce > first);
        assert!(!lane.ended(TicketId(1), gives_up, End::Answered), "a late answer");
    }
}

#[test]
fn a_lane_is_never_frozen_and_an_abandoned_read_keeps_its_points_until_it_is_answered() {
    let mut lane = open_lane(Tier::PRO);
    lane.submit(T, ticket(1, Priority::Read, 4, T.plus_ms(60_000))).expect("room");
    assert_eq!(sent(lane.next(T, WALL)), 1);
    lane.submit(T, ticket(2, Priority::Place, 0, T.plus_ms(60_000))).expect("room");
    let Step::WaitUntil(at) = lane.next(T, WALL) else { panic!("one in flight") };
    // The lease would end before; it is renewed meanwhile.
    let renewed =
        lane.grant_given(at.min(T.plus_ms(4_000)), T.plus_ms(4_000), WALL, &granted(1, false, None));
    renewed.expect("plausible");
    let five = T.plus_ms(5_000);
    assert_eq!(lane.next(five, WALL), Step::Abandon(TicketId(1)));
    assert_eq!(sent(lane.next(five, WALL)), 2);
    let held = lane.snapshot(five).points_level_milli;
    let later = T.plus_ms(30_000);
    assert!(lane.snapshot(later).points_level_milli >= 4_000, "Kraken may charge it at any time: {held}");
    assert!(!lane.ended(TicketId(1), later, End::Answered));
    assert!(lane.snapshot(later.plus_ms(10_000)).points_level_milli < 4_000, "charged, and decaying since");
}

#[test]
fn an_unclear_verification_is_repeated_with_a_fresh_nonce_after_a_pause() {
    let mut lane = lane_at(Tier::PRO);
    lane.grant_given(T, T, WALL, &granted(1, true, None)).expect("plausible");
    let Step::Verify { nonce: first, .. } = lane.next(T, WALL) else { panic!("not verified first") };
    lane.submit(T, ticket(1, Priority::Cancel, 0, T.plus_ms(4_000))).expect("may wait for it");
    lane.ended(TicketId::VERIFICATION, T, End::NotSent);
    let Step::WaitUntil(at) = lane.next(T, WALL) else { panic!("a pause") };
    let Step::Verify { nonce: second, epoch } = lane.next(at, WALL) else { panic!("again") };
    assert!(second > first);
    lane.ended(TicketId::VERIFICATION, at, End::Answered);
    assert!(!lane.verified(epoch + 1), "not that epoch");
    assert!(lane.verified(epoch));
    assert_eq!(sent(lane.next(at, WALL)), 1);
}

#[test]
fn the_lease_ends_a_tenth_early_and_a_lost_grant_hands_back_what_waits() {
    let mut lane = open_lane(Tier::PRO);
    let end = T.plus_ms(4_500);
    for id in 1..=2 {
        lane.submit(T, ticket(id, Priority::Read, 1, T.plus_ms(9_000))).expect("room");
    }
    assert_eq!(sent(lane.next(T, WALL)), 1);
    assert!(lane.lease_ok(TicketId(1), MonoUs(end.0 - 1)));
    assert!(!lane.lease_ok(TicketId(1), end));
    assert_eq!(lane.next(end, WALL), Step::NeedsGrant);
    assert_eq!(lane.submit(end, ticket(3, Priority::Read, 1, end)), Err(SubmitRefusal::NotOpen));
    let lost = GrantReply::Lost { store_now_us: WALL.0 };
    let back = lane.grant_given(end, end, WALL, &lost).expect("not a grant");
    assert_eq!(back.iter().map(|t| t.id.0).collect::<Vec<_>>(), [2]);
    assert_eq!(lane.snapshot(end).in_flight, 1, "what is on its way stays there until it ends");
    assert!(lane.grant_given(end, end, WALL, &granted(1, false, None)).is_ok_and(|b| b.is_empty()));
    assert_eq!(lane.epoch(), None, "a late renewal does not bring an epoch back");
    lane.grant_given(end, end, WALL, &granted(2, true, Some(0))).expect("plausible");
    assert!(!lane.lease_ok(TicketId(1), end), "a call of the epoch before must not be written");
    assert!(
        matches!(lane.next(end, WALL), Step::Idle | Step::WaitUntil(_)),
        "the old call is still in flight"
    );
    lane.ended(TicketId(1), end, End::NotSent);
    assert!(matches!(lane.next(end, WALL), Step::Verify { epoch: 2, .. }));
}

#[test]
fn a_refused_key_is_given_back_and_not_used_again() {
    let mut lane = open_lane(Tier::PRO);
    lane.submit(T, ticket(1, Priority::Read, 1, T.plus_ms(9_000))).expect("room");
    assert_eq!(lane.refuse("Kraken says the window is 5, the configuration says 0").len(), 1);
    assert_eq!(lane.submit(T, ticket(2, Priority::Cancel, 0, T.plus_ms(9))), Err(SubmitRefusal::NotOpen));
    let released = lane.release(T).expect("nothing in flight");
    assert_eq!((released.epoch, released.last_us), (1, WALL.0 + 8_000_000), "one nonce was drawn");
    assert_eq!(released.counter_milli, 1_000);
    lane.grant_given(T, T, WALL, &granted(2, true, Some(0))).expect("plausible");
    assert_eq!(lane.next(T, WALL), Step::Idle);
    assert!(!lane.snapshot(T).is_ready());
}

#[test]
fn draining_hands_back_and_releases_once_nothing_is_in_flight() {
    let mut lane = open_lane(Tier::PRO);
    for id in 1..=2 {
        lane.submit(T, ticket(id, Priority::Read, 1, T.plus_ms(9_000))).expect("room");
    }
    assert_eq!(sent(lane.next(T, WALL)), 1);
    assert_eq!(lane.drain().len(), 1);
    assert_eq!(lane.submit(T, ticket(3, Priority::Cancel, 0, T.plus_ms(9))), Err(SubmitRefusal::Draining));
    assert_eq!(lane.release(T), None);
    lane.ended(TicketId(1), T, End::Answered);
    assert!(lane.release(T).is_some());
    assert_eq!(lane.release(T), None, "given back once");
    assert_eq!(lane.next(T, WALL), Step::NeedsGrant, "it may be taken again");
}

#[test]
fn a_grant_far_from_the_clock_is_refused_whatever_the_store_says() {
    let mut lane = lane_at(Tier::PRO);
    let wall = UnixUs(WALL.0 - 31 * 60 * 1_000_000);
    assert!(lane.grant_given(T, T, wall, &granted(1, true, None)).is_err());
    assert_eq!(lane.state(), &LaneState::Idle);
}

#[test]
fn without_a_store_cancels_go_on_and_nothing_else() {
    let mut lane = open_lane(Tier::PRO);
    let late = T.plus_ms(600_000);
    let over = T.plus_ms(4_500);
    lane.submit(T, ticket(1, Priority::Cancel, 0, late)).expect("room");
    let Step::Send { nonce: last, .. } = lane.next(T, WALL) else { panic!("leased") };
    lane.ended(TicketId(1), T, End::Answered);
    assert_eq!(lane.submit(over, ticket(2, Priority::Cancel, 0, late)), Err(SubmitRefusal::NotOpen));
    // Whether the store is away is known only by asking it.
    lane.store_gone();
    assert!(lane.is_adrift(over) && lane.snapshot(over).takes_cancels() && !lane.snapshot(over).is_ready());
    assert_eq!(lane.submit(over, ticket(3, Priority::Place, 0, late)), Err(SubmitRefusal::NotOpen));
    let (mut now, mut expected) = (over, last.0);
    for id in 10..14 {
        // Long after the end of the range by the clock.
        now = now.plus_ms(60_000);
        lane.submit(now, ticket(id, Priority::Cancel, 0, late)).expect("adrift");
        let Step::Send { ticket, nonce } = lane.next(now, UnixUs(WALL.0 + now.0)) else { panic!("adrift") };
        expected += 1;
        assert_eq!((ticket.id, nonce.0), (TicketId(id), expected), "last + 1, whatever the clock says");
        assert!(lane.lease_ok(ticket.id, now));
        lane.ended(ticket.id, now, End::Answered);
    }
    assert_eq!(lane.next(now, WALL), Step::NeedsGrant, "and the store is asked on");
    // Refused: the key is somebody else's. Silent at once.
    lane.submit(now, ticket(20, Priority::Cancel, 0, late)).expect("adrift");
    let verdict = lane.nonce_refused(TicketId(13), now);
    assert!(
        matches!(&verdict, NonceVerdict::Superseded { handed_back } if handed_back.len() == 1),
        "{verdict:?}"
    );
    assert!(lane.epoch().is_none() && !lane.is_adrift(now));
    assert_eq!(lane.submit(now, ticket(21, Priority::Cancel, 0, late)), Err(SubmitRefusal::NotOpen));
}

#[test]
fn a_store_that_answers_again_ends_the_drift() {
    let mut lane = open_lane(Tier::PRO);
    let over = T.plus_ms(5_000);
    lane.store_gone();
    assert!(lane.is_adrift(over));
    let sight = Sight { generation: "g".into(), born_us: 1, reach_us: None };
    lane.saw(&sight, over, over);
    assert!(!lane.is_adrift(over), "whoever has the key now, the store knows");
    // A lane that holds nothing cannot drift.
    let mut idle = lane_at(Tier::PRO);
    idle.store_gone();
    assert!(!idle.is_adrift(over));
}

#[test]
fn a_clock_that_is_right_again_makes_the_lane_ready_though_nobody_calls() {
    let mut lane = open_lane(Tier::WIDE);
    let wrong = UnixUs(WALL.0 - 3_600_000_000);
    lane.submit(T, ticket(1, Priority::Read, 1, T.plus_ms(10))).expect("room");
    assert!(matches!(lane.next(T, wrong), Step::WaitUntil(_)));
    assert!(!lane.snapshot(T).is_ready());
    let later = T.plus_ms(20);
    assert!(matches!(lane.next(later, wrong), Step::Expired(_)));
    assert_eq!(lane.next(later, wrong), Step::Idle);
    assert!(!lane.snapshot(later).is_ready(), "the clock is still wrong");
    // Nobody is sent to a lane that is not ready, so no draw of a nonce will show that the trouble is over.
    assert_eq!(lane.next(later, WALL), Step::Idle);
    assert!(lane.snapshot(later).is_ready());
}

#[test]
fn epochs_of_another_generation_prove_nothing_about_the_counter() {
    let sight = |generation: &str| Sight { generation: generation.to_owned(), born_us: 1, reach_us: None };
    let mut lane = open_lane(Tier::PRO);
    lane.saw(&sight("a"), T, T);
    assert!(lane.grant_lost().is_empty());
    let later = T.plus_ms(60_000);
    // The store forgot our epoch, and somebody else had one of the same number, or of any.
    assert!(lane.saw(&sight("b"), later, later));
    assert_eq!(lane.grant_given(later, later, WALL, &granted(2, true, Some(15_000))), Ok(Vec::new()));
    assert_eq!(lane.snapshot(later).points_level_milli, 15_000);
    // Within a generation epochs are counted, and nobody spent anything between two of ours.
    assert!(lane.grant_lost().is_empty());
    let much_later = later.plus_ms(60_000);
    assert_eq!(
        lane.grant_given(much_later, much_later, WALL, &granted(3, true, Some(15_000))),
        Ok(Vec::new())
    );
    assert_eq!(lane.snapshot(much_later).points_level_milli, 0);
}

/// Points that each of two classes spends in ten minutes if both always have a call waiting, of so many points each.
fn spent(tier: Tier, resolver: u32, reads: u32) -> (u64, u64) {
    let mut lane = open_lane(tier);
    let (mut id, mut waiting) = (0, [None, None]);
    let mut points = [0_u64; 2];
    for step in 0..6_000 {
        let now = T.plus_ms(step * 100);
        if step % 10 == 0 {
            lane.grant_given(now, now, WALL, &granted(1, false, None)).expect("renewed");
        }
        loop {
            for (class, priority, cost) in [(0, Priority::Resolve, resolver), (1, Priority::Read, reads)] {
                if cost > 0 && waiting[class].is_none() {
                    id += 1;
                    lane.submit(now, ticket(id, priority, cost, now.plus_ms(600_000))).expect("room");
                    waiting[class] = Some(id);
                }
            }
            let Step::Send { ticket, .. } = lane.next(now, WALL) else { break };
            let class = usize::from(ticket.priority == Priority::Read);
            assert_eq!(waiting[class].take(), Some(ticket.id.0));
            points[class] += u64::from(ticket.points);
            lane.ended(ticket.id, now, End::Answered);
        }
    }
    (points[0], points[1])
}

#[test]
fn neither_the_resolver_nor_reads_starve_each_other_of_points() {
    for tier in [Tier::STARTER, Tier::INTERMEDIATE, Tier::PRO] {
        let all = tier.decay_milli_per_s * 600 / 1_000;
        for (resolver, reads) in [(4, 1), (2, 4), (1, 1), (4, 4)] {
            let (found, read) = spent(tier, resolver, reads);
            let text = format!("{found} and {read} of {all} points, calls of {resolver} and {reads}");
            assert!(found + read >= all, "none is left unused: {text}");
            assert!((all * 7 / 10..=all * 8 / 10 + 20).contains(&found), "{text}");
            assert!(read >= all / 5, "{text}");
        }
        assert!(spent(tier, 4, 0).0 >= all && spent(tier, 0, 1).1 >= all, "alone it has everything");
    }
}
