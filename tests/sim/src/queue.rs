//! What happens next: events by virtual time, and in the order of their making within one moment.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events that wait for their time.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    made: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at_us: u64,
    number: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_us, self.number).cmp(&(other.at_us, other.number))
    }
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), made: 0 }
    }

    pub(crate) fn push(&mut self, at_us: u64, event: E) {
        self.made += 1;
        self.heap.push(Reverse(Entry { at_us, number: self.made, event }));
    }

    /// The next event that is due by `until_us`.
    pub(crate) fn pop(&mut self, until_us: u64) -> Option<(u64, E)> {
        if self.heap.peek()?.0.at_us > until_us {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at_us, entry.event))
    }
}
