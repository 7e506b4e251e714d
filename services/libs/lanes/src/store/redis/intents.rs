//! Intents in Redis: what goes to the scripts, and what comes back.

use std::collections::{BTreeMap, HashMap};

use tidegate_core::AccountName;

use super::call::Call;
use super::{RedisStore, reply};
use crate::intent::{
    AGE_MAX_US, AHEAD_MAX_US, CLAIM_SKEW_MAX_US, Claim, ClaimReply, HALT_REASON_BYTES_MAX, HANDLE_BYTES_MAX,
    HaltScope, IntentKey, IntentRecord, IntentState, KEPT_US, LOST_DEADLINE_US, MAY_BE_LOST_US,
    NOT_AFTER_MAX_US, NOTE_BYTES_MAX, OUTCOME_BYTES_MAX, OpenIntents, SETTLE_MARGIN_US, Settle, Settled,
    Wanted, Wish, Withdraw,
};
use crate::keys;
use crate::store::{IntentStore, StoreError, StoreFuture};

/// A kind, its facts, and the fields of a record as names and values.
type IntentReply = (String, Vec<String>, Vec<Vec<u8>>);
/// Generation, time, and ids with their records.
type OpenReply = (String, String, Vec<redis::Value>);

/// What the script is told beside the intent, the act and who acts.
#[derive(Clone, Copy, Debug, Default)]
struct Facts<'a> {
    claim: Option<&'a Claim>,
    wish: Wish,
    state: &'a str,
    outcome: &'a [u8],
    /// Empty for the sender itself.
    generation: &'a str,
    note: &'a str,
}

impl RedisStore {
    /// One act on one intent. It counts only when the replicas have it, like a grant.
    async fn intent_now(
        &self,
        (key, account): (&IntentKey, &AccountName),
        act: &str,
        token: &str,
        facts: Facts<'_>,
    ) -> Result<IntentReply, StoreError> {
        let domain = keys::generation(&self.prefix, &key.domain);
        let names = vec![
            keys::intent(&self.prefix, key),
            keys::open_intents(&self.prefix, &key.domain, account),
            domain.clone(),
            keys::halts(&self.prefix, &key.domain),
        ];
        let mut args: Vec<Vec<u8>> =
            vec![act.into(), key.id.clone().into(), token.into(), account.as_str().into()];
        let of_claim = |read: fn(&Claim) -> String| facts.claim.map(read).unwrap_or_default().into_bytes();
        let number = |read: fn(&Claim) -> u64| facts.claim.map_or(0, read).to_string().into_bytes();
        args.extend([
            of_claim(|claim| claim.endpoint.clone()),
            of_claim(|claim| claim.request_id.clone()),
            of_claim(|claim| claim.content.clone()),
            number(|claim| claim.born_us),
            number(|claim| claim.not_after_us),
            number(|claim| u64::from(claim.findable)),
        ]);
        args.extend([facts.state.into(), facts.outcome.into(), facts.generation.into()]);
        let rules = [
            MAY_BE_LOST_US,
            AHEAD_MAX_US,
            AGE_MAX_US,
            LOST_DEADLINE_US,
            SETTLE_MARGIN_US,
            KEPT_US,
            OUTCOME_BYTES_MAX as u64,
            HANDLE_BYTES_MAX as u64,
            NOTE_BYTES_MAX as u64,
        ];
        args.extend(rules.map(|rule| rule.to_string().into_bytes()));
        args.extend([of_claim(|claim| claim.caller.clone()), of_claim(|claim| claim.handle.clone())]);
        args.extend([facts.wish.as_str().into(), facts.note.into()]);
        args.extend([self.now_arg().into_bytes(), self.replication_id_arg().into_bytes()]);
        args.push(NOT_AFTER_MAX_US.to_string().into_bytes());
        args.push(number(|claim| u64::from(claim.cancels)));
        args.push(number(|claim| claim.caller_now_us));
        args.push(CLAIM_SKEW_MAX_US.to_string().into_bytes());
        self.ask_replicated(&domain, self.intent.call(names, args)).await
    }

