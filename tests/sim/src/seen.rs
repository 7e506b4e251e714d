//! What a campaign has met. A fault or a rare branch that no seed of it met was not tested, so a zero fails.

use std::fmt;

macro_rules! marks {
    ($($name:ident $text:literal,)+) => {
        /// A fault that struck, or a branch that was taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each has its words in the table below")]
        pub enum Mark { $($name,)+ }

        impl Mark {
            /// All, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// In words.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

marks! {
    Pause "fault: a process is stopped for a while",
    FreezeAtAsk "fault: a process is stopped before it hears the store",
    FreezeAtSign "fault: a process is stopped between nonce and lease check",
    FreezeAtWrite "fault: a process is stopped between lease check and write",
    Crash "fault: a process is killed",
    Drain "fault: a process leaves as planned",
    WallJump "fault: a process's wall clock jumps",
    StoreJump "fault: the store's clock jumps",
    Flush "fault: the store is flushed",
    Rollback "fault: the store starts again from an older copy",
    Promotion "fault: a replica without the last writes is promoted",
    StoreSilent "fault: the store is silent",
    StoreSlow "fault: the store is slow",
    StoreAnswersLost "fault: the store's answers are lost after the act",
    StoreCutOff "fault: one process is cut off from the store",
    UnheardTake "fault: a key is taken, and nobody hears of it in time",
    NoticesLost "fault: notices of releases are lost",
    Hang "fault: a call hangs at the exchange",
    Loss "fault: requests are lost on the way",
    AnswerLoss "fault: answers are lost on the way",
    Duplicate "fault: a request is delivered twice",
    Reorder "fault: requests overtake each other",
    Pressure "fault: more reads than the REST counter allows",
    ExchangeTrouble "fault: the exchange answers nonsense, errors or nothing",
    Lag "fault: orders show late",
    CrashAtClaiming "fault: a process is killed while its claim is on its way",
    CrashAtClaimed "fault: a process is killed with a claim, before the lane",
    CrashAtDrawn "fault: a process is killed with a nonce, before the write",
    CrashAtWritten "fault: a process is killed after the write",
    CrashAtLanded "fault: a process is killed with an answer that nobody knows",
    CrashAtSettling "fault: a process is killed while the outcome is on its way to the store",
    CrashAtSettled "fault: a process is killed before the caller is told",
    CrashAtTakingBack "fault: a process is killed while a claim is taken back",
    CrashAtRoundBegun "fault: a process is killed before it looks for orders",
    CrashAtRoundLooked "fault: a process is killed while it looks for orders",
    CrashAtVerdictSent "fault: a process is killed while a verdict is on its way",
    RestartAll "fault: all processes are killed at once",
    FenceAccepted "a fence was accepted",
    FenceRefused "a fence was refused, and its floor raised",
    NonceNoted "a refused nonce was held until the store had been asked",
    FenceRepeated "a fence was repeated after an unclear answer",
    Takeover "a key changed hands after a crash",
    HandOver "a key changed hands as planned",
    Renewed "a grant was renewed",
    RenewalLost "a renewal was answered: the epoch is over",
    GrantRepeated "a grant whose answer was lost was asked for again",
    Unanswered "a request to the store was not answered",
    NewGeneration "a process saw the store's loss of memory",
    Recovering "a key rests while the store recovers",
    WroteItselfIn "a live owner wrote itself into a store that had forgotten it",
    FloorFromSighting "a floor from a sighting was granted",
    Jumped "a key that nobody had seen jumped ahead",
    LeadGuard "the lead guard refused a range",
    Skewed "a grant was refused for a clock that differs",
    ClockTrouble "a lane drew no nonce because of its clock",
    LeaseOver "a call was not written because its lease had ended",
    Abandoned "a call in flight was abandoned",
    AbandonedAnsweredLate "an abandoned call was answered late",
    AbandonedForCancel "a call was abandoned for a cancel",
    SeveralInFlight "several calls of a key were in flight",
    SpanBlocked "the span rule held a call back",
    BudgetBlocked "the REST counter held a call back",
    WaitedForRenewal "a call waited for a renewal of the ceiling",
    AdriftCancel "a cancel was sent without a store",
    Superseded "an adrift lane found itself superseded",
    HandedBack "waiting calls were handed back unsent",
    Expired "a call expired in its lane",
    Withdrawn "a call was withdrawn by its caller",
    ReSigned "a read or cancel was signed anew after a refused nonce",
    Straggler "a request reached the exchange from an owner that had lost the key",
    RefusedAbandoned "a refused nonce, explained by an abandonment",
    RefusedTakeover "a refused nonce, explained by a takeover",
    RefusedDuplicate "a refused nonce, explained by a second delivery",
    RefusedAdrift "a refused nonce, explained by a superseded cancel",
    ToldDone "a caller was told: done",
    ToldNotExecuted "a caller was told: not executed",
    ToldUnresolved "a caller was told: unresolved",
    ToldNothing "a caller was told nothing",
    ClaimKnown "a request id was known already",
    ClaimLost "a request id may have lost its claim",
    ClaimUnanswered "a claim was not answered",
    ClaimNoGeneration "a claim met a store that has just lost its memory",
    ClaimSkewed "a claim was taken back because clocks differ",
    ClaimUntimely "a request id was not of the store's time",
    TakenBack "a claim was taken back",
    TakenBackAgain "a claim was tried to be taken back once more",
    LeftOpen "a caller's time was up before the exchange had answered",
    LateProof "the exchange answered after all, and its answer was kept",
    WrittenAgain "an outcome was written again",
    ToldAsKept "a caller was told what another process had kept",
    Looked "a look for orders began",
    LookFailed "a look for orders came to nothing",
    FoundExecuted "a verdict: executed",
    FoundAbsent "a verdict: absent",
    VerdictStale "a verdict was too late: the store had lost its memory",
    VerdictKept "a verdict was too late: somebody knew better",
    TakeoverBound "a takeover was held to its time",
    HandOverBound "a hand-over was held to its time",
    CancelBound "a cancel behind a hung call was held to its time",
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// How often each mark was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen([u64; Mark::ALL.len()]);

impl Default for Seen {
    fn default() -> Self {
        Self([0; Mark::ALL.len()])
    }
}

impl Seen {
    pub(crate) fn note(&mut self, mark: Mark) {
        self.0[mark as usize] += 1;
    }

    /// How often.
    pub fn count(&self, mark: Mark) -> u64 {
        self.0[mark as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// What was never met.
    pub fn unseen(&self) -> Vec<Mark> {
        Mark::ALL.iter().copied().filter(|mark| self.count(*mark) == 0).collect()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mark in Mark::ALL {
            writeln!(f, "  {:>10}  {mark}", self.count(*mark))?;
        }
        Ok(())
    }
}
