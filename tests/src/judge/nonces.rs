//! Was every nonce used once, and is there a reason for each that was refused? Judged by the exchange's log alone.
//!
//! A nonce may be refused for three reasons only. The lane had *abandoned* the call: a later one of the same key overtook
//! it, and the lane had waited as long as it must before it sent that one. Another owner had *taken over*: its first
//! call, `GetApiKeyInfo`, had been accepted with a nonce that shuts this one out. Or the request is a *duplicate*, byte
//! by byte, of one that had passed. All else is unexplained.

use std::collections::BTreeMap;

use serde_json::Value;

/// How long a call that hangs holds up the calls behind it.
const ABANDONED_AFTER_US: u64 = 5_000_000;
/// The same for cancels behind a call that is no read.
const ABANDONED_FOR_CANCEL_AFTER_US: u64 = 1_000_000;
/// The log knows when requests arrived, not when they were sent.
const ON_THE_WAY_US: u64 = 250_000;

/// What the log shows of nonces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nonces {
    /// Requests whose nonce passed.
    pub passed: usize,
    /// Two different requests that both passed under one nonce of a key. Must be empty.
    pub doubled: Vec<String>,
    /// Two different requests that were sent under one nonce of a key, of which one passed at most. Must be empty, too:
    /// only luck kept them apart.
    pub shared: Vec<String>,
    /// Refused because the lane had gone on without the call.
    pub abandoned: usize,
    /// Refused because another owner had taken over.
    pub taken_over: usize,
    /// Refused as copies of requests that had passed.
    pub duplicates: usize,
    /// Refused without a reason that the log shows. Must be empty.
    pub unexplained: Vec<String>,
}

impl Nonces {
    /// How many were refused.
    pub fn refused(&self) -> usize {
        self.abandoned + self.taken_over + self.duplicates + self.unexplained.len()
    }

    /// Whether nothing was used twice and all refusals are explained.
    pub fn hold(&self) -> bool {
        self.doubled.is_empty() && self.shared.is_empty() && self.unexplained.is_empty()
    }

    /// Everything that must not be.
    pub fn failures(&self) -> impl Iterator<Item = &String> {
        self.doubled.iter().chain(&self.shared).chain(&self.unexplained)
    }

    /// Those of two logs together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.doubled.extend(other.doubled);
        self.shared.extend(other.shared);
        self.abandoned += other.abandoned;
        self.taken_over += other.taken_over;
        self.duplicates += other.duplicates;
        self.unexplained.extend(other.unexplained);
        self
    }

    /// A part of a sentence for a report.
    pub fn line(&self) -> String {
        format!(
            "{} nonces passed, {} used by two requests, {} refused ({} abandoned, {} taken over, {} duplicates, {} \
             unexplained)",
            self.passed,
            self.doubled.len() + self.shared.len(),
            self.refused(),
            self.abandoned,
            self.taken_over,
            self.duplicates,
            self.unexplained.len()
        )
    }
}

/// One request of a key, as far as it matters here.
#[derive(Debug)]
struct Request<'a> {
    seq: u64,
    received_us: u64,
    auth_us: Option<u64>,
    nonce: u64,
    endpoint: &'a str,
    body: &'a str,
    verdict: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn read(entry: &'a Value) -> Option<(&'a str, Self)> {
        let text = |name: &str| entry[name].as_str();
        let request = Self {
            seq: entry["seq"].as_u64()?,
            received_us: entry["received_us"].as_u64()?,
            auth_us: entry["auth_us"].as_u64(),
            nonce: text("nonce")?.parse().ok()?,
            endpoint: text("endpoint")?,
            body: text("body_sha256")?,
            verdict: text("verdict"),
        };
        Some((text("key")?, request))
    }

    fn was_refused(&self) -> bool {
        self.verdict.is_some_and(|verdict| verdict.starts_with("EAPI:Invalid nonce"))
    }

    /// When its nonce was used up. A request that is refused for what it asks for has used its nonce, one that is
    /// refused for what it is (the wrong key, the wrong signature, the edge) has not.
    fn passed_us(&self) -> Option<u64> {
        let before_the_nonce = ["EAPI:Invalid", "EGeneral:Temporary lockout", "HTTP "];
        let refused = |verdict: &str| before_the_nonce.iter().any(|words| verdict.starts_with(words));
        self.auth_us.filter(|_| !self.verdict.is_some_and(refused))
    }

    fn is_cancel(&self) -> bool {
        self.endpoint.starts_with("Cancel")
    }

    fn is_read(&self) -> bool {
        let changes = ["AddOrder", "AmendOrder", "EditOrder", "Cancel"];
        !changes.iter().any(|name| self.endpoint.starts_with(name))
    }

    /// How long a lane waits for this one before it sends `next`.
    fn held_up_us(&self, next: &Self) -> u64 {
        match (next.is_cancel(), self.is_read()) {
            (true, true) => 0,
            (true, false) => ABANDONED_FOR_CANCEL_AFTER_US,
            (false, _) => ABANDONED_AFTER_US,
        }
    }
}

