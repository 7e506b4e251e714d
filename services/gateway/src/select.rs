//! Which executor gets a call: pure functions over the directory's picture.

use tidegate_core::{AccountName, Effect, Endpoint, Error, ErrorKind, KeyLabel, Needs, RequestId, UnixUs};
use tidegate_lanes::{Asked, Candidate, Dates, choose as rank};
use tidegate_proto::v1;

use crate::directory::{Executor, Picture};
use crate::identity::Identity;
use crate::target::Target;

/// Ids older than this are refused: outcomes are not kept for ever, and an id must not outlive its record.
const REQUEST_ID_AGE_MAX_MS: u64 = 24 * 3_600 * 1_000;
/// How far a caller's clock may be ahead of ours.
const REQUEST_ID_AHEAD_MAX_MS: u64 = 5_000;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub endpoint: &'static Endpoint,
    pub account: &'a AccountName,
    /// Empty: any.
    pub key_tag: &'a str,
    /// Set for the one call that is about a certain key.
    pub key_label: Option<&'a str>,
    /// Keys of which an executor, who knows the body, has said that they do not fit.
    pub unfit: &'a [KeyLabel],
    pub now: UnixUs,
}

/// Where a call goes.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// Name of the executor, for messages.
    pub executor: String,
    /// The process behind it: one process may be known under two addresses.
    pub owner: String,
    pub target: Target,
}

impl Choice {
    pub(crate) fn of(executor: &Executor) -> Self {
        let Executor { name, owner, target, .. } = executor;
        Self { executor: name.clone(), owner: owner.clone(), target: target.clone() }
    }
}

/// The account that a call is for.
pub(crate) fn account(context: &v1::CallContext, identity: &Identity) -> Result<AccountName, Error> {
    if context.account.is_empty() {
        return Ok(identity.default_account.clone());
    }
    context
        .account
        .parse()
        .map_err(|error: tidegate_core::IdError| Error::invalid_field("context.account", error.to_string()))
}

/// The request id, where there is one: a UUID of version 7, not older than a day, not from the future.
pub(crate) fn request_id(context: &v1::CallContext, now: UnixUs) -> Result<Option<RequestId>, Error> {
    let wrong = |text: String| Error::invalid_field("context.request_id", text);
    if context.request_id.is_empty() {
        return Ok(None);
    }
    let id: RequestId =
        context.request_id.parse().map_err(|error: tidegate_core::IdError| wrong(error.to_string()))?;
    if now.ms_since(id.birth()) > REQUEST_ID_AGE_MAX_MS {
        return Err(wrong("was made more than 24 h ago; make a new one for a new act".to_owned()));
    }
    if id.birth().ms_since(now) > REQUEST_ID_AHEAD_MAX_MS {
        let text = "was made more than 5 s in the future: the caller's clock is ahead, or the id is not of version 7";
        return Err(wrong(text.to_owned()));
    }
    Ok(Some(id))
}

