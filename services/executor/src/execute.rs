//! From a call to its outcome: choose the lane, wait for it, judge what came back.

use std::sync::Arc;
use std::time::Duration;

use prost_types::Timestamp;
use serde_json::value::RawValue;
use tidegate_core::{Effect, Endpoint, Error, ErrorKind, KeyLabel, UnixUs};
use tidegate_kraken::{Download, Executed, KeyEffect, Params, Refusal, Value};
use tidegate_lanes::{
    Asked, Candidate, ChooseError, Dates, LaneState, Priority, SubmitRefusal, Traffic, Trouble, choose,
    may_sign_again,
};
use tidegate_proto::v1;
use tokio::time::Instant;
use tracing::{Span, warn};

use crate::caller::CallInfo;
use crate::egress::traffic;
use crate::flight::{Answered, Landed};
use crate::lane_cell::{Job, LaneCell, NotAfter, Queued, Shared, moved};
use crate::remarks;

/// A call on its way to a lane.
pub(crate) struct Call<'a> {
    pub info: &'a CallInfo,
    pub endpoint: &'static Endpoint,
    pub params: Params,
    pub not_after: NotAfter,
    /// Whether the call changes nothing at Kraken, whatever its endpoint does otherwise (a mere validation).
    pub harmless: bool,
    /// Whether it finds out what became of acts: such reads have a share of each counter, whatever others read.
    pub resolves: bool,
    /// Whether a result that is missing or null is an answer, and not a reply that cannot be read.
    pub null_answers: bool,
    /// Whether the answer is an archive if all goes well.
    pub archive: bool,
    /// The one key that it is about.
    pub label: Option<KeyLabel>,
    /// Where the order can be found, empty where Kraken takes no such id.
    pub cl_ord_id: String,
}

impl<'a> Call<'a> {
    /// A call that changes nothing.
    pub(crate) fn read(info: &'a CallInfo, endpoint: &'static Endpoint, params: Params) -> Self {
        Self {
            info,
            endpoint,
            params,
            not_after: NotAfter::None,
            harmless: true,
            resolves: false,
            null_answers: false,
            archive: false,
            label: None,
            cl_ord_id: String::new(),
        }
    }

    /// When it leaves its lane, among others.
    fn priority(&self) -> Priority {
        if self.resolves { Priority::Resolve } else { priority(self.endpoint.effect) }
    }

    /// A call that changes something.
    pub(crate) fn mutating(info: &'a CallInfo, endpoint: &'static Endpoint, params: Params) -> Self {
        Self { harmless: false, ..Self::read(info, endpoint, params) }
    }
}

/// What a call came to. That nothing was executed is not among it: that is an [`Error`].
pub(crate) enum Outcome {
    /// Kraken did it.
    Done { result: Box<RawValue>, warnings: Vec<String> },
    /// It may have been executed.
    Unresolved(v1::Unresolved),
}

/// Kraken's last word on an act.
pub(crate) enum Last {
    /// It did it.
    Done { result: Box<RawValue>, warnings: Vec<String> },
    /// It refused, which proves that nothing was executed.
    Refused(Error),
}

/// What is known of an act when its caller must be told.
pub(crate) enum Word {
    /// No byte was written.
    Unsent(Error),
    /// All that there is to know.
    Last(Last),
    /// It may have been executed.
    Open(v1::Unresolved),
}

/// A call that went on without its caller, to be listened for.
pub(crate) struct Late(Queued);

/// For how long a late answer is listened for: no call of ours lives longer.
const LATE_MAX: Duration = Duration::from_secs(60);

/// The lanes of this process.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub cells: Vec<Arc<LaneCell>>,
    pub shared: Arc<Shared>,
}

impl Lanes {
    /// Runs a call that changes nothing.
    pub(crate) async fn read(&self, call: Call<'_>) -> Result<Box<RawValue>, Error> {
        debug_assert!(call.harmless, "only harmless calls are reads");
        match self.run(call).await? {
            Outcome::Done { result, .. } => Ok(result),
            Outcome::Unresolved(_) => Err(Error::internal("a read was left unresolved")),
        }
    }

