//! One request on its way to Kraken and back.
//!
//! Directly before the write everything that may have changed since the nonce was drawn is looked at again: a process
//! can be stopped for any time between two lines. What was not written is given back as a proof; from the first
//! attempt to write on, only Kraken's answer is one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tidegate_core::{Endpoint, Error, ErrorKind, Nonce, UnixUs};
use tidegate_kraken::{
    Download, Head, KeyEffect, Opened, Params, PreparedRequest, ReadFault, Refusal, Reply, SendError,
    Stage as Reached, classify,
};
use tidegate_lanes::{End, NonceVerdict, TicketId, Traffic};
use tidegate_runtime::telemetry::{NonceCause, Sent, Stage};
use tracing::{Instrument, debug, field, info, info_span, warn};

use crate::lane_cell::{Job, LaneCell, Next, NotAfter, Shared, Waiting, moved};
use crate::remarks;

/// An order that Kraken's engine may execute for less than this is not sent: Kraken takes deadlines from 2 s ahead
/// (Kraken docs: AddOrder, `deadline`), and half a second is for clocks and the way.
const DEADLINE_LEFT_MIN_MS: u64 = 2_500;
/// The longest deadline that Kraken takes is 60 s ahead.
const DEADLINE_MAX_MS: u64 = 60_000;
/// No archive is on its way for longer: Kraken is asked for it again then.
const DOWNLOAD_MAX: Duration = Duration::from_secs(600);
/// No time that Kraken names for a throttled key is waited for longer.
const THROTTLED_MAX_MS: u64 = 30_000;

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Landed {
    /// No byte was written.
    Unsent(Error),
    /// It may have reached Kraken; nothing that proves anything came back.
    Unclear { reason: &'static str, text: String, not_after: Option<UnixUs> },
    /// Kraken answered.
    Answered(Answered),
    /// It answered with an archive, which is on its way.
    Archive(Download),
}

/// Kraken's answer, read.
#[derive(Debug)]
pub(crate) struct Answered {
    pub result: Option<Box<RawValue>>,
    pub warnings: Vec<String>,
    pub refusal: Option<Refusal>,
    /// What is known of the key beside Kraken's words, for the caller.
    pub remark: Option<String>,
    pub not_after: Option<UnixUs>,
}

impl Answered {
    pub(crate) fn is_bad_nonce(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.effect == KeyEffect::BadNonce)
    }
}

/// Sends a call of a lane, exactly once, and tells whoever still listens.
pub(crate) async fn call(cell: Arc<LaneCell>, ticket: TicketId, nonce: Nonce, waiting: Waiting) {
    let Waiting { job, done, not_after, .. } = waiting;
    let span = info_span!(
        parent: &job.span, "kraken", otel.kind = "client", endpoint = job.endpoint.name, key = %cell.key.label,
        nonce = nonce.0, request_id = %job.request_id, outcome = field::Empty,
    );
    let landed = fly(&cell, ticket, nonce, &job, &not_after).instrument(span.clone()).await;
    let _entered = span.enter();
    let said = match &landed {
        Landed::Unsent(error) => format!("not sent: {error}"),
        Landed::Unclear { reason, text, .. } => format!("unclear: {reason}: {text}"),
        Landed::Answered(answered) => match &answered.refusal {
            Some(refusal) => format!("refused: {}", refusal.text),
            None => "accepted".to_owned(),
        },
        Landed::Archive(_) => "accepted: an archive is on its way".to_owned(),
    };
    span.record("outcome", &said);
    let listening = done.send(landed).is_ok();
    if job.endpoint.effect.is_mutating() {
        // With the lines of `judge`, this is how the fate of a call whose caller had gone is still explained.
        info!(outcome = said, listening, "a mutating call has landed");
    } else {
        debug!(outcome = said, listening, "a read has landed");
    }
}