enum Reason {
    Abandoned,
    TakenOver,
    Duplicate,
}

/// Judges all requests of a log. `windows` are the nonce windows of keys that have one, by API key, in the key's own
/// unit.
pub fn nonces(log: &[Value], windows: &BTreeMap<String, u64>) -> Nonces {
    let mut by_key: BTreeMap<&str, Vec<Request<'_>>> = BTreeMap::new();
    for (key, request) in log.iter().filter_map(Request::read) {
        by_key.entry(key).or_default().push(request);
    }
    let mut found = Nonces::default();
    for (key, requests) in &by_key {
        found.passed += requests.iter().filter(|request| request.passed_us().is_some()).count();
        find_doubles(key, requests, &mut found);
        let window = windows.get(*key).copied().unwrap_or_default();
        for refused in requests.iter().filter(|request| request.was_refused()) {
            match explain(refused, requests, window) {
                Some(Reason::Abandoned) => found.abandoned += 1,
                Some(Reason::TakenOver) => found.taken_over += 1,
                Some(Reason::Duplicate) => found.duplicates += 1,
                None => found.unexplained.push(format!("{key}: {refused:?}")),
            }
        }
    }
    found
}

fn find_doubles(key: &str, requests: &[Request<'_>], found: &mut Nonces) {
    let mut by_nonce: BTreeMap<u64, Vec<&Request<'_>>> = BTreeMap::new();
    for request in requests {
        by_nonce.entry(request.nonce).or_default().push(request);
    }
    for (nonce, same) in by_nonce {
        if same.iter().all(|request| request.body == same[0].body) {
            continue;
        }
        let passed: Vec<_> = same.iter().filter(|request| request.passed_us().is_some()).collect();
        let text = format!("{key}: {nonce}: {same:?}");
        if passed.iter().any(|request| request.body != passed[0].body) {
            found.doubled.push(text);
        } else {
            found.shared.push(text);
        }
    }
}

fn explain(refused: &Request<'_>, requests: &[Request<'_>], window: u64) -> Option<Reason> {
    let at_us = refused.auth_us?;
    let had_passed = |request: &&Request<'_>| {
        request.seq != refused.seq && request.passed_us().is_some_and(|passed_us| passed_us <= at_us)
    };
    let copy = |request: &Request<'_>| request.nonce == refused.nonce && request.body == refused.body;
    if requests.iter().filter(had_passed).any(copy) {
        return Some(Reason::Duplicate);
    }
    // Those that shut it out; without one the exchange would have had no reason.
    let shuts_out = |request: &&Request<'_>| request.nonce > refused.nonce.saturating_add(window.max(1) - 1);
    let blockers: Vec<_> = requests.iter().filter(had_passed).filter(shuts_out).collect();
    if blockers.iter().any(|blocker| blocker.endpoint == "GetApiKeyInfo" && blocker.verdict == Some("ok")) {
        return Some(Reason::TakenOver);
    }
    let gave_up = |next: &&Request<'_>| {
        let waited_us = next.received_us.saturating_sub(refused.received_us) + ON_THE_WAY_US;
        next.seq > refused.seq && next.nonce > refused.nonce && waited_us >= refused.held_up_us(next)
    };
    let overtaken = blockers.iter().any(|blocker| blocker.seq > refused.seq);
    (overtaken && requests.iter().any(|next| gave_up(&next))).then_some(Reason::Abandoned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const REFUSED: &str = "EAPI:Invalid nonce";

    /// A log of requests of one key: endpoint, nonce, when it arrived and when it was judged (ms), verdict.
    fn log(requests: &[(&str, u64, u64, u64, &str)]) -> Vec<Value> {
        let entry = |(at, request): (usize, &(&str, u64, u64, u64, &str))| {
            let (endpoint, nonce, received_ms, auth_ms, verdict) = *request;
            json!({
                "seq": at + 1, "received_us": received_ms * 1_000, "auth_us": auth_ms * 1_000, "key": "k",
                "nonce": nonce.to_string(), "endpoint": endpoint, "body_sha256": format!("{at}"), "verdict": verdict,
                "executed": verdict == "ok",
            })
        };
        requests.iter().enumerate().map(entry).collect()
    }

    fn judge(requests: &[(&str, u64, u64, u64, &str)]) -> Nonces {
        nonces(&log(requests), &BTreeMap::new())
    }

    fn unexplained(requests: &[(&str, u64, u64, u64, &str)]) -> usize {
        judge(requests).unexplained.len()
    }

    #[test]
    fn a_calm_log_holds() {
        let found = judge(&[
            ("GetApiKeyInfo", 10, 0, 1, "ok"),
            ("Balance", 11, 2, 3, "ok"),
            ("AddOrder", 12, 4, 5, "EOrder:Insufficient funds"),
        ]);
        assert_eq!(found, Nonces { passed: 3, ..Nonces::default() });
        assert!(found.hold());
    }

    #[test]
    fn two_requests_under_one_nonce_are_found() {
        let found = judge(&[("Balance", 10, 0, 1, "ok"), ("AddOrder", 10, 1, 2, "ok")]);
        assert_eq!((found.doubled.len(), found.shared.len()), (1, 0));
        assert!(!found.hold());
        // One that the engine refused has used the nonce as well, and one that is still at work.
        let found =
            judge(&[("Balance", 10, 0, 1, "ok"), ("AddOrder", 10, 1, 2, "EOrder:Insufficient funds")]);
        assert_eq!(found.doubled.len(), 1);
        let mut under_way = log(&[("Balance", 10, 0, 1, "ok"), ("AddOrder", 10, 1, 2, "ok")]);
        under_way[1]["verdict"] = Value::Null;
        assert_eq!(nonces(&under_way, &BTreeMap::new()).doubled.len(), 1);
        let found = judge(&[("Balance", 10, 0, 1, "ok"), ("AddOrder", 10, 1, 2, REFUSED)]);
        assert_eq!((found.doubled.len(), found.shared.len(), found.unexplained.len()), (0, 1, 1));
    }

    #[test]
    fn the_same_nonce_of_two_keys_is_none() {
        let mut two_keys = log(&[("Balance", 10, 0, 1, "ok"), ("AddOrder", 10, 1, 2, "ok")]);
        two_keys[1]["key"] = json!("another");
        assert!(nonces(&two_keys, &BTreeMap::new()).hold());
    }

    #[test]
    fn a_copy_is_a_duplicate_only_if_the_original_had_passed() {
        let mut copies = log(&[("AddOrder", 10, 0, 1, "ok"), ("AddOrder", 10, 1, 2, REFUSED)]);
        copies[1]["body_sha256"] = json!("0");
        let found = nonces(&copies, &BTreeMap::new());
        assert_eq!((found.duplicates, found.refused(), found.hold()), (1, 1, true));
        copies[0]["auth_us"] = json!(3_000);
        assert_eq!(nonces(&copies, &BTreeMap::new()).unexplained.len(), 1);
    }

    #[test]
    fn a_takeover_needs_an_accepted_first_call_above_and_before() {
        let late = ("AddOrder", 10, 0, 9, REFUSED);
        let found = judge(&[late, ("GetApiKeyInfo", 20, 1, 2, "ok")]);
        assert_eq!((found.taken_over, found.hold()), (1, true));
        assert_eq!(unexplained(&[late, ("GetApiKeyInfo", 9, 1, 2, "ok")]), 1, "below");
        assert_eq!(unexplained(&[late, ("GetApiKeyInfo", 20, 1, 10, "ok")]), 1, "later");
        assert_eq!(unexplained(&[late, ("GetApiKeyInfo", 20, 1, 2, REFUSED)]), 2, "refused itself");
        assert_eq!(unexplained(&[late, ("GetApiKeyInfo", 20, 1, 2, "EAPI:Rate limit exceeded")]), 1);
        assert_eq!(unexplained(&[late, ("Balance", 20, 1, 2, "ok")]), 1, "no first call");
    }

    #[test]
    fn a_lane_goes_on_without_a_call_after_its_time_and_not_before() {
        let hangs = |endpoint| (endpoint, 10, 0, 9_000, REFUSED);
        let next = |endpoint, at_ms| (endpoint, 11, at_ms, at_ms + 1, "ok");
        for (hanging, following, ms) in [
            ("AddOrder", "Balance", 5_000),
            ("Balance", "AddOrder", 5_000),
            ("AddOrder", "CancelOrder", 1_000),
            ("CancelOrder", "CancelAll", 1_000),
        ] {
            let found = judge(&[hangs(hanging), next(following, ms)]);
            assert_eq!((found.abandoned, found.hold()), (1, true), "{hanging} {following}");
            assert_eq!(unexplained(&[hangs(hanging), next(following, ms - 300)]), 1, "{hanging} {following}");
        }
        assert_eq!(judge(&[hangs("Balance"), next("CancelOrder", 1)]).abandoned, 1, "behind a read at once");
        // The one that was sent in its stead is what counts, not who came after that one.
        let found =
            judge(&[hangs("AddOrder"), next("CancelOrder", 1_000), ("Balance", 12, 1_100, 1_101, "ok")]);
        assert_eq!((found.abandoned, found.hold()), (1, true));
    }

    #[test]
    fn a_nonce_below_what_had_passed_when_it_was_sent_is_unexplained() {
        assert_eq!(unexplained(&[("Balance", 20, 0, 1, "ok"), ("AddOrder", 10, 8_000, 8_001, REFUSED)]), 1);
        assert_eq!(unexplained(&[("AddOrder", 10, 0, 1, REFUSED)]), 1, "by nothing at all");
    }

    #[test]
    fn inside_the_window_nothing_is_shut_out() {
        let requests = [("Balance", 10, 0, 9_000, REFUSED), ("Balance", 15, 6_000, 6_001, "ok")];
        let with = |window| nonces(&log(&requests), &BTreeMap::from([("k".to_owned(), window)]));
        assert_eq!(with(5).abandoned, 1);
        assert_eq!(with(6).unexplained.len(), 1, "15 shuts out all below 10 only");
    }
}
