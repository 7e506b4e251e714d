//! Faults as they strike, and the end of all of them.

use crate::calls::Call;
use crate::flight::Flight;
use crate::plan::{Act, CHAOS_US, CallPlan, Fault, MS, OWNERS, Point, S, Stage, Want};
use crate::seen::Mark;
use crate::world::{Event, World};

/// What is wrong at present, each until its time.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    store_silent_us: u64,
    store_slow_us: u64,
    store_slow_by_us: u64,
    answers_lost_us: u64,
    cut_off_us: [u64; OWNERS],
    notices_lost_us: u64,
    unheard_take: Option<u64>,
    loss_us: u64,
    answer_loss_us: u64,
    duplicate_us: u64,
    reorder_us: u64,
    hangs: Vec<Hang>,
    pub healed: bool,
}

#[derive(Debug)]
struct Hang {
    key: usize,
    left: u64,
    stage: Stage,
    for_us: u64,
}

impl World {
    pub(crate) fn strike(&mut self, number: usize) {
        let fault = self.plan.faults[number].1;
        let t_us = self.t_us;
        self.trace.event(t_us, "fault", number as u64, 0);
        self.trace.say(t_us, || format!("FAULT {fault:?}"));
        match fault {
            Fault::Pause { slot, for_us } => {
                self.pause(slot, for_us);
                self.note(Mark::Pause);
            }
            Fault::CrashAt { slot, at, down_us } => self.procs[slot].fails = Some((at, down_us)),
            Fault::Lag { by_us, for_us } => {
                self.note(Mark::Lag);
                self.lag(by_us);
                self.queue.push((t_us + for_us).min(CHAOS_US), Event::LagEnds);
            }
            // Noted when it happens.
            Fault::Freeze { slot, at, for_us } => self.procs[slot].freeze = Some((at, for_us)),
            Fault::Crash { slot, down_us } => {
                self.note(Mark::Crash);
                self.watch_takeover(slot);
                self.crash(slot, down_us);
            }
            Fault::RestartAll { down_us } => {
                self.note(Mark::RestartAll);
                (0..OWNERS).for_each(|slot| self.crash(slot, down_us));
            }
            Fault::Drain { slot, down_us } => self.drain(slot, down_us),
            Fault::WallJump { slot, by_us, for_us } => {
                self.note(Mark::WallJump);
                let life = self.procs[slot].life;
                self.procs[slot].clocks.wall_off_us += by_us;
                self.queue.push(t_us + for_us, Event::WallBack { slot, life, by_us });
            }
            Fault::StoreJump { by_us, for_us } => {
                self.note(Mark::StoreJump);
                self.store.clock_off_us += by_us;
                self.queue.push(t_us + for_us, Event::StoreBack { by_us });
            }
            Fault::Flush => {
                self.note(Mark::Flush);
                self.store.flush();
            }
            Fault::Rollback { age_us } => {
                self.note(Mark::Rollback);
                self.store.replace(t_us, age_us);
            }
            Fault::Promotion { lag_us } => {
                self.note(Mark::Promotion);
                self.store.replace(t_us, lag_us);
            }
            Fault::StoreSilent { for_us } => {
                self.note(Mark::StoreSilent);
                self.weather.store_silent_us = t_us + for_us;
            }
            Fault::StoreSlow { by_us, for_us } => {
                self.note(Mark::StoreSlow);
                (self.weather.store_slow_us, self.weather.store_slow_by_us) = (t_us + for_us, by_us);
            }
            Fault::StoreAnswersLost { for_us } => {
                self.note(Mark::StoreAnswersLost);
                self.weather.answers_lost_us = t_us + for_us;
            }
            Fault::StoreCutOff { slot, for_us } => {
                self.note(Mark::StoreCutOff);
                self.weather.cut_off_us[slot] = t_us + for_us;
            }
            Fault::UnheardTake { for_us } => self.weather.unheard_take = Some(for_us),
            Fault::NoticesLost { for_us } => {
                self.note(Mark::NoticesLost);
                self.weather.notices_lost_us = t_us + for_us;
            }
            Fault::Hang { key, count, stage, for_us, then_cancel } => {
                self.weather.hangs.push(Hang { key, left: count, stage, for_us });
                if then_cancel {
                    let account = self.plan.keys[key].account;
                    self.burst(account, Want::Place, 1, 0);
                    self.burst(account, Want::Cancel, 1, 300 * MS);
                }
            }
            Fault::Loss { for_us } => self.weather.loss_us = t_us + for_us,
            Fault::AnswerLoss { for_us } => self.weather.answer_loss_us = t_us + for_us,
            Fault::Duplicate { for_us } => self.weather.duplicate_us = t_us + for_us,
            Fault::Reorder { for_us } => {
                self.note(Mark::Reorder);
                self.weather.reorder_us = t_us + for_us;
            }
            Fault::Pressure { account, calls } => {
                self.note(Mark::Pressure);
                self.burst(account, Want::Balance, calls, 0);
            }
            Fault::ExchangeTrouble { kind, count } => self.trouble(kind, count),
            Fault::Orders { account, calls } => self.burst(account, Want::Place, calls, 0),
            Fault::Mute { executed } => {
                let fault = |count: u64, what: &str| {
                    format!("{{\"endpoint\":\"AddOrder\",\"count\":{count},{what}}}")
                };
                let after = fault(executed, r#""execute_then_http_status":520"#);
                let before = fault(1_000_000, r#""http_status":502"#);
                let all = if executed > 0 { format!("{after},{before}") } else { before };
                if let Err(why) = self.exchange.change(format!("{{\"faults\":[{all}]}}").as_bytes()) {
                    self.violate(format!("the exchange takes no fault: {why}"));
                }
            }
        }
    }

    /// Stops a process. By the end of all faults it goes on.
    pub(crate) fn pause(&mut self, slot: usize, for_us: u64) {
        let until_us = (self.t_us + for_us).min(CHAOS_US);
        let process = &mut self.procs[slot];
        process.paused_until_us = process.paused_until_us.max(until_us);
    }

    /// Stops a process that is to be stopped at such an act.
    pub(crate) fn freeze_at(&mut self, slot: usize, act: Act) {
        if let Some((_, for_us)) = self.procs[slot].freeze.take_if(|(at, _)| *at == act) {
            self.trace.say(self.t_us, || format!("process {slot} is stopped at {act:?} for {for_us} us"));
            self.pause(slot, for_us);
            self.note(match act {
                Act::Ask => Mark::FreezeAtAsk,
                Act::Sign => Mark::FreezeAtSign,
                Act::Write => Mark::FreezeAtWrite,
            });
        }
    }

    /// Kills a process that is to be killed here. `true` if it was.
    pub(crate) fn fail_at(&mut self, slot: usize, point: Point) -> bool {
        let Some((_, down_us)) = self.procs[slot].fails.take_if(|(at, _)| *at == point) else { return false };
        self.trace.say(self.t_us, || format!("process {slot} is killed at {point:?}"));
        self.note(match point {
            Point::Claiming => Mark::CrashAtClaiming,
            Point::Claimed => Mark::CrashAtClaimed,
            Point::Drawn => Mark::CrashAtDrawn,
            Point::Written => Mark::CrashAtWritten,
            Point::Landed => Mark::CrashAtLanded,
            Point::Settling => Mark::CrashAtSettling,
            Point::Settled => Mark::CrashAtSettled,
            Point::TakingBack => Mark::CrashAtTakingBack,
            Point::RoundBegun => Mark::CrashAtRoundBegun,
            Point::RoundLooked => Mark::CrashAtRoundLooked,
            Point::VerdictSent => Mark::CrashAtVerdictSent,
        });
        self.crash(slot, down_us);
        true
    }

    /// For so long orders do not show.
    pub(crate) fn lag(&mut self, by_us: u64) {
        let change = format!("{{\"visibility_lag_ms\":{}}}", by_us / MS);
        if let Err(why) = self.exchange.change(change.as_bytes()) {
            self.violate(format!("the exchange shows no lag: {why}"));
        }
    }

    fn burst(&mut self, account: usize, want: Want, calls: u64, after_us: u64) {
        for _ in 0..calls {
            let at_us = self.t_us + after_us + self.rng.within(0, 100 * MS);
            let call = self.add_call(CallPlan { at_us, account, want, patience_us: 8 * S });
            self.queue.push(at_us, Event::Call(call));
        }
    }

    fn trouble(&mut self, kind: usize, count: u64) {
        self.note(Mark::ExchangeTrouble);
        let fault = [
            r#""error":"EService:Busy""#,
            r#""execute_then_error":"EService:Unavailable""#,
            r#""http_status":502"#,
            r#""execute_then_http_status":520"#,
            r#""truncate_after_bytes":7"#,
            r#""reset":true"#,
        ][kind];
        let change = format!("{{\"faults\":[{{\"count\":{count},{fault}}}]}}");
        if let Err(why) = self.exchange.change(change.as_bytes()) {
            self.violate(format!("the exchange takes no fault: {why}"));
        }
    }

    fn crash(&mut self, slot: usize, down_us: u64) {
        if !self.procs[slot].up {
            return;
        }
        self.stop(slot, down_us);
    }

    /// A process is gone; whoever waited for it hears nothing any more.
    fn stop(&mut self, slot: usize, down_us: u64) {
        let process = &mut self.procs[slot];
        process.up = false;
        let life = process.life;
        let at_process = |call: &Call| {
            let in_lane = call.at.is_some_and(|(at, of, ..)| (at, of) == (slot, life));
            call.told.is_none() && !call.left && (in_lane || call.host == Some((slot, life)))
        };
        let mut left = Vec::new();
        for (number, call) in self.calls.iter_mut().enumerate().filter(|(_, call)| at_process(call)) {
            call.left = true;
            left.push(number);
        }
        // Whoever asks with a request id asks again.
        left.into_iter().for_each(|number| self.caller_goes_on(number));
        let down_us = if self.weather.healed { MS } else { down_us };
        self.queue.push(self.t_us + down_us, Event::Start { slot, life });
    }

    fn drain(&mut self, slot: usize, down_us: u64) {
        let process = &mut self.procs[slot];
        if !process.up || process.leaving {
            return;
        }
        process.leaving = true;
        process.down_us = down_us;
        for cell in &mut process.cells {
            cell.keeper.leave();
        }
        self.note(Mark::Drain);
        self.watch_hand_over(slot);
        for key in 0..self.plan.keys.len() {
            self.wake_at(slot, key, self.t_us);
        }
    }

    /// A process that leaves ends when nothing is left to do.
    pub(crate) fn exit_if_done(&mut self, slot: usize) {
        let process = &self.procs[slot];
        if process.owed == 0 && process.cells.iter().all(|cell| cell.gone) {
            self.exit(slot);
        }
    }

    /// A process that gave everything back ends.
    fn exit(&mut self, slot: usize) {
        let down_us = self.procs[slot].down_us;
        self.trace.event(self.t_us, "exit", slot as u64, 0);
        self.stop(slot, down_us);
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        self.trace.say(self.t_us, || "all faults end".to_owned());
        self.weather = Weather { healed: true, ..Weather::default() };
        if let Err(why) = self.exchange.change(br#"{"clear_faults":true}"#) {
            self.violate(format!("the exchange keeps its faults: {why}"));
        }
        self.lag(0);
        self.store.clock_off_us = self.plan.store_wall_us;
        for slot in 0..OWNERS {
            let wall_us = self.plan.wall_us[slot];
            let process = &mut self.procs[slot];
            process.clocks.wall_off_us = wall_us;
            process.freeze = None;
            process.fails = None;
            let process = &self.procs[slot];
            if !process.up {
                self.queue.push(self.t_us + MS, Event::Start { slot, life: process.life });
            }
        }
        self.queue.push(self.t_us + S, Event::Look);
    }

    pub(crate) fn store_reached(&self, slot: usize) -> bool {
        self.t_us >= self.weather.store_silent_us && self.t_us >= self.weather.cut_off_us[slot]
    }

    pub(crate) fn store_answers_lost(&self) -> bool {
        self.t_us < self.weather.answers_lost_us || self.t_us < self.weather.store_silent_us
    }

    pub(crate) fn notices_reach(&self, slot: usize) -> bool {
        self.t_us >= self.weather.notices_lost_us && self.t_us >= self.weather.cut_off_us[slot]
    }

    pub(crate) fn store_way_us(&mut self) -> u64 {
        let slow_us = if self.t_us < self.weather.store_slow_us { self.weather.store_slow_by_us } else { 0 };
        self.rng.long_tail(50, self.plan.net.store_us) + self.rng.within(0, slow_us)
    }

    /// One way between a process and the exchange.
    pub(crate) fn way_us(&mut self) -> u64 {
        let (low_us, high_us) = (self.plan.net.low_us, self.plan.net.high_us);
        if self.t_us < self.weather.reorder_us {
            return self.rng.within(low_us, high_us + 400 * MS);
        }
        self.rng.long_tail(low_us, high_us)
    }

    pub(crate) fn is_lost_on_the_way(&mut self) -> bool {
        let lost = self.t_us < self.weather.loss_us && self.rng.percent(30);
        if lost {
            self.note(Mark::Loss);
        }
        lost
    }

    pub(crate) fn is_answer_lost(&mut self) -> bool {
        let lost = self.t_us < self.weather.answer_loss_us && self.rng.percent(30);
        if lost {
            self.note(Mark::AnswerLoss);
        }
        lost
    }

    /// Whether something on the way delivers a request twice. Not where a window takes the place of the exchange's own
    /// guard: such a key places only if an operator says so by name, and is told what that means.
    pub(crate) fn is_duplicated(&mut self, flight: usize) -> bool {
        let Flight { key, call, .. } = self.flights[flight];
        let changes = call.is_some_and(|call| !self.calls[call].is_read());
        let unguarded = self.plan.keys[key].window > 0 && !self.plan.refuse_repeats;
        if self.t_us >= self.weather.duplicate_us || (changes && unguarded) {
            return false;
        }
        let twice = self.rng.percent(30);
        if twice {
            self.note(Mark::Duplicate);
        }
        twice
    }

    /// Somebody tries to take a key.
    pub(crate) fn takes(&mut self, slot: usize) {
        let stays = |other: &usize| *other != slot && self.procs[*other].up && !self.procs[*other].leaving;
        let Some(blind) = (0..OWNERS).find(stays) else { return };
        let Some(for_us) = self.weather.unheard_take.take() else { return };
        self.note(Mark::UnheardTake);
        let loss_us = self.t_us + for_us + self.rng.within(1_000 * MS, 1_700 * MS);
        let other = (0..OWNERS).find(|other| *other != slot && *other != blind).unwrap_or_default();
        for (at_us, fault) in [
            (self.t_us, Fault::StoreAnswersLost { for_us }),
            (self.t_us, Fault::StoreCutOff { slot: blind, for_us: loss_us + 10 * MS - self.t_us }),
            (loss_us, Fault::Flush),
            (loss_us, Fault::Crash { slot, down_us: 8 * S }),
            (loss_us, Fault::Crash { slot: other, down_us: 9 * S }),
        ] {
            self.queue.push(at_us, Event::Fault(self.plan.faults.len()));
            self.plan.faults.push((at_us, fault));
        }
    }

    /// Whether the wrong one of two answers comes back. Once for each key: a second refusal that nothing of ours explains
    /// means another program, and the key is rightly taken out of use.
    pub(crate) fn is_crossed(&mut self, flight: usize) -> bool {
        let key = self.flights[flight].key;
        let crossed = self.rng.percent(50) && !self.crossed.contains(&key);
        if crossed {
            self.crossed.push(key);
        }
        crossed
    }

    /// For how long the exchange makes a request wait before each of its steps.
    pub(crate) fn hang_of(&mut self, flight: usize) -> [u64; 3] {
        let mut hang_us = [0; 3];
        let key = self.flights[flight].key;
        if let Some(at) = self.weather.hangs.iter().position(|hang| hang.key == key) {
            let hang = &mut self.weather.hangs[at];
            hang_us[hang.stage as usize] = hang.for_us;
            hang.left -= 1;
            if hang.left == 0 {
                self.weather.hangs.remove(at);
            }
            self.note(Mark::Hang);
            self.trace.say(self.t_us, || format!("flight-{flight} hangs at the exchange: {hang_us:?} us"));
        }
        hang_us
    }
}
