use tidegate_core::{MonoUs, Nonce, NonceUnit, PermissionSet, UnixUs};

use super::*;
use crate::budget::Tier;
use crate::queue::Priority;

const WALL: UnixUs = UnixUs(1_795_000_000_000_000);
const T: MonoUs = MonoUs(1_000_000);
/// For how long one grant of these tests lasts: longer than anything that they wait for.
const TTL_US: u64 = 40_000_000_000;

fn reply(epoch: u64, first_of_epoch: bool, hi_us: u64) -> GrantReply {
    GrantReply::Granted {
        epoch,
        lo_us: WALL.0 + epoch * 1_000,
        hi_us,
        expires_us: WALL.0 + TTL_US,
        store_now_us: WALL.0,
        first_of_epoch,
        counter_start_milli: Some(0),
    }
}

fn far() -> u64 {
    WALL.0 + TTL_US
}

fn new_lane(unit: NonceUnit, window: u64) -> Lane {
    let config = LaneConfig {
        label: "key".parse().expect("a label"),
        unit,
        window,
        tier: Tier::WIDE,
        permissions: PermissionSet::EMPTY,
        codes: false,
        queue_len_max: 64,
        in_flight_max: 256,
    };
    Lane::new(config, T)
}

fn wall(now: MonoUs) -> UnixUs {
    UnixUs(WALL.0 + now.0 - T.0)
}

fn ticket(id: u64, priority: Priority) -> Ticket {
    Ticket { id: TicketId(id), priority, points: 0, deadline: MonoUs(u64::MAX) }
}

/// Sends what is asked for; the nonce.
fn send(lane: &mut Lane, id: u64, priority: Priority, now: MonoUs) -> Nonce {
    lane.submit(now, ticket(id, priority)).expect("room");
    match lane.next(now, wall(now)) {
        Step::Send { ticket, nonce } if ticket.id == TicketId(id) => nonce,
        other => panic!("not sent: {other:?}"),
    }
}

fn fence(lane: &mut Lane, now: MonoUs) -> Nonce {
    let Step::Verify { nonce, .. } = lane.next(now, wall(now)) else { panic!("no fence") };
    assert!(lane.lease_ok(TicketId::VERIFICATION, now));
    assert!(lane.ended(TicketId::VERIFICATION, now, End::Answered));
    nonce
}

fn open_lane(window: u64) -> Lane {
    let mut lane = new_lane(NonceUnit::Us, window);
    lane.grant_given(T, T, WALL, &reply(1, true, far())).expect("plausible");
    fence(&mut lane, T);
    assert!(lane.verified(1));
    lane
}

/// The store says that the key is ours, asked and answered now.
fn confirm(lane: &mut Lane, now: MonoUs) -> Vec<Ticket> {
    lane.grant_given(now, now, wall(now), &reply(1, false, far())).expect("plausible")
}

fn refuse(lane: &mut Lane, id: u64, now: MonoUs) -> NonceVerdict {
    assert!(lane.ended(TicketId(id), now, End::Answered));
    lane.nonce_refused(TicketId(id), now)
}

/// A lane in quarantine since `now`, after two refusals that the store could not explain.
fn quarantined(now: MonoUs) -> Lane {
    let mut lane = open_lane(0);
    for id in [1, 2] {
        send(&mut lane, id, Priority::Read, now);
        assert_eq!(refuse(&mut lane, id, now), NonceVerdict::Noted);
        confirm(&mut lane, now);
    }
    assert!(matches!(lane.state(), LaneState::Quarantined { .. }), "{:?}", lane.state());
    lane
}