    async fn claim_now(&self, claim: &Claim) -> Result<ClaimReply, StoreError> {
        let told = Facts { claim: Some(claim), wish: claim.wish, ..Facts::default() };
        let key = (&claim.key, &claim.account);
        let (kind, facts, fields) = self.intent_now(key, "claim", &claim.token, told).await?;
        let number = |text: &String| reply::number(text).map_err(|reason| self.unreadable(reason));
        match (kind.as_str(), facts.as_slice()) {
            ("claimed", [generation, now]) => {
                Ok(ClaimReply::Claimed { generation: generation.clone(), store_now_us: number(now)? })
            }
            ("known", []) => Ok(ClaimReply::Known(Box::new(self.intent_record(&fields)?))),
            ("halted", [reason]) => Ok(ClaimReply::Halted { reason: reason.clone() }),
            ("no_generation", _) => Ok(ClaimReply::NoGeneration),
            ("skewed", [now]) => Ok(ClaimReply::Skewed { store_now_us: number(now)? }),
            ("too_far", [now]) => Ok(ClaimReply::TooFar { store_now_us: number(now)? }),
            ("unborn", [now]) => Ok(ClaimReply::Unborn { store_now_us: number(now)? }),
            ("too_old", [now]) => Ok(ClaimReply::TooOld { store_now_us: number(now)? }),
            _ => Err(self.unreadable(format!("{kind:?} to a claim"))),
        }
    }

    async fn settle_now(&self, settle: &Settle) -> Result<Settled, StoreError> {
        if settle.generation.as_deref() == Some("") {
            // There was none when the verdict was prepared, and an empty text means something else to the script.
            return Ok(Settled::Stale);
        }
        let claim = &settle.claim;
        let told = Facts {
            claim: Some(claim),
            wish: claim.wish,
            state: settle.state.as_str(),
            outcome: &settle.outcome,
            generation: settle.generation.as_deref().unwrap_or_default(),
            note: &settle.note,
        };
        let key = (&claim.key, &claim.account);
        let (kind, _, fields) = self.intent_now(key, "settle", &claim.token, told).await?;
        match kind.as_str() {
            "written" => Ok(Settled::Written),
            "replaced" => Ok(Settled::Replaced(Box::new(self.intent_record(&fields)?))),
            "kept" => Ok(Settled::Kept(Box::new(self.intent_record(&fields)?))),
            "stale" => Ok(Settled::Stale),
            _ => Err(self.unreadable(format!("{kind:?} to an outcome"))),
        }
    }

    async fn withdraw_now(&self, withdraw: &Withdraw) -> Result<bool, StoreError> {
        let Withdraw { key, account, token } = withdraw;
        let (kind, ..) = self.intent_now((key, account), "withdraw", token, Facts::default()).await?;
        Ok(kind == "gone")
    }

    async fn wish_now(&self, wanted: &Wanted) -> Result<Option<IntentRecord>, StoreError> {
        let told = Facts { wish: wanted.wish, ..Facts::default() };
        let (kind, _, fields) = self.intent_now((&wanted.key, &wanted.account), "wish", "", told).await?;
        match kind.as_str() {
            "wished" => self.intent_record(&fields).map(Some),
            "unknown" => Ok(None),
            _ => Err(self.unreadable(format!("{kind:?} to a wish"))),
        }
    }

    async fn halt_now(
        &self,
        domain: &AccountName,
        scope: &HaltScope,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        if reason.is_some_and(|reason| reason.len() > HALT_REASON_BYTES_MAX) {
            return Err(StoreError::TooLarge);
        }
        let name = keys::halts(&self.prefix, domain);
        let mut pipe = redis::pipe();
        match reason {
            Some(reason) => pipe.cmd("HSET").arg(name).arg(scope.as_str()).arg(reason),
            None => pipe.cmd("HDEL").arg(name).arg(scope.as_str()),
        };
        let at = keys::generation(&self.prefix, domain);
        let _written: u64 = self.ask_replicated(&at, Call::of(pipe)).await?;
        Ok(())
    }

