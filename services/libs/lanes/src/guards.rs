//! The guards of the protocol, by name, so that a simulation can take one away and show that it is missed.
//!
//! Without the feature `mutants` nothing of this is compiled: [`on`] is `true` and disappears. A release build refuses the
//! feature.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` takes guards away; it must not be in a release build");

/// A guard. Each stands at one place in this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "mutants"), allow(unreachable_pub, reason = "exported for the test alone"))]
pub enum Guard {
    /// A new owner's lane opens only once Kraken accepted its first call.
    Fence,
    /// A new range begins above the one before.
    Floor,
    /// It begins above it by the key's window besides.
    WindowJump,
    /// Calls in flight lie less than the key's window apart.
    SpanRule,
    /// With window 0 one call is in flight.
    OneInFlight,
    /// The lease is looked at directly before the write.
    LeaseCheck,
    /// A lease is measured from the sending of the request.
    LeaseFromSending,
    /// What was seen of a range before a loss is a floor after it.
    Sightings,
    /// A sighting that is old when the loss is seen is none.
    SightingsYoung,
    /// No range begins too far ahead of the clock.
    Lead,
    /// A key of which nobody saw anything before a loss begins above all that can have been granted.
    UnseenJump,
    /// Such a key rests for a range longer than others do.
    JumpWaits,
    /// A record of another generation may be older than what was granted last.
    Generation,
    /// A generation that is born in the future is none.
    BornInTime,
    /// Who takes a key has heard of the store's present generation.
    KnownGeneration,
    /// After a loss keys rest until every older lease has ended.
    RecoveryWait,
    /// No grant while caller and store differ about the time.
    Skew,
    /// A grant whose answer was lost is told again.
    TakeRepeats,
    /// Nonces rise whatever the clock says.
    DrawAboveLast,
    /// Nonces end with the range.
    DrawBelowHi,
    /// Who finds itself superseded falls silent.
    Superseded,
    /// A call that hangs is abandoned.
    Abandonment,
    /// The points of an abandoned call stay held.
    AbandonedPoints,
    /// A new owner takes over what the one before may have spent.
    InheritedCounter,
    /// A counter does not decay while the store's clock comes back.
    CounterTime,
    /// The next number of an epoch proves something only within one generation.
    CountedEpochs,
    /// A request id that is known is not sent.
    ClaimOnce,
    /// An id that may have lost its claim is not sent.
    MayBeLost,
    /// Absence counts only when nothing can come any more.
    AbsentWait,
    /// What changes something is never signed again.
    NoReSign,
}

impl Guard {
    /// All.
    #[cfg(feature = "mutants")]
    pub const ALL: &'static [Self] = &[
        Self::Fence,
        Self::Floor,
        Self::WindowJump,
        Self::SpanRule,
        Self::OneInFlight,
        Self::LeaseCheck,
        Self::LeaseFromSending,
        Self::Sightings,
        Self::SightingsYoung,
        Self::Lead,
        Self::UnseenJump,
        Self::JumpWaits,
        Self::Generation,
        Self::BornInTime,
        Self::KnownGeneration,
        Self::RecoveryWait,
        Self::Skew,
        Self::TakeRepeats,
        Self::DrawAboveLast,
        Self::DrawBelowHi,
        Self::Superseded,
        Self::Abandonment,
        Self::AbandonedPoints,
        Self::InheritedCounter,
        Self::CounterTime,
        Self::CountedEpochs,
        Self::ClaimOnce,
        Self::MayBeLost,
        Self::AbsentWait,
        Self::NoReSign,
    ];
}

/// Whether a guard is in force: always, but for [`without`].
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) const fn on(_guard: Guard) -> bool {
    true
}

#[cfg(feature = "mutants")]
pub(crate) fn on(guard: Guard) -> bool {
    OFF.get() != Some(guard)
}

#[cfg(feature = "mutants")]
thread_local! {
    static OFF: std::cell::Cell<Option<Guard>> = const { std::cell::Cell::new(None) };
}

/// Does something on this thread without one of the guards.
#[cfg(feature = "mutants")]
pub fn without<T>(guard: Guard, act: impl FnOnce() -> T) -> T {
    OFF.set(Some(guard));
    let done = act();
    OFF.set(None);
    done
}