#[test]
fn a_refusal_is_believed_only_once_the_store_was_asked_after_it() {
    let mut lane = open_lane(0);
    send(&mut lane, 1, Priority::Read, T);
    let asked_before = T.plus_ms(1);
    let now = T.plus_ms(2);
    assert_eq!(refuse(&mut lane, 1, now), NonceVerdict::Noted);
    lane.submit(now, ticket(2, Priority::Place)).expect("room");
    assert_eq!(
        lane.next(now, wall(now)),
        Step::NeedsGrant,
        "nothing else leaves before the store has answered"
    );
    lane.grant_given(asked_before, now, wall(now), &reply(1, false, far())).expect("a renewal");
    assert_eq!(lane.next(now, wall(now)), Step::NeedsGrant, "that answer says nothing of what came later");
    assert_eq!(lane.take_findings(), None);
    // A cancel waits, too, but not for a slow store.
    lane.submit(now, ticket(3, Priority::Cancel)).expect("room");
    assert_eq!(lane.next(now.plus_ms(499), wall(now)), Step::NeedsGrant);
    let now = now.plus_ms(500);
    assert!(matches!(lane.next(now, wall(now)), Step::Send { ticket, .. } if ticket.id == TicketId(3)));
    lane.ended(TicketId(3), now, End::Answered);
    assert_eq!(lane.next(now, wall(now)), Step::NeedsGrant);
    assert!(confirm(&mut lane, now).is_empty());
    assert!(matches!(lane.next(now, wall(now)), Step::Send { ticket, .. } if ticket.id == TicketId(2)));
    assert_eq!(lane.take_findings(), Some(Findings { unexplained: 1, ..Findings::default() }));
    assert_eq!(lane.take_findings(), None);
}

#[test]
fn a_call_that_was_about_to_be_written_is_not_while_the_key_is_in_doubt() {
    let mut lane = open_lane(1_000_000);
    send(&mut lane, 1, Priority::Read, T);
    send(&mut lane, 2, Priority::Place, T);
    send(&mut lane, 3, Priority::Cancel, T);
    assert!(lane.lease_ok(TicketId(2), T));
    assert_eq!(refuse(&mut lane, 1, T), NonceVerdict::Noted);
    assert!(!lane.lease_ok(TicketId(2), T) && lane.lease_ok(TicketId(3), T));
    confirm(&mut lane, T);
    assert!(lane.lease_ok(TicketId(2), T));
}

#[test]
fn a_refusal_after_a_change_of_owner_is_explained() {
    let mut lane = open_lane(0);
    send(&mut lane, 1, Priority::Read, T);
    assert_eq!(refuse(&mut lane, 1, T), NonceVerdict::Noted);
    lane.submit(T, ticket(2, Priority::Read)).expect("room");
    let lost = GrantReply::Lost { store_now_us: WALL.0 };
    let back = lane.grant_given(T, T, WALL, &lost).expect("no grant");
    assert_eq!(back.iter().map(|t| t.id.0).collect::<Vec<_>>(), [2]);
    assert_eq!(lane.take_findings(), Some(Findings { superseded: 1, ..Findings::default() }));
    // Late, of an epoch that is over, also when the key has come back meanwhile.
    lane.grant_given(T, T, WALL, &reply(3, true, far())).expect("taken anew");
    assert_eq!(lane.nonce_refused(TicketId(1), T), NonceVerdict::Superseded { handed_back: Vec::new() });
    assert_eq!((lane.epoch(), lane.take_findings()), (Some(3), None));
}

#[test]
fn what_the_lane_went_on_without_is_explained_and_counts_nothing() {
    let mut lane = open_lane(0);
    let now = T.plus_ms(10);
    for id in (1..40).step_by(2) {
        send(&mut lane, id, Priority::Read, now);
        lane.submit(now, ticket(id + 1, Priority::Cancel)).expect("room");
        assert_eq!(lane.next(now, wall(now)), Step::Abandon(TicketId(id)));
        assert!(matches!(lane.next(now, wall(now)), Step::Send { .. }));
        lane.ended(TicketId(id + 1), now, End::Answered);
        assert!(!lane.ended(TicketId(id), now, End::Answered));
        assert_eq!(lane.nonce_refused(TicketId(id), now), NonceVerdict::Abandoned);
    }
    assert_eq!((lane.take_findings(), lane.state()), (None, &LaneState::Open));
}

#[test]
fn calls_that_were_out_together_are_one_incident() {
    let mut lane = open_lane(10_000_000);
    for id in 1..=20 {
        send(&mut lane, id, Priority::Read, T);
    }
    for id in 1..=20 {
        assert_eq!(refuse(&mut lane, id, T), NonceVerdict::Noted);
    }
    confirm(&mut lane, T);
    assert_eq!(lane.state(), &LaneState::Open, "one jump of a stranger hits all that is on its way");
    assert_eq!(lane.take_findings().map(|f| f.unexplained), Some(20));
}

