//! How the resolver and ordinary reads share a REST counter that has not enough for both.
//!
//! *The idea.* Looking for lost orders goes first, and is left three points of four while reads wait as well: whoever does not
//! know whether an order exists needs it more. But reads keep a quarter, so that hundreds of lost orders do not take away the
//! sight of everything else. It is a debt in points: who spends while the other waits owes the other its part. A debt keeps
//! nobody from spending points that the other has no use for.

use crate::queue::{Priority, PriorityQueue, Ticket};

/// For one point of the reads the resolver has so many.
const RESOLVER_PARTS: i64 = 3;

/// Who may spend next when both want points.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    /// What the reads owe the resolver, in thousandths of its points; below zero the resolver owes them.
    owed: i64,
}

impl Share {
    /// What must be left when this call is sent, in thousandths of a point: a resolver in debt leaves room for the read that
    /// waits first.
    pub(super) fn leaves_milli(self, ticket: &Ticket, queue: &PriorityQueue) -> u64 {
        if ticket.priority != Priority::Resolve || self.owed >= 0 {
            return 0;
        }
        first_milli(queue, Priority::Read)
    }

    /// A call has been sent.
    pub(super) fn spend(&mut self, ticket: &Ticket, queue: &PriorityQueue) {
        let milli = i64::try_from(ticket.points_milli()).unwrap_or(i64::MAX);
        match ticket.priority {
            Priority::Resolve if self.owed > 0 || first_milli(queue, Priority::Read) > 0 => {
                self.owed = self.owed.saturating_sub(milli);
            }
            Priority::Read if self.owed < 0 || first_milli(queue, Priority::Resolve) > 0 => {
                self.owed = self.owed.saturating_add(milli.saturating_mul(RESOLVER_PARTS));
            }
            _ => {}
        }
    }
}

/// What the first call of a class that costs points costs; zero if none waits.
fn first_milli(queue: &PriorityQueue, priority: Priority) -> u64 {
    let of_class = queue.iter().filter(|ticket| ticket.priority == priority);
    of_class.map(Ticket::points_milli).find(|milli| *milli > 0).unwrap_or_default()
}