/// Chooses the best executor that was not tried.
///
/// Lanes of executors that were tried, and keys whose executor has just gone, are known but not ready: the error is then
/// "not at present" and not "there is no such key".
pub(crate) fn choose(wanted: &Wanted<'_>, picture: &Picture, tried: &[String]) -> Result<Choice, Error> {
    let is_tried = |executor: &Executor| tried.contains(&executor.owner);
    let untried = || picture.up().filter(|executor| !is_tried(executor));
    let name = wanted.endpoint.name;
    // Where keys were found unfit, what is left of them decides below.
    if untried().next().is_none() && wanted.unfit.is_empty() {
        let text = format!("no executor that could call {name} can be reached; nothing was sent");
        return Err(Error::new(ErrorKind::Unavailable, text).retry_after_ms(1_000));
    }
    if wanted.endpoint.needs == Needs::Public {
        // Any executor does; this process's own saves a hop.
        let nearest = untried().find(|e| e.name == "local").or_else(|| untried().next());
        return nearest
            .map(Choice::of)
            .ok_or_else(|| Error::internal("an executor vanished between two looks"));
    }
    let cancels = matches!(wanted.endpoint.effect, Effect::Cancel | Effect::CancelScope);
    let reported =
        picture.up().flat_map(|executor| executor.lanes.iter().map(move |lane| (Some(executor), lane)));
    let lanes: Vec<(Option<&Executor>, Candidate)> = reported
        .chain(picture.missed().map(|lane| (None, lane)))
        .filter(|(_, lane)| wanted.key_label.is_none_or(|label| lane.label.as_str() == label))
        .filter(|(_, lane)| cancels || wanted.key_label.is_some() || !lane.report.break_glass)
        .filter(|(_, lane)| !wanted.unfit.contains(&lane.label))
        .map(|(executor, lane)| {
            let report = &lane.report;
            let open = match report.state() {
                v1::LaneState::Open => true,
                v1::LaneState::CancelsOnly | v1::LaneState::Quarantined => cancels,
                _ => false,
            };
            let candidate = Candidate {
                dates: Dates {
                    from: report.query_from.as_ref().map(|time| moment(time.seconds)),
                    to: report.query_to.as_ref().map(|time| moment(time.seconds)),
                },
                denied: report.denied.iter().any(|denied| denied == name),
                why_not: report.state_reason.clone(),
                ready: open && executor.is_some_and(|e| !is_tried(e)),
                predicted_wait_ms: u64::from(report.predicted_wait_ms),
                last_resort: report.break_glass
                    || report.state() == v1::LaneState::Quarantined
                    || report.held_back_ms > 0,
                // Whoever owns the lanes knows better.
                busy: false,
                tags: report.tags.clone(),
                local: executor.is_some_and(|e| e.name == "local"),
                ..Candidate::new(lane.label.clone(), lane.account.clone(), lane.permissions)
            };
            (executor, candidate)
        })
        .collect();
    if let (Some(label), true) = (wanted.key_label, lanes.is_empty()) {
        let text = format!("no executor has a key with the label {label:?}");
        return Err(Error::new(ErrorKind::NoKey, text).with_fact("endpoint", name));
    }
    let tag = (!wanted.key_tag.is_empty()).then_some(wanted.key_tag);
    let candidates = lanes.iter().map(|(_, candidate)| candidate);
    // The stretch of time that is asked about stands in the body, which is the executor's to read.
    let (dates, now) = (Dates::default(), wanted.now);
    let asked = Asked { endpoint: wanted.endpoint, account: wanted.account, key_tag: tag, dates, now };
    let ranked = rank(&asked, candidates).map_err(|error| error.into_error(wanted.endpoint))?;
    let best = ranked.first().copied();
    let found = lanes.iter().find(|(_, candidate)| best.is_some_and(|best| std::ptr::eq(best, candidate)));
    found
        .and_then(|(executor, _)| executor.map(Choice::of))
        .ok_or_else(|| Error::internal("the best lane is not among the lanes"))
}

fn moment(unix_s: i64) -> UnixUs {
    UnixUs(u64::try_from(unix_s).unwrap_or_default().saturating_mul(1_000_000))
}

/// Whether a request id must be there: on everything that changes something, except where the executor, who knows the
/// body, lets a cancel that is safe to repeat do without.
pub(crate) const fn needs_request_id(effect: Effect) -> bool {
    effect.is_mutating() && !matches!(effect, Effect::Cancel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(request_id: &str) -> v1::CallContext {
        v1::CallContext { request_id: request_id.to_owned(), ..Default::default() }
    }

    #[test]
    fn request_ids_are_neither_stale_nor_from_the_future() {
        let id = "01939b5e-8f4a-7c3e-9d52-0123456789ab";
        let birth = id.parse::<RequestId>().expect("version 7").birth();
        assert!(request_id(&context(""), birth).expect("none is fine here").is_none());
        for (now_ms, good) in [
            (birth.as_ms(), true),
            (birth.as_ms() + REQUEST_ID_AGE_MAX_MS, true),
            (birth.as_ms() + REQUEST_ID_AGE_MAX_MS + 1, false),
            (birth.as_ms() - REQUEST_ID_AHEAD_MAX_MS, true),
            (birth.as_ms() - REQUEST_ID_AHEAD_MAX_MS - 1, false),
        ] {
            assert_eq!(request_id(&context(id), UnixUs(now_ms * 1_000)).is_ok(), good, "at {now_ms}");
        }
        assert!(request_id(&context("hello"), birth).is_err());
    }
}