#[test]
fn two_unexplained_refusals_close_the_key_and_two_far_apart_do_not() {
    for (apart_us, closed) in [(1_000, true), (NOTED_FOR_US, true), (NOTED_FOR_US + 1, false)] {
        let mut lane = open_lane(0);
        send(&mut lane, 1, Priority::Read, T);
        assert_eq!(refuse(&mut lane, 1, T), NonceVerdict::Noted);
        confirm(&mut lane, T);
        let now = T.plus_us(apart_us);
        send(&mut lane, 2, Priority::Read, now);
        assert_eq!(refuse(&mut lane, 2, now), NonceVerdict::Noted);
        for (id, priority) in [(3, Priority::Read), (4, Priority::Cancel), (5, Priority::Place)] {
            lane.submit(now, ticket(id, priority)).expect("room");
        }
        let back = confirm(&mut lane, now);
        let LaneState::Quarantined { reason } = lane.state().clone() else {
            assert!(!closed, "{apart_us}");
            continue;
        };
        assert!(closed, "{apart_us}");
        assert!(reason.contains("another program uses this key"), "{reason}");
        assert_eq!(lane.take_findings().and_then(|f| f.quarantined), Some(reason));
        assert_eq!(back.iter().map(|t| t.id.0).collect::<Vec<_>>(), [5, 3], "all but the cancel");
        let Step::Send { ticket: cancel, .. } = lane.next(now, wall(now)) else { panic!("the cancel goes") };
        assert_eq!(cancel.id, TicketId(4));
        assert_eq!(lane.submit(now, ticket(6, Priority::Read)), Err(SubmitRefusal::NotOpen));
        assert!(lane.snapshot(now).takes_cancels() && !lane.snapshot(now).is_ready());
    }
}