async fn fly(
    cell: &Arc<LaneCell>,
    ticket: TicketId,
    nonce: Nonce,
    job: &Job,
    fixed: &std::sync::OnceLock<UnixUs>,
) -> Landed {
    let mut params = job.params.clone();
    let not_after = match fix_not_after(job.not_after, cell.shared.clock.wall()) {
        Ok(not_after) => not_after,
        Err(error) => {
            cell.ended(ticket, End::NotSent);
            return Landed::Unsent(error);
        }
    };
    if let Some(time) = not_after {
        let _ = fixed.set(time);
        params.text("deadline", rfc3339(time));
    }
    let Job { endpoint, traffic, total, .. } = *job;
    let call = Outgoing { ticket, nonce, endpoint, params: &params, total, traffic };
    let opened = if job.archive { open(cell, call).await } else { send(cell, call).await.map(Opened::Reply) };
    match opened {
        Ok(Opened::Archive(download)) => Landed::Archive(download),
        Ok(Opened::Reply(reply)) => {
            let mut classified = classify(&reply.errors);
            if let Some(refusal) = &mut classified.refusal {
                learn(cell, job.endpoint, ticket, refusal);
                refusal.retry_after_ms = rests_for_ms(refusal, cell.shared.clock.wall());
            }
            let (warnings, refusal) = (classified.warnings, classified.refusal);
            let remark = refusal.as_ref().and_then(|r| remarks::of_denial(&cell.key, job.endpoint, r));
            Landed::Answered(Answered { result: reply.result, warnings, refusal, remark, not_after })
        }
        Err(Fault::LeaseOver) => Landed::Unsent(moved()),
        Err(Fault::Held(error)) => Landed::Unsent(error),
        Err(Fault::Unsent(text)) => {
            debug!(%text, "a call was not sent");
            let for_caller = "Kraken could not be reached; nothing was sent";
            Landed::Unsent(Error::new(ErrorKind::Unavailable, for_caller).with_log(text).retry_after_ms(500))
        }
        Err(Fault::Lost(text)) => {
            warn!(%text, "the connection to Kraken was lost after the call was written");
            Landed::Unclear { reason: "CONNECTION_LOST", text, not_after }
        }
        Err(Fault::Unreadable(text)) => {
            warn!(%text, "Kraken's answer cannot be read");
            Landed::Unclear { reason: "UNREADABLE_ANSWER", text, not_after }
        }
    }
}

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Not written, because the lease ended first.
    LeaseOver,
    /// Not written, because the egress holds it back, or because it cannot be written.
    Held(Error),
    /// Not written.
    Unsent(String),
    /// Perhaps written; no answer came.
    Lost(String),
    /// Written and answered, but not with a reply.
    Unreadable(String),
}

impl Fault {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::LeaseOver => "the lease ended before the call was written",
            Self::Held(error) => &error.text,
            Self::Unsent(text) | Self::Lost(text) | Self::Unreadable(text) => text,
        }
    }
}

/// One call that has its nonce, as it is put on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub ticket: TicketId,
    pub nonce: Nonce,
    pub endpoint: &'static Endpoint,
    pub params: &'a Params,
    /// For the whole exchange with Kraken.
    pub total: Duration,
    /// As what it counts at the address; `None`: it leaves whatever is held back there.
    pub traffic: Option<Traffic>,
}

/// Signs, looks at the lease once more, writes, and frees the lane at the head of the answer.
pub(crate) async fn send(cell: &Arc<LaneCell>, call: Outgoing<'_>) -> Result<Reply, Fault> {
    let head = head(cell, call).await?;
    let read = head.read().await;
    if let Ok(reply) = &read {
        cell.shared.egress.answered(classify(&reply.errors).refusal.as_ref());
    }
    told(cell, read)
}

/// The same for an endpoint that answers with an archive: only its beginning is waited for, which must come within `total`.
async fn open(cell: &Arc<LaneCell>, call: Outgoing<'_>) -> Result<Opened, Fault> {
    let until = tokio::time::Instant::now() + call.total;
    let head = head(cell, Outgoing { total: DOWNLOAD_MAX, ..call });
    let Ok(head) = tokio::time::timeout_at(until, head).await else {
        cell.ended(call.ticket, End::Unknown);
        cell.shared.metrics.kraken_request(Sent::Lost);
        return Err(Fault::Lost("no response came in time".to_owned()));
    };
    let opened = tokio::time::timeout_at(until, head?.open()).await.unwrap_or(Err(ReadFault::TimedOut));
    match &opened {
        Ok(Opened::Archive(_)) => cell.shared.egress.answered(None),
        Ok(Opened::Reply(reply)) => cell.shared.egress.answered(classify(&reply.errors).refusal.as_ref()),
        Err(_) => {}
    }
    told(cell, opened)
}

/// Counts what became of an answer, and says it in the words of a lane.
fn told<T>(cell: &LaneCell, read: Result<T, ReadFault>) -> Result<T, Fault> {
    cell.shared.metrics.kraken_request(if read.is_ok() { Sent::Answered } else { Sent::Lost });
    read.map_err(|fault| match fault {
        ReadFault::TimedOut | ReadFault::Broken(_) => Fault::Lost(fault.to_string()),
        ReadFault::Body(_) => Fault::Unreadable(fault.to_string()),
    })
}