    /// Asks for an archive. Returns when it begins, and the lane is free by then.
    pub(crate) async fn download(&self, call: Call<'_>) -> Result<Download, Error> {
        debug_assert!(call.harmless && call.archive, "archives are read");
        let mut landed = self.once(&call).await?;
        if is_denied(&call, &landed) && self.another_may(&call) {
            // As in `run`.
            landed = self.once(&call).await.unwrap_or(landed);
        } else if matches!(&landed, Landed::Answered(answered) if answered.is_bad_nonce()) {
            landed = self.once(&call).await?;
        }
        match landed {
            Landed::Archive(download) => Ok(download),
            // A reply without an error is none of those that the endpoint gives.
            landed => judge(&call, landed).and_then(|_| {
                Err(unusable(call.endpoint, "Kraken's answer is an envelope without an error"))
            }),
        }
    }

    /// Runs a call to its outcome, which is known before `answer_by`.
    pub(crate) async fn run(&self, call: Call<'_>) -> Result<Outcome, Error> {
        // A refused nonce on a read or a cancel costs nothing that a second copy could double: it is signed once more, and
        // leaves when the lane has made sure that the key is ours. Never anything else.
        let again = may_sign_again(call.harmless, call.priority());
        let landed = self.once(&call).await?;
        if call.harmless && is_denied(&call, &landed) && self.another_may(&call) {
            // Kraken's sources differ, or one of them is wrong: of a read, its caller need not learn that.
            let second = self.once(&call).await;
            return judge(&call, second.unwrap_or(landed));
        }
        if !matches!(&landed, Landed::Answered(answered) if again && answered.is_bad_nonce()) {
            return judge(&call, landed);
        }
        let second = self.once(&call).await;
        judge(&call, telling(call.harmless, landed, second)?)
    }

    /// Runs an act, once. What is known of it in its caller's time; and, if Kraken has not answered by then, what is still
    /// to be listened for.
    pub(crate) async fn act(&self, call: &Call<'_>) -> (Word, Option<Late>) {
        let queued = match self.pass(call).await {
            Ok(placed) => self.queue(call, placed),
            Err(error) => Err(error),
        };
        let mut queued = match queued {
            Ok(queued) => queued,
            Err(error) => return (Word::Unsent(error), None),
        };
        match wait(call, &mut queued).await {
            Err(error) => (Word::Unsent(error), None),
            // As in `run`: nothing was placed in its scope in the moment between the two copies.
            Ok(landed)
                if priority(call.endpoint.effect) == Priority::Cancel
                    && matches!(&landed, Landed::Answered(answered) if answered.is_bad_nonce()) =>
            {
                let second = self.once(call).await;
                (telling(false, landed, second).map_or_else(Word::Unsent, |told| word(call, told)), None)
            }
            Ok(landed) => {
                let late =
                    matches!(landed, Landed::Unclear { reason: NO_ANSWER, .. }).then_some(Late(queued));
                (word(call, landed), late)
            }
        }
    }

    /// The last word on an act that was given late, if it comes.
    pub(crate) async fn late(&self, call: &Call<'_>, late: Option<Late>) -> Option<Last> {
        let Late(mut queued) = late?;
        match word(call, queued.landed(Instant::now() + LATE_MAX).await?) {
            Word::Last(last) => Some(last),
            // It had left its lane and was stopped before the first byte after all.
            Word::Unsent(error) => Some(Last::Refused(error)),
            Word::Open(_) => None,
        }
    }

    /// One copy of a call.
    async fn once(&self, call: &Call<'_>) -> Result<Landed, Error> {
        let placed = self.pass(call).await?;
        let mut queued = self.queue(call, placed)?;
        queued.withdraw_on_drop = call.harmless;
        wait(call, &mut queued).await
    }

