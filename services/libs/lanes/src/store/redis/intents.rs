//! Intents in Redis: what goes to the scripts, and what comes back.

use std::collections::HashMap;

use redis::{Pipeline, ScriptInvocation};
use tidegate_core::AccountName;

use super::{RedisStore, reply};
use crate::intent::{
    AGE_MAX_US, AHEAD_MAX_US, Claim, ClaimReply, IntentKey, IntentRecord, IntentState, KEPT_US,
    LOST_DEADLINE_US, MAY_BE_LOST_US, OUTCOME_BYTES_MAX, OpenIntents, SETTLE_MARGIN_US, Settle, Settled,
    Withdraw,
};
use crate::keys;
use crate::store::{IntentStore, StoreError, StoreFuture};

/// A kind, its facts, and the fields of a record as names and values.
type IntentReply = (String, Vec<String>, Vec<Vec<u8>>);
/// Generation, time, and ids with their records.
type OpenReply = (String, String, Vec<redis::Value>);

impl RedisStore {
    fn intent_script<'a>(
        &'a self,
        key: &IntentKey,
        account: &AccountName,
        act: &str,
        token: &str,
    ) -> ScriptInvocation<'a> {
        let mut script = self.intent.prepare_invoke();
        script
            .key(keys::intent(&self.prefix, key))
            .key(keys::open_intents(&self.prefix, &key.domain, account))
            .key(keys::generation(&self.prefix, &key.domain))
            .arg(act)
            .arg(&key.id)
            .arg(token)
            .arg(account.as_str());
        script
    }

    fn intent_rules(&self, script: &mut ScriptInvocation<'_>) {
        script
            .arg(MAY_BE_LOST_US)
            .arg(AHEAD_MAX_US)
            .arg(AGE_MAX_US)
            .arg(LOST_DEADLINE_US)
            .arg(SETTLE_MARGIN_US)
            .arg(KEPT_US)
            .arg(OUTCOME_BYTES_MAX)
            .arg(self.now_arg())
            .arg(self.replication_id_arg());
    }

    /// Claim and outcome count only when the replicas have them, like a grant.
    async fn intent_now(
        &self,
        key: &IntentKey,
        script: &ScriptInvocation<'_>,
    ) -> Result<IntentReply, StoreError> {
        let domain = keys::generation(&self.prefix, &key.domain);
        let mut pipe = redis::pipe();
        pipe.invoke_script(script);
        self.ask_replicated(&domain, pipe, &self.intent).await
    }

    async fn claim_now(&self, claim: &Claim) -> Result<ClaimReply, StoreError> {
        let mut script = self.intent_script(&claim.key, &claim.account, "claim", &claim.token);
        of_claim(&mut script, claim);
        script.arg("").arg("").arg("");
        self.intent_rules(&mut script);
        let (kind, facts, fields) = self.intent_now(&claim.key, &script).await?;
        let number = |text: &String| reply::number(text).map_err(|reason| self.unreadable(reason));
        match (kind.as_str(), facts.as_slice()) {
            ("claimed", [generation, now]) => {
                Ok(ClaimReply::Claimed { generation: generation.clone(), store_now_us: number(now)? })
            }
            ("known", []) => Ok(ClaimReply::Known(self.intent_record(&fields)?)),
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
        let mut script = self.intent_script(&claim.key, &claim.account, "settle", &claim.token);
        of_claim(&mut script, claim);
        script
            .arg(settle.state.as_str())
            .arg(&settle.outcome)
            .arg(settle.generation.as_deref().unwrap_or_default());
        self.intent_rules(&mut script);
        let (kind, _, fields) = self.intent_now(&claim.key, &script).await?;
        match kind.as_str() {
            "written" => Ok(Settled::Written),
            "kept" => Ok(Settled::Kept(Box::new(self.intent_record(&fields)?))),
            "stale" => Ok(Settled::Stale),
            _ => Err(self.unreadable(format!("{kind:?} to an outcome"))),
        }
    }

    async fn withdraw_now(&self, withdraw: &Withdraw) -> Result<bool, StoreError> {
        let Withdraw { key, account, token } = withdraw;
        let mut script = self.intent_script(key, account, "withdraw", token);
        script.arg("").arg("").arg("").arg(0).arg(0).arg(0).arg("").arg("").arg("");
        self.intent_rules(&mut script);
        let (kind, ..) = self.intent_now(key, &script).await?;
        Ok(kind == "gone")
    }

    async fn known_now(&self, key: &IntentKey) -> Result<Option<IntentRecord>, StoreError> {
        let domain = keys::generation(&self.prefix, &key.domain);
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(keys::intent(&self.prefix, key));
        let (kept,): (HashMap<String, Vec<u8>>,) = self.link.ask(&domain, &pipe, None).await?;
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
        let mut script = self.open.prepare_invoke();
        script
            .key(keys::open_intents(&self.prefix, domain, account))
            .key(&generation)
            .key(keys::intent(&self.prefix, &nameless))
            .arg(at_most.max(1))
            .arg(KEPT_US)
            .arg(self.now_arg());
        let mut pipe = Pipeline::new();
        pipe.invoke_script(&script);
        let ((marker, now, found),): (OpenReply,) =
            self.link.ask(&generation, &pipe, Some(&self.open)).await?;
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
        })
    }
}

fn of_claim(script: &mut ScriptInvocation<'_>, claim: &Claim) {
    script
        .arg(&claim.endpoint)
        .arg(&claim.request_id)
        .arg(&claim.content)
        .arg(claim.born_us)
        .arg(claim.not_after_us)
        .arg(u8::from(claim.findable));
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