#[test]
fn in_quarantine_one_cancel_leaves_every_five_seconds() {
    let mut lane = quarantined(T);
    let mut now = T;
    for id in 10..40 {
        lane.submit(now, ticket(id, Priority::Cancel)).expect("never closed to cancels");
    }
    let mut left = Vec::new();
    // Half a minute: the first fence is not due yet.
    while now < T.plus_ms(30_000) {
        match lane.next(now, wall(now)) {
            Step::Send { ticket, .. } => {
                assert!(lane.lease_ok(ticket.id, now));
                left.push(now.us_since(T));
                lane.ended(ticket.id, now, End::Answered);
                // That Kraken refuses it as well changes nothing.
                if left.len() % 2 == 0 {
                    let verdict = lane.nonce_refused(ticket.id, now);
                    assert_eq!(verdict, NonceVerdict::Quarantined { handed_back: Vec::new() });
                }
            }
            Step::WaitUntil(at) => now = at,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(left, [0, 5_000_000, 10_000_000, 15_000_000, 20_000_000, 25_000_000]);
    // One that hangs holds up the next for a second at the most beyond its turn.
    let Step::Send { ticket, .. } = lane.next(now, wall(now)) else { panic!("its turn") };
    let Step::WaitUntil(at) = lane.next(now, wall(now)) else { panic!("one in flight") };
    let hung = at.max(now.plus_us(CANCEL_EVERY_US));
    assert_eq!(lane.next(hung, wall(hung)), Step::Abandon(ticket.id));
    assert!(matches!(lane.next(hung, wall(hung)), Step::Send { .. }));
}

#[test]
fn a_quarantine_ends_with_an_accepted_fence_and_its_pauses_grow() {
    let mut lane = quarantined(T);
    let mut now = T;
    let mut pauses = Vec::new();
    let mut floor_raised = 0;
    for _ in 0..8 {
        let before = now;
        let Step::WaitUntil(at) = lane.next(now, wall(now)) else { panic!("a pause") };
        now = at;
        pauses.push(now.us_since(before) / 1_000_000);
        fence(&mut lane, now);
        let mut verdict = lane.nonce_refused(TicketId::VERIFICATION, now);
        if verdict == NonceVerdict::Raised {
            floor_raised += 1;
            fence(&mut lane, now);
            verdict = lane.nonce_refused(TicketId::VERIFICATION, now);
        }
        assert!(matches!(verdict, NonceVerdict::Quarantined { .. }), "{verdict:?}");
    }
    assert_eq!(pauses, [60, 120, 240, 480, 900, 900, 900, 900]);
    assert_eq!(floor_raised, 1);
    let Step::WaitUntil(at) = lane.next(now, wall(now)) else { panic!("a pause") };
    fence(&mut lane, at);
    assert!(lane.verified(1));
    assert_eq!(lane.state(), &LaneState::Open);
    send(&mut lane, 50, Priority::Read, at);
}

#[test]
fn a_relapse_goes_on_with_long_pauses_and_after_a_quiet_hour_they_begin_anew() {
    for (quiet_ms, pause_s) in [(1_000, 120), (3_599_000, 120), (3_600_000, 60)] {
        let mut lane = quarantined(T);
        let Step::WaitUntil(at) = lane.next(T, wall(T)) else { panic!("a pause") };
        fence(&mut lane, at);
        assert!(lane.verified(1));
        let now = at.plus_ms(quiet_ms);
        let _ = lane.quarantine(now, "again");
        let Step::WaitUntil(fence_at) = lane.next(now, wall(now)) else { panic!("a pause") };
        assert_eq!(fence_at.us_since(now), pause_s * 1_000_000, "after {quiet_ms} ms");
    }
}

#[test]
fn a_refused_fence_raises_the_floor_once_above_all_that_we_can_have_used_and_inside_the_signers_bounds() {
    for (unit, window, words) in [
        (NonceUnit::Ms, 0, "microseconds or nanoseconds"),
        (NonceUnit::Us, 0, "nanoseconds"),
        (NonceUnit::Us, 10_000_000, "nanoseconds"),
        (NonceUnit::Ns, 0, "clock that is far ahead"),
    ] {
        let mut lane = new_lane(unit, window);
        let hi_us = WALL.0 + 7_000_000;
        lane.grant_given(T, T, WALL, &reply(1, true, hi_us)).expect("plausible");
        let low = fence(&mut lane, T);
        assert_eq!(lane.nonce_refused(TicketId::VERIFICATION, T), NonceVerdict::Raised);
        assert_eq!(lane.next(T, WALL), Step::NeedsGrant, "the range does not reach there yet");
        let terms = lane.terms(T, WALL, Want::Hold);
        assert!(matches!(terms.intent, Intent::Renew { epoch: 1 }), "the same epoch goes on");
        let floor_us = terms.floor_us;
        assert!(
            floor_us
                > WALL.0 + crate::grant::LEAD_CAP_US + GRANT_TTL_US + GRANT_RESERVE_US + lane.window_us()
        );
        assert!(floor_us < WALL.0 + 30 * 60 * 1_000_000);
        lane.grant_given(T, T, WALL, &reply(1, false, floor_us + 7_000_000)).expect("extended");
        let high = fence(&mut lane, T);
        assert!(high > low && unit.to_us_ceil(high).0 >= floor_us, "{high}");
        let verdict = lane.nonce_refused(TicketId::VERIFICATION, T);
        assert!(matches!(verdict, NonceVerdict::Quarantined { .. }), "{verdict:?}");
        let LaneState::Quarantined { reason } = lane.state().clone() else { panic!("{:?}", lane.state()) };
        assert!(reason.contains(words) && reason.contains("make a new key"), "{reason}");
        assert!(reason.contains("nonce_unit = ") == (unit != NonceUnit::Ns), "{reason}");
        let found = lane.take_findings().expect("findings");
        assert_eq!((found.unexplained, found.quarantined), (2, Some(reason)));
    }
}

#[test]
fn a_raised_fence_that_is_accepted_opens_the_lane_and_the_next_trouble_may_raise_again() {
    let mut lane = new_lane(NonceUnit::Us, 0);
    lane.grant_given(T, T, WALL, &reply(1, true, far())).expect("plausible");
    fence(&mut lane, T);
    assert_eq!(lane.nonce_refused(TicketId::VERIFICATION, T), NonceVerdict::Raised);
    let raised = fence(&mut lane, T);
    assert!(lane.verified(1));
    let next = send(&mut lane, 1, Priority::Read, T);
    assert_eq!(next.0, raised.0 + 1, "the clock is behind, and nonces never fall");
    let _ = lane.grant_lost();
    lane.grant_given(T, T, WALL, &reply(2, true, far())).expect("plausible");
    lane.ended(TicketId(1), T, End::Answered);
    fence(&mut lane, T);
    assert_eq!(lane.nonce_refused(TicketId::VERIFICATION, T), NonceVerdict::Raised);
}

#[test]
fn a_window_so_wide_that_the_signer_cannot_jump_it_is_quarantined_at_once() {
    let mut lane = new_lane(NonceUnit::Us, 40 * 60 * 1_000_000);
    lane.grant_given(T, T, WALL, &reply(1, true, far())).expect("plausible");
    fence(&mut lane, T);
    let verdict = lane.nonce_refused(TicketId::VERIFICATION, T);
    assert!(matches!(verdict, NonceVerdict::Quarantined { .. }), "{verdict:?}");
}

#[test]
fn before_its_fence_a_quarantined_lane_sends_a_fence_in_place_of_a_cancel() {
    let mut lane = new_lane(NonceUnit::Us, 0);
    lane.grant_given(T, T, WALL, &reply(1, true, far())).expect("plausible");
    for _ in 0..2 {
        fence(&mut lane, T);
        let _ = lane.nonce_refused(TicketId::VERIFICATION, T);
    }
    assert!(matches!(lane.state(), LaneState::Quarantined { .. }));
    lane.submit(T, ticket(1, Priority::Cancel)).expect("never closed to cancels");
    // No request of a key lies between a change of owner and its accepted fence, so the fence goes first.
    fence(&mut lane, T);
    assert!(matches!(lane.nonce_refused(TicketId::VERIFICATION, T), NonceVerdict::Quarantined { .. }));
    let Step::WaitUntil(at) = lane.next(T, WALL) else { panic!("a pause") };
    assert_eq!(at.us_since(T), CANCEL_EVERY_US);
    fence(&mut lane, at);
    assert!(lane.verified(1));
    assert!(matches!(lane.next(at, wall(at)), Step::Send { ticket, .. } if ticket.id == TicketId(1)));
}

#[test]
fn a_quarantine_outlives_the_grant_and_its_next_owner_is_this_process_again() {
    let mut lane = quarantined(T);
    let lost = GrantReply::Lost { store_now_us: WALL.0 };
    lane.grant_given(T, T, WALL, &lost).expect("no grant");
    assert!(matches!(lane.state(), LaneState::Quarantined { .. }) && !lane.snapshot(T).takes_cancels());
    assert_eq!(lane.next(T, WALL), Step::NeedsGrant);
    assert_eq!(lane.submit(T, ticket(7, Priority::Cancel)), Err(SubmitRefusal::NotOpen));
    lane.grant_given(T, T, WALL, &reply(2, true, far())).expect("taken anew");
    let Step::WaitUntil(at) = lane.next(T, WALL) else { panic!("the pauses go on") };
    assert_eq!(at.us_since(T), FENCE_AGAIN_US);
}

#[test]
fn without_a_store_a_quarantined_lane_keeps_its_pace() {
    let mut lane = quarantined(T);
    let over = T.plus_us(TTL_US);
    lane.store_gone();
    assert!(lane.is_adrift(over) && lane.snapshot(over).takes_cancels());
    for id in [10, 11] {
        lane.submit(over, ticket(id, Priority::Cancel)).expect("adrift");
    }
    // The clock of the process goes on; that of the wall is where the range is.
    assert!(matches!(lane.next(over, wall(T)), Step::Send { .. }));
    lane.ended(TicketId(10), over, End::Answered);
    assert_eq!(lane.next(over, wall(T)), Step::NeedsGrant, "the store is asked on");
    let later = over.plus_us(CANCEL_EVERY_US);
    assert!(matches!(lane.next(later, wall(T)), Step::Send { .. }));
    lane.ended(TicketId(11), later, End::Answered);
    let verdict = lane.nonce_refused(TicketId(11), later);
    assert_eq!(verdict, NonceVerdict::Superseded { handed_back: Vec::new() });
    assert_eq!(lane.epoch(), None, "silent at once");
}
