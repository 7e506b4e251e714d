//! What waits for a lane: by priority, then by age. Bounded.
//!
//! *Invariant:* nothing first-in-first-out stands in front of this queue. A cancel that arrives last leaves first.

use std::collections::VecDeque;
use std::fmt;

use tidegate_core::MonoUs;

/// Names a call inside one process. Zero is the lane's own verification call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub u64);

impl TicketId {
    /// The verification call, which the lane makes on its own account.
    pub const VERIFICATION: Self = Self(0);
    /// The verification that is repeated while the lane is open.
    pub const RECHECK: Self = Self(u64::MAX);
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which waiting call leaves first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Takes risk away: cancels and the kill switch.
    Cancel,
    /// Finds out what became of something already sent.
    Resolve,
    /// Changes an order.
    Amend,
    /// Creates orders.
    Place,
    /// Everything else.
    Read,
}

impl Priority {
    /// All, first to last.
    pub const ALL: [Self; 5] = [Self::Cancel, Self::Resolve, Self::Amend, Self::Place, Self::Read];
}

/// A call that wants a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its name, unique in this process.
    pub id: TicketId,
    /// Its class.
    pub priority: Priority,
    /// REST points that it costs.
    pub points: u32,
    /// The last moment at which it may be sent. The time that the call itself needs is already taken off.
    pub deadline: MonoUs,
}

impl Ticket {
    /// Its cost in thousandths of a point.
    pub fn points_milli(&self) -> u64 {
        u64::from(self.points) * 1_000
    }
}

/// A bounded priority queue, first in first out within a class.
///
/// Cancels have room of their own beside `len_max`, so that a queue full of reads never refuses one.
#[derive(Clone, Debug)]
pub struct PriorityQueue {
    classes: [VecDeque<Ticket>; Priority::ALL.len()],
    len_max: usize,
}

impl PriorityQueue {
    /// An empty queue for at most `len_max` calls, and as many cancels again.
    pub fn new(len_max: usize) -> Self {
        Self { classes: Default::default(), len_max: len_max.max(1) }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.classes.iter().map(VecDeque::len).sum()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(VecDeque::is_empty)
    }

    /// Whether there is room for a call of this class.
    pub fn has_room(&self, priority: Priority) -> bool {
        let cancels = self.classes[Priority::Cancel as usize].len();
        let taken = if priority == Priority::Cancel { cancels } else { self.len() - cancels };
        taken < self.len_max
    }

    /// Adds a call; `false` if there is no room.
    pub fn push(&mut self, ticket: Ticket) -> bool {
        let room = self.has_room(ticket.priority);
        if room {
            self.classes[ticket.priority as usize].push_back(ticket);
        }
        room
    }

    /// The waiting calls, first to last.
    pub fn iter(&self) -> impl Iterator<Item = &Ticket> {
        self.classes.iter().flatten()
    }

    /// The calls that a new one of this class would wait behind.
    pub fn ahead_of(&self, priority: Priority) -> impl Iterator<Item = &Ticket> {
        self.classes[..=priority as usize].iter().flatten()
    }

    /// Takes a call out.
    pub fn remove(&mut self, id: TicketId) -> Option<Ticket> {
        self.classes.iter_mut().find_map(|class| {
            let at = class.iter().position(|ticket| ticket.id == id)?;
            class.remove(at)
        })
    }

    /// Takes out one call whose deadline has passed.
    pub fn take_expired(&mut self, now: MonoUs) -> Option<Ticket> {
        let id = self.iter().find(|ticket| ticket.deadline < now)?.id;
        self.remove(id)
    }

    /// Takes everything out, first to last.
    pub fn take_all(&mut self) -> Vec<Ticket> {
        self.classes.iter_mut().flat_map(|class| class.drain(..)).collect()
    }

    /// Takes out everything that is less urgent than this class, first to last.
    pub fn take_below(&mut self, priority: Priority) -> Vec<Ticket> {
        self.classes[priority as usize + 1..].iter_mut().flat_map(|class| class.drain(..)).collect()
    }

    /// The earliest deadline of all that wait.
    pub fn earliest_deadline(&self) -> Option<MonoUs> {
        self.iter().map(|ticket| ticket.deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket(id: u64, priority: Priority, deadline: u64) -> Ticket {
        Ticket { id: TicketId(id), priority, points: 1, deadline: MonoUs(deadline) }
    }

    proptest! {
        #[test]
        fn leaves_by_class_then_by_age(classes in prop::collection::vec(0_usize..5, 0..60)) {
            let mut queue = PriorityQueue::new(60);
            for (id, class) in (1..).zip(&classes) {
                prop_assert!(queue.push(ticket(id, Priority::ALL[*class], 9)));
            }
            let mut order: Vec<(usize, u64)> = classes.iter().copied().zip(1..).collect();
            order.sort_unstable();
            let ids: Vec<u64> = queue.take_all().iter().map(|t| t.id.0).collect();
            prop_assert_eq!(ids, order.iter().map(|o| o.1).collect::<Vec<_>>());
            prop_assert!(queue.is_empty());
        }
    }

    #[test]
    fn a_queue_full_of_reads_still_takes_cancels_but_not_without_bound() {
        let mut queue = PriorityQueue::new(2);
        assert!(queue.push(ticket(1, Priority::Read, 5)));
        assert!(queue.push(ticket(2, Priority::Place, 5)));
        assert!(!queue.push(ticket(3, Priority::Resolve, 5)));
        assert!(queue.push(ticket(4, Priority::Cancel, 5)));
        assert!(queue.push(ticket(5, Priority::Cancel, 5)));
        assert!(!queue.push(ticket(6, Priority::Cancel, 5)));
        assert_eq!(queue.ahead_of(Priority::Cancel).count(), 2);
        assert_eq!(queue.ahead_of(Priority::Read).count(), 4);
    }

    #[test]
    fn expired_calls_are_handed_back_wherever_they_stand() {
        let mut queue = PriorityQueue::new(9);
        for (id, deadline) in [(1, 50), (2, 10), (3, 40)] {
            queue.push(ticket(id, Priority::Read, deadline));
        }
        assert_eq!(queue.earliest_deadline(), Some(MonoUs(10)));
        assert_eq!(queue.take_expired(MonoUs(10)), None, "the deadline itself is still in time");
        assert_eq!(queue.take_expired(MonoUs(11)).map(|t| t.id), Some(TicketId(2)));
        assert_eq!(queue.take_expired(MonoUs(11)), None);
        assert_eq!(queue.remove(TicketId(3)).map(|t| t.id), Some(TicketId(3)));
        assert_eq!(queue.len(), 1);
    }
}