/// Up to the head of the answer, at which the lane is free.
async fn head(cell: &Arc<LaneCell>, call: Outgoing<'_>) -> Result<Head, Fault> {
    let Outgoing { ticket, nonce, endpoint, params, total, traffic } = call;
    let shared = &cell.shared;
    let began = shared.clock.mono();
    let code_step = cell.lock().lane.code_step(ticket);
    let otp = cell.key.otp.as_ref().map(|otp| otp.expose(code_step));
    let otp = otp.as_ref().map(|otp| otp.as_str());
    let request = info_span!("sign").in_scope(|| PreparedRequest::of(endpoint, params, nonce, otp));
    let request = match request {
        Ok(request) => request,
        Err(unwritable) => {
            cell.ended(ticket, End::NotSent);
            return Err(Fault::Held(Error::internal(unwritable.to_string())));
        }
    };
    let signed = shared.clock.mono();
    shared.metrics.stage(Stage::Sign, Duration::from_micros(signed.us_since(began)));
    if !cell.lock().lane.lease_ok(ticket, signed) {
        cell.ended(ticket, End::NotSent);
        return Err(Fault::LeaseOver);
    }
    if let Some(Err(held)) = traffic.map(|traffic| shared.egress.admit(traffic)) {
        cell.ended(ticket, End::NotSent);
        return Err(Fault::Held(shared.egress.refusal(endpoint, held)));
    }
    // A connection may have to be made first, and a lease is short.
    let asked = Arc::clone(cell);
    let gate = move || {
        asked.lock().lane.lease_ok(ticket, asked.shared.clock.mono()) && !asked.shared.egress.is_silent()
    };
    let head = shared.rest.send_private(&cell.key.credential, request, total, gate).await;
    shared.metrics.stage(Stage::Kraken, Duration::from_micros(shared.clock.mono().us_since(signed)));
    match head {
        Ok(head) => {
            cell.ended(ticket, End::Answered);
            if let Some(status) = head.edge_status() {
                shared.egress.http_status(status, head.retry_after_s());
            }
            Ok(head)
        }
        Err(SendError { stage: Reached::NotSent, text, gate_shut, .. }) => {
            cell.ended(ticket, End::NotSent);
            shared.metrics.kraken_request(Sent::NotSent);
            Err(if gate_shut { Fault::LeaseOver } else { Fault::Unsent(text) })
        }
        Err(SendError { text, .. }) => {
            cell.ended(ticket, End::Unknown);
            shared.metrics.kraken_request(Sent::Lost);
            Err(Fault::Lost(text))
        }
    }
}

/// When another attempt makes sense. Kraken names a time where it throttles; one that is further away than this is not believed
/// (its own client waits no longer either).
fn rests_for_ms(refusal: &Refusal, now: UnixUs) -> Option<u64> {
    match refusal.effect {
        KeyEffect::Throttled { until_unix_s: Some(until_s) } => {
            let until = UnixUs(until_s.saturating_mul(1_000_000));
            Some(until.ms_since(now).min(THROTTLED_MAX_MS))
        }
        _ => refusal.retry_after_ms,
    }
}

/// What an error tells about the key and the address, beside the call.
pub(crate) fn learn(
    cell: &Arc<LaneCell>,
    endpoint: &'static Endpoint,
    ticket: TicketId,
    refusal: &Refusal,
) -> Option<NonceVerdict> {
    let Shared { clock, metrics, .. } = &*cell.shared;
    let now = clock.mono();
    metrics.kraken_error(endpoint.name, refusal.row.unwrap_or("unknown"));
    match refusal.effect {
        KeyEffect::None => {}
        KeyEffect::RateLimited => {
            warn!("Kraken's REST counter of the key is full, although our reckoning had room");
            cell.lock().lane.rate_limited(now);
        }
        KeyEffect::BadNonce => {
            let verdict = refused_nonce(cell, ticket);
            // Kraken counts those that are explained, too, but they come one by one and not in storms.
            if !matches!(verdict, NonceVerdict::Abandoned | NonceVerdict::Superseded { .. }) {
                cell.shared.egress.failed();
            }
            return Some(verdict);
        }
        KeyEffect::Lockout => cell.shared.egress.locked_out(),
        effect => {
            warn!(?effect, error = %refusal.text, "Kraken found fault with the key");
            if matches!(effect, KeyEffect::BadKey | KeyEffect::BadSignature) {
                cell.shared.egress.failed();
            }
            if !matches!(effect, KeyEffect::Throttled { .. }) {
                cell.lock().lane.doubt(now);
            }
            if remarks::is_denial(endpoint, refusal) {
                cell.lock().denials.note(endpoint, now);
                cell.announce();
            }
        }
    }
    None
}