    async fn halts_now(&self, domain: &AccountName) -> Result<Vec<(String, String)>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(keys::halts(&self.prefix, domain));
        let at = keys::generation(&self.prefix, domain);
        let (kept,): (BTreeMap<String, String>,) = self.link.ask(&at, Call::of(pipe)).await?;
        Ok(kept.into_iter().collect())
    }

    async fn known_now(&self, key: &IntentKey) -> Result<Option<IntentRecord>, StoreError> {
        let domain = keys::generation(&self.prefix, &key.domain);
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(keys::intent(&self.prefix, key));
        let (kept,): (HashMap<String, Vec<u8>>,) = self.link.ask(&domain, Call::of(pipe)).await?;
        if kept.is_empty() { Ok(None) } else { self.read_record(&kept).map(Some) }
    }

    async fn open_now(
        &self,
        domain: &AccountName,
        account: &AccountName,
        at_most: usize,
    ) -> Result<OpenIntents, StoreError> {
        let generation = keys::generation(&self.prefix, domain);
        let nameless = IntentKey { domain: domain.clone(), id: String::new() };
        let names = vec![
            keys::open_intents(&self.prefix, domain, account),
            generation.clone(),
            keys::intent(&self.prefix, &nameless),
        ];
        let args = vec![at_most.max(1).to_string(), KEPT_US.to_string(), self.now_arg()];
        let ((marker, now, found),): (OpenReply,) =
            self.link.ask(&generation, self.open.call(names, args)).await?;
        let mut intents = Vec::with_capacity(found.len() / 2);
        for pair in found.chunks(2) {
            let [id, fields] = pair else {
                return Err(self.unreadable("an intent without fields".to_owned()));
            };
            let read = |reason: redis::ParsingError| self.unreadable(reason.to_string());
            let id: String = redis::from_redis_value_ref(id).map_err(read)?;
            let fields: Vec<Vec<u8>> = redis::from_redis_value_ref(fields).map_err(read)?;
            intents.push((id, self.intent_record(&fields)?));
        }
        let store_now_us = reply::number(&now).map_err(|reason| self.unreadable(reason))?;
        Ok(OpenIntents { generation: marker, store_now_us, intents })
    }

    fn intent_record(&self, fields: &[Vec<u8>]) -> Result<IntentRecord, StoreError> {
        let mut kept = HashMap::with_capacity(fields.len() / 2);
        for pair in fields.chunks(2) {
            if let [name, value] = pair {
                kept.insert(String::from_utf8_lossy(name).into_owned(), value.clone());
            }
        }
        self.read_record(&kept)
    }

    fn read_record(&self, kept: &HashMap<String, Vec<u8>>) -> Result<IntentRecord, StoreError> {
        let bytes =
            |name: &str| kept.get(name).ok_or_else(|| self.unreadable(format!("an intent without {name}")));
        let text = |name: &str| {
            String::from_utf8(bytes(name)?.clone())
                .map_err(|_| self.unreadable(format!("an intent's {name} is no text")))
        };
        let number = |name: &str| reply::number(&text(name)?).map_err(|reason| self.unreadable(reason));
        // Builds before this one wrote nothing of the kind.
        let later = |name: &str| if kept.contains_key(name) { text(name) } else { Ok(String::new()) };
        let wish = later("wish")?;
        let strange = || self.unreadable(format!("{wish:?} is no wish"));
        let state = text("state")?;
        let unknown = || self.unreadable(format!("{state:?} is no state of an intent"));
        Ok(IntentRecord {
            account: text("account")?,
            endpoint: text("endpoint")?,
            request_id: text("request_id")?,
            content: text("content")?,
            token: text("token")?,
            state: IntentState::named(&state).ok_or_else(unknown)?,
            claimed_us: number("claimed_us")?,
            not_after_us: number("not_after_us")?,
            absent_after_us: number("absent_after_us")?,
            settled_us: number("settled_us")?,
            outcome: bytes("outcome")?.clone(),
            generation: text("generation")?,
            caller: later("caller")?,
            handle: later("handle")?,
            wish: if wish.is_empty() { Wish::Keep } else { Wish::named(&wish).ok_or_else(strange)? },
            note: later("note")?,
        })
    }
}

impl IntentStore for RedisStore {
    fn claim<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, ClaimReply> {
        Box::pin(self.claim_now(claim))
    }

    fn settle<'a>(&'a self, settle: &'a Settle) -> StoreFuture<'a, Settled> {
        Box::pin(self.settle_now(settle))
    }

    fn withdraw<'a>(&'a self, withdraw: &'a Withdraw) -> StoreFuture<'a, bool> {
        Box::pin(self.withdraw_now(withdraw))
    }

    fn wish<'a>(&'a self, wanted: &'a Wanted) -> StoreFuture<'a, Option<IntentRecord>> {
        Box::pin(self.wish_now(wanted))
    }

    fn halt<'a>(
        &'a self,
        domain: &'a AccountName,
        scope: &'a HaltScope,
        reason: Option<&'a str>,
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.halt_now(domain, scope, reason))
    }

    fn halts<'a>(&'a self, domain: &'a AccountName) -> StoreFuture<'a, Vec<(String, String)>> {
        Box::pin(self.halts_now(domain))
    }

    fn intent<'a>(&'a self, key: &'a IntentKey) -> StoreFuture<'a, Option<IntentRecord>> {
        Box::pin(self.known_now(key))
    }

    fn open_intents<'a>(
        &'a self,
        domain: &'a AccountName,
        account: &'a AccountName,
        at_most: usize,
    ) -> StoreFuture<'a, OpenIntents> {
        Box::pin(self.open_now(domain, account, at_most))
    }
}
