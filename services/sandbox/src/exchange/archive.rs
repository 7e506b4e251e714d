//! What is over and may be asked for again: bounded, oldest forgotten first.

use std::collections::{HashMap, VecDeque};

use super::ids::Id;

/// Things with ids, numbered in the order of their arrival.
#[derive(Debug)]
pub(crate) struct Archive<T> {
    items: VecDeque<(Id, T)>,
    /// Number of the oldest item kept.
    first: u64,
    by_id: HashMap<Id, u64>,
    limit: usize,
}

impl<T> Archive<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { items: VecDeque::new(), first: 0, by_id: HashMap::new(), limit }
    }

    /// Adds an item and returns its number.
    pub(crate) fn push(&mut self, id: Id, item: T) -> u64 {
        if self.items.len() == self.limit
            && let Some((oldest, _)) = self.items.pop_front()
        {
            self.by_id.remove(&oldest);
            self.first += 1;
        }
        let number = self.first + self.items.len() as u64;
        self.items.push_back((id, item));
        self.by_id.insert(id, number);
        number
    }

    /// The item of a number, unless it is forgotten.
    pub(crate) fn get(&self, number: u64) -> Option<&(Id, T)> {
        self.items.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The item of an id.
    pub(crate) fn find(&self, id: Id) -> Option<(u64, &T)> {
        let number = *self.by_id.get(&id)?;
        self.get(number).map(|(_, item)| (number, item))
    }

    /// Drops the numbers of forgotten items from the front of somebody's list.
    pub(crate) fn trim(&self, numbers: &mut VecDeque<u64>) {
        while numbers.front().is_some_and(|number| *number < self.first) {
            numbers.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ids::Source;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let (mut source, mut archive) = (Source::new(1, 1), Archive::new(3));
        let ids: Vec<_> = (0..5).map(|_| source.id(b'L')).collect();
        let numbers: Vec<_> = ids.iter().enumerate().map(|(item, id)| archive.push(*id, item)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert!(archive.find(ids[1]).is_none() && archive.get(1).is_none());
        assert_eq!(archive.find(ids[2]), Some((2, &2)));
        assert_eq!(archive.get(4).map(|(_, item)| *item), Some(4));
        let mut mine = VecDeque::from([0, 1, 3]);
        archive.trim(&mut mine);
        assert_eq!(mine, [3]);
    }
}