/// What a refused nonce means for the lane; the machine decides.
fn refused_nonce(cell: &Arc<LaneCell>, ticket: TicketId) -> NonceVerdict {
    let (shared, label) = (&cell.shared, cell.key.label.as_str());
    let verdict = cell.lock().lane.nonce_refused(ticket, shared.clock.mono());
    match &verdict {
        NonceVerdict::Abandoned => shared.metrics.nonces_refused(1, label, NonceCause::Abandoned),
        NonceVerdict::Superseded { handed_back } => {
            warn!(
                key = label,
                "a nonce was refused because another process has the key, or had it meanwhile"
            );
            shared.metrics.nonces_refused(1, label, NonceCause::Superseded);
            cell.hand_back(handed_back);
            cell.announce();
        }
        NonceVerdict::Noted => {
            warn!(key = label, %ticket, "Kraken refused a nonce; asking the store whether the key is still ours");
        }
        NonceVerdict::Raised => warn!(
            key = label,
            "Kraken refused the nonce of a verification; trying once more above all that tidegate can have used"
        ),
        NonceVerdict::Quarantined { handed_back } => cell.hand_back(handed_back),
    }
    // What follows, and what it is called, is told by the lane's next step.
    if cell.pump() != Next::Woken {
        cell.wake.notify_one();
    }
    verdict
}

/// Fixes until when Kraken may execute the call, or refuses a call that has too little time left.
fn fix_not_after(rule: NotAfter, now: UnixUs) -> Result<Option<UnixUs>, Error> {
    let time = match rule {
        NotAfter::None => return Ok(None),
        NotAfter::FromHead { ms, latest } => now.plus_ms(ms).min(latest),
        NotAfter::At(time) => time,
    };
    let left_ms = time.ms_since(now);
    if left_ms < DEADLINE_LEFT_MIN_MS {
        let text = format!(
            "only {left_ms} ms were left until the order's deadline when it could be signed; Kraken takes deadlines \
             from 2 s ahead, so it was not sent"
        );
        return Err(Error::new(ErrorKind::Late, text));
    }
    if left_ms > DEADLINE_MAX_MS {
        let text = "is more than 60 s ahead, the most that Kraken takes";
        return Err(Error::invalid_field("deadline", text));
    }
    Ok(Some(time))
}

/// A time as Kraken's `deadline` wants it (RFC 3339).
fn rfc3339(time: UnixUs) -> String {
    let us = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(us).unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttled_caller_is_told_krakens_time() {
        let now = UnixUs(1_781_000_400_500_000);
        let rests = |text: &str| {
            let refusal = classify(&[text.to_owned()]).refusal.expect("a refusal");
            rests_for_ms(&refusal, now)
        };
        assert_eq!(rests("EService:Throttled:1781000402"), Some(1_500));
        assert_eq!(rests("EService:Throttled:1781009999"), Some(30_000));
        assert_eq!(rests("EService:Throttled:1781000000"), Some(0));
        assert_eq!(rests("EAPI:Rate limit exceeded"), Some(5_000));
    }

    #[test]
    fn a_deadline_is_between_what_we_dare_and_what_kraken_takes() {
        let now = UnixUs(1_795_000_000_000_000);
        let at = |ms: u64| fix_not_after(NotAfter::At(now.plus_ms(ms)), now);
        assert_eq!(fix_not_after(NotAfter::None, now), Ok(None));
        let from_head = fix_not_after(NotAfter::FromHead { ms: 5_000, latest: UnixUs(u64::MAX) }, now);
        assert_eq!(from_head, Ok(Some(now.plus_ms(5_000))));
        assert_eq!(at(2_499).expect_err("too close").kind, ErrorKind::Late);
        assert!(at(2_500).is_ok() && at(60_000).is_ok());
        assert_eq!(at(60_001).expect_err("too far").kind, ErrorKind::InvalidRequest);
        let past = fix_not_after(NotAfter::At(UnixUs(now.0 - 1)), now);
        assert_eq!(past.expect_err("in the past").kind, ErrorKind::Late);
    }

    #[test]
    fn deadlines_are_written_as_kraken_reads_them() {
        assert_eq!(rfc3339(UnixUs(1_781_000_400_123_000)), "2026-06-09T10:20:00.123Z");
    }
}