    /// Asks the egress early, so that a call that it holds back is refused at once and unsent. A cancel waits for its turn where
    /// that is soon enough, and has its place then: `true`.
    async fn pass(&self, call: &Call<'_>) -> Result<bool, Error> {
        let egress = &self.shared.egress;
        let traffic = traffic(call.priority());
        loop {
            let Err(held) = egress.look(traffic) else {
                let slow = traffic == Traffic::Cancel && egress.trouble().is_some();
                if !slow || egress.admit(traffic).is_ok() {
                    return Ok(slow);
                }
                continue;
            };
            let until = Instant::now() + Duration::from_micros(held.wait_us);
            if traffic != Traffic::Cancel || held.trouble == Trouble::Lockout || until >= call.info.answer_by
            {
                return Err(egress.refusal(call.endpoint, held));
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// This process's lanes, as far as they serve such a call at all.
    fn candidates(&self, call: &Call<'_>) -> Vec<Candidate> {
        let cancels = call.priority() == Priority::Cancel;
        let serves = |cell: &&Arc<LaneCell>| match &call.label {
            Some(label) => cell.key.label == *label,
            None => cancels || !cell.key.break_glass,
        };
        self.cells.iter().filter(serves).map(|cell| candidate(cell, call.endpoint, cancels)).collect()
    }

    fn asked<'a>(&self, call: &Call<'a>) -> Asked<'a> {
        let CallInfo { account, key_tag, .. } = call.info;
        let key_tag = (!key_tag.is_empty()).then_some(key_tag.as_str());
        let now = self.shared.clock.wall();
        let dates = dates_of(&call.params, call.resolves.then_some(now));
        Asked { endpoint: call.endpoint, account, key_tag, dates, now }
    }

    /// Whether the key that is best for a call now is one that was not denied it.
    fn another_may(&self, call: &Call<'_>) -> bool {
        let candidates = self.candidates(call);
        choose(&self.asked(call), &candidates).is_ok_and(|ranked| !ranked[0].denied)
    }

    /// Puts the call into the best of this process's lanes that takes it.
    fn queue(&self, call: &Call<'_>, placed: bool) -> Result<Queued, Error> {
        let info = call.info;
        let candidates = self.candidates(call);
        let ranked = choose(&self.asked(call), &candidates).map_err(|error| match error {
            // What only the body tells, the gateway does not know: it tries the keys of others, but waits for none.
            ChooseError::OtherDates { .. } => error.into_error(call.endpoint),
            // The gateway sees all executors: what cannot be done here may be done elsewhere.
            _ => Error { kind: ErrorKind::Moved, ..error.into_error(call.endpoint) },
        })?;
        let left = info.answer_by.saturating_duration_since(Instant::now());
        let deadline = self.shared.clock.mono().plus_us(micros(left));
        let mut job = Job {
            endpoint: call.endpoint,
            params: call.params.clone(),
            not_after: call.not_after,
            traffic: (!placed).then(|| traffic(call.priority())),
            total: self.shared.total_timeout,
            archive: call.archive,
            request_id: info.request_id.map(|id| id.to_string()).unwrap_or_default(),
            span: Span::current(),
        };
        let mut refusal = None;
        for candidate in ranked {
            let Some(cell) = self.cells.iter().find(|cell| cell.key.label == candidate.label) else {
                continue;
            };
            match cell.submit(job, call.priority(), deadline) {
                Ok(queued) => return Ok(queued),
                Err((back, why)) => {
                    job = *back;
                    refusal.get_or_insert((cell.key.label.clone(), why));
                }
            }
        }
        let (label, why) = refusal.ok_or_else(|| Error::internal("a ranked lane is not among the lanes"))?;
        Err(refused(call.endpoint, &label, why))
    }
}

/// Waits for the call to land. When time is up, it is taken out of the lane if it has not left; else its fate is
/// unknown, and it goes on without its caller.
async fn wait(call: &Call<'_>, queued: &mut Queued) -> Result<Landed, Error> {
    match queued.landed(call.info.answer_by).await {
        Some(landed) => Ok(landed),
        None if queued.withdraw() => {
            let text = "the call could not be sent in the time left; nothing was sent";
            Err(Error::new(ErrorKind::Late, text))
        }
        None => Ok(Landed::Unclear {
            reason: NO_ANSWER,
            text: "Kraken has not answered yet".to_owned(),
            not_after: queued.not_after(),
        }),
    }
}

/// Time was up before Kraken had answered.
const NO_ANSWER: &str = "NO_ANSWER_IN_TIME";

/// Whether Kraken denies the key a permission.
fn is_denied(call: &Call<'_>, landed: &Landed) -> bool {
    let Landed::Answered(Answered { refusal: Some(refusal), .. }) = landed else { return false };
    remarks::is_denial(call.endpoint, refusal)
}

/// What a landed act came to.
fn word(call: &Call<'_>, landed: Landed) -> Word {
    if let Landed::Unsent(error) = landed {
        return Word::Unsent(error);
    }
    match judge(call, landed) {
        Ok(Outcome::Done { result, warnings }) => Word::Last(Last::Done { result, warnings }),
        Ok(Outcome::Unresolved(open)) => Word::Open(open),
        // Of what was written, only a refusal that is a proof is an error.
        Err(error) => Word::Last(Last::Refused(error)),
    }
}

/// Which of two copies of a call tells what became of it; the first was refused for its nonce.
///
/// That refusal proves nothing of a cancel: something may have delivered it twice, and one delivery may have done its work. Then
/// the second copy finds nothing to cancel, is refused, and proves nothing either. Only its success does.
fn telling(harmless: bool, first: Landed, second: Result<Landed, Error>) -> Result<Landed, Error> {
    let proves = match &second {
        Ok(Landed::Answered(answered)) => answered.refusal.is_none() && answered.result.is_some(),
        Ok(Landed::Unsent(_) | Landed::Unclear { .. } | Landed::Archive(_)) | Err(_) => false,
    };
    if harmless || proves { second } else { Ok(first) }
}

/// What a landed call means to its caller.
fn judge(call: &Call<'_>, landed: Landed) -> Result<Outcome, Error> {
    let (reason, text, not_after) = match landed {
        Landed::Unsent(error) => return Err(error),
        Landed::Unclear { reason, text, not_after } => (reason, text, not_after),
        Landed::Archive(_) => ("UNREADABLE_ANSWER", "Kraken answered with an archive".to_owned(), None),
        Landed::Answered(answered) => {
            let Answered { result, warnings, refusal, remark, not_after } = answered;
            match refusal {
                None => match result {
                    Some(result) => return Ok(Outcome::Done { result, warnings }),
                    None if call.null_answers => {
                        return Ok(Outcome::Done { result: RawValue::NULL.to_owned(), warnings });
                    }
                    None => (
                        "UNREADABLE_ANSWER",
                        "Kraken's answer has neither error nor result".to_owned(),
                        not_after,
                    ),
                },
                Some(refusal) if call.harmless || proves_nothing_happened(&refusal) => {
                    let error = refusal_error(call.endpoint, refusal);
                    return Err(match remark {
                        Some(remark) => Error { text: format!("{}; {remark}", error.text), ..error },
                        None => error,
                    });
                }
                // Nonces are our affair; the lane logs the words.
                Some(refusal) if refusal.effect == KeyEffect::BadNonce => {
                    let text = "Kraken did not take the call as it arrived, but that does not prove that no copy was";
                    ("KRAKEN_UNCLEAR", text.to_owned(), not_after)
                }
                Some(refusal) => ("KRAKEN_UNCLEAR", format!("Kraken answered {}", refusal.text), not_after),
            }
        }
    };
    if call.harmless {
        return Err(unusable(call.endpoint, &text));
    }
    let mut unresolved = unresolved(call.info, &call.cl_ord_id, reason, text);
    unresolved.not_after = not_after.map(timestamp);
    warn!(
        endpoint = call.endpoint.name, account = %call.info.account, caller = %call.info.caller,
        request_id = %call.info.request_id.map(|id| id.to_string()).unwrap_or_default(),
        cl_ord_id = %call.cl_ord_id, reason, text = %unresolved.text, "the fate of a mutating call is not known"
    );
    Ok(Outcome::Unresolved(unresolved))
}

/// A call that changes nothing has told nothing either.
pub(crate) fn unusable(endpoint: &Endpoint, text: &str) -> Error {
    let name = endpoint.name;
    let text = format!("{name} got no usable answer from Kraken ({text}); it changes nothing, so repeat it");
    Error::new(ErrorKind::Unavailable, text).retry_after_ms(500).with_fact("endpoint", name)
}

/// What is known of a call whose fate is not.
pub(crate) fn unresolved(info: &CallInfo, cl_ord_id: &str, reason: &str, text: String) -> v1::Unresolved {
    v1::Unresolved {
        request_id: info.request_id.map(|id| id.to_string()).unwrap_or_default(),
        cl_ord_id: cl_ord_id.to_owned(),
        not_after: None,
        reason: reason.to_owned(),
        text,
        account: info.account.to_string(),
    }
}

/// An invalid nonce proves nothing about a call that something between us and Kraken may have delivered twice.
fn proves_nothing_happened(refusal: &Refusal) -> bool {
    refusal.executed == Executed::No && refusal.effect != KeyEffect::BadNonce
}

/// Kraken's refusal in the caller's words. Trouble of the key is ours and not the caller's: it is not told apart from an
/// exchange that cannot be reached.
pub(crate) fn refusal_error(endpoint: &Endpoint, refusal: Refusal) -> Error {
    let name = endpoint.name;
    let text = match refusal.kind {
        ErrorKind::Unavailable => format!("Kraken did not take {name}; nothing was executed"),
        _ => format!("Kraken refused {name}: {}", refusal.text),
    };
    let mut error = Error::new(refusal.kind, text).with_log(refusal.text.clone()).with_fact("endpoint", name);
    if refusal.effect != KeyEffect::BadNonce {
        error = error.with_fact("kraken_error", refusal.text);
    }
    error.retry_after_ms = refusal.retry_after_ms;
    error
}

fn candidate(cell: &LaneCell, endpoint: &Endpoint, cancels: bool) -> Candidate {
    let view = cell.view();
    let (dates, denied) = {
        let state = cell.lock();
        (state.limits.dates, state.denials.holds(endpoint, cell.shared.clock.mono()))
    };
    Candidate {
        dates,
        denied,
        ready: if cancels { view.takes_cancels() } else { view.is_ready() },
        predicted_wait_ms: view.predicted_wait_ms,
        tags: cell.key.tags.clone(),
        // All lanes here leave by the same address, so its troubles make no difference between them.
        last_resort: view.is_quarantined() || cell.key.break_glass,
        busy: cancels && view.cancels_wait,
        local: true,
        why_not: match &view.state {
            LaneState::Refused { reason } | LaneState::Quarantined { reason } => reason.clone(),
            _ => String::new(),
        },
        ..Candidate::new(view.label, cell.key.account.clone(), cell.key.permissions)
    }
}

/// The stretch of time that a call about the past names. One that is to tell what became of an act asks until `now`, whether it
/// says so or not: a key that shows less would show that there is nothing.
fn dates_of(params: &Params, now: Option<UnixUs>) -> Dates {
    let seconds = |value: &Value| match value {
        Value::Int(seconds) => u64::try_from(*seconds).ok(),
        // An id instead of a time says nothing here.
        Value::Text(text) => text.split('.').next().and_then(|whole| whole.parse().ok()),
        _ => None,
    };
    let moment = |names: [&str; 2]| {
        let named = params.iter().find(|(name, _)| names.contains(name));
        named.and_then(|(_, value)| seconds(value)).map(|s| UnixUs(s.saturating_mul(1_000_000)))
    };
    Dates { from: moment(["start", "starttm"]), to: moment(["end", "endtm"]).or(now) }
}

const fn priority(effect: Effect) -> Priority {
    match effect {
        Effect::Cancel | Effect::CancelScope => Priority::Cancel,
        Effect::Amend => Priority::Amend,
        Effect::Place | Effect::Transfer | Effect::Administer => Priority::Place,
        Effect::Read => Priority::Read,
    }
}

/// Why the lanes did not take a call, for its caller. Nothing was sent.
fn refused(endpoint: &Endpoint, label: &KeyLabel, why: SubmitRefusal) -> Error {
    let name = endpoint.name;
    let error = match why {
        SubmitRefusal::QueueFull { retry_after_ms } => {
            Error::new(ErrorKind::QueueFull, format!("too many calls wait for a key that may call {name}"))
                .retry_after_ms(retry_after_ms)
        }
        SubmitRefusal::Late { predicted_wait_ms } => {
            let text =
                format!("{name} would wait about {predicted_wait_ms} ms for a key, longer than it has time");
            Error::new(ErrorKind::Late, text).retry_after_ms(predicted_wait_ms)
        }
        SubmitRefusal::Budget { retry_after_ms } => {
            let text = format!("Kraken's REST counter leaves no room for {name} in the time left");
            Error::new(ErrorKind::Budget, text).retry_after_ms(retry_after_ms)
        }
        SubmitRefusal::TooDear => Error::new(
            ErrorKind::Budget,
            format!("{name} costs more points than the account's tier allows at all"),
        ),
        SubmitRefusal::NotOpen | SubmitRefusal::Draining => moved(),
    };
    error.with_fact("endpoint", name).with_fact("key_label", label.as_str())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A wall time as protobuf has it.
pub(crate) fn timestamp(time: UnixUs) -> Timestamp {
    let seconds = i64::try_from(time.0 / 1_000_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(time.0 % 1_000_000 * 1_000).unwrap_or_default();
    Timestamp { seconds, nanos }
}

#[cfg(test)]
mod tests {
    use tidegate_kraken::classify;

    use super::*;

    fn answered(error: Option<&str>) -> Landed {
        let errors: Vec<String> = error.iter().map(ToString::to_string).collect();
        let result = error.is_none().then(|| RawValue::from_string("{}".to_owned()).expect("JSON"));
        let refusal = classify(&errors).refusal;
        Landed::Answered(Answered { result, warnings: Vec::new(), refusal, remark: None, not_after: None })
    }

    #[test]
    fn the_stretch_that_is_asked_for_is_read_from_the_parameters() {
        let second = |s: u64| Some(UnixUs(s * 1_000_000));
        let mut params = Params::new();
        assert_eq!(dates_of(&params, None), Dates::default());
        assert_eq!(dates_of(&params, second(9)).to, second(9));
        params.push("start", Value::Int(5));
        params.text("end", "7.25");
        assert_eq!(dates_of(&params, second(9)), Dates { from: second(5), to: second(7) });
        let mut params = Params::new();
        params.text("starttm", "5");
        params.text("end", "LABCDE-FGHIJ-KLMNOP");
        assert_eq!(dates_of(&params, None), Dates { from: second(5), to: None });
    }

    fn is_first(landed: &Result<Landed, Error>) -> bool {
        matches!(landed, Ok(Landed::Answered(answered)) if answered.is_bad_nonce())
    }

    #[test]
    fn a_second_copy_that_finds_nothing_to_cancel_proves_nothing() {
        let first = || answered(Some("EAPI:Invalid nonce"));
        let unsent = || Ok(Landed::Unsent(Error::internal("not sent")));
        assert!(is_first(&telling(false, first(), Ok(answered(Some("EOrder:Unknown order"))))));
        assert!(is_first(&telling(false, first(), unsent())));
        assert!(is_first(&telling(false, first(), Err(Error::internal("no lane")))));
        assert!(!is_first(&telling(false, first(), Ok(answered(None)))), "what it did is done");
        assert!(!is_first(&telling(true, first(), Ok(answered(Some("EQuery:Unknown asset"))))));
        assert!(!is_first(&telling(true, first(), unsent())), "a read changes nothing");
    }

    #[test]
    fn a_result_of_null_is_an_answer_only_where_kraken_gives_it_one() {
        let info = CallInfo {
            caller: "local".parse().expect("a name"),
            account: "main".parse().expect("a name"),
            request_id: None,
            key_tag: String::new(),
            answer_by: Instant::now(),
        };
        let nothing = || {
            let (warnings, not_after) = (Vec::new(), None);
            Landed::Answered(Answered { result: None, warnings, refusal: None, remark: None, not_after })
        };
        let endpoint = tidegate_core::endpoint("CreditLines").expect("in the table");
        let call = Call::read(&info, endpoint, Params::new());
        let error = judge(&call, nothing()).err().expect("no usable answer");
        assert_eq!(error.kind, ErrorKind::Unavailable);
        let call = Call { null_answers: true, ..call };
        let Ok(Outcome::Done { result, .. }) = judge(&call, nothing()) else { panic!("null is an answer") };
        assert_eq!(result.get(), "null");
        let refused = judge(&call, answered(Some("EGeneral:Permission denied")));
        assert!(refused.is_err(), "a refusal stays one");
    }
}
