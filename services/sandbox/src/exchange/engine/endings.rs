//! How open orders end: by their owner, by their own time, by the switch that cancels them all.

use super::Engine;
use crate::exchange::order::Status;

pub(super) const BY_USER: &str = "User requested";
const BY_TIMER: &str = "Cancel all orders after";
const EXPIRED: &str = "Order expired";

impl Engine {
    /// Ends what has ended by the clock.
    pub(crate) fn tick(&mut self, now_us: u64) {
        self.modes.pass(now_us);
        let steps = self.market.steps(now_us);
        if !self.modes.is_down() {
            for step in steps {
                self.end_due(step.at_us);
                self.move_market(step);
                self.follow_up(step.at_us);
            }
            self.end_due(now_us);
        }
        self.roll_over(now_us);
        self.move_earn(now_us);
        self.move_funds(now_us);
    }

    fn end_due(&mut self, now_us: u64) {
        let fires = |account: usize| Some((self.accounts.get(account).cancels_after_us?, account));
        let mut fired: Vec<_> = (0..self.accounts.len()).filter_map(fires).collect();
        fired.retain(|(at_us, _)| *at_us <= now_us);
        fired.sort_unstable();
        for (at_us, account) in fired {
            self.pass(at_us);
            self.accounts.get_mut(account).cancels_after_us = None;
            let all: Vec<_> = self.accounts.get(account).open.iter().copied().collect();
            for number in all {
                self.end(self.modes.ends_us(at_us), number, BY_TIMER);
            }
        }
        self.pass(now_us);
        self.follow_up(now_us);
    }

    /// Lets time pass for orders: what begins by then begins, what ends by then ends, one after the other. What is to begin in a
    /// market in which nothing is matched begins when that is over.
    fn pass(&mut self, now_us: u64) {
        loop {
            let pair_of = |number: u64| self.open.get(&number).map(|order| order.terms.pair);
            let may_start = |number: u64| pair_of(number).is_some_and(|pair| self.modes.matches(pair));
            let due = self.starts.iter().copied().take_while(|(at_us, _)| *at_us <= now_us);
            let start = due.into_iter().find(|(_, number)| may_start(*number));
            let expiry = self.expiries.first().copied().filter(|(at_us, _)| *at_us <= now_us);
            match (start, expiry) {
                (Some(start), expiry) if expiry.is_none_or(|expiry| start <= expiry) => {
                    let (at_us, number) = (self.modes.starts_us(start.0), start.1);
                    self.start(at_us, number);
                    self.follow_up(at_us);
                }
                (_, Some((at_us, number))) => {
                    let pair = self.open.get(&number).map_or(0, |order| order.terms.pair);
                    self.close_open(number, Status::Expired, Some(EXPIRED), self.modes.ends_us(at_us));
                    self.restore_house(now_us, pair);
                }
                _ => return,
            }
        }
    }

    /// Cancels an order that is open. What follows from that is [`follow_up`](Self::follow_up)'s.
    pub(crate) fn cancel(&mut self, now_us: u64, number: u64) {
        self.end(now_us, number, BY_USER);
    }

    fn end(&mut self, now_us: u64, number: u64, reason: &'static str) {
        let pair = self.open.get(&number).map(|order| order.terms.pair);
        self.close_open(number, Status::Canceled, Some(reason), now_us);
        if let Some(pair) = pair {
            self.restore_house(now_us, pair);
        }
    }
}
