//! What the scripts answer, and what their records hold.

use std::collections::HashMap;
use std::str::FromStr;

use tidegate_core::OwnerId;

use crate::grant::{GrantRecord, GrantReply, Member, STORE_INT_MAX, Sight, counter_left};
use crate::keys::Fingerprint;
use crate::store::GrantAnswer;

/// What a script answers: a kind, its fields, the members, four texts each, and the sight.
pub(super) type ScriptReply = (String, Vec<String>, Vec<String>, [String; 3]);

/// Reads the answer of the grant script. An error says what was not understood.
pub(super) fn read((kind, fields, members, sight): &ScriptReply) -> Result<GrantAnswer, String> {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let reply = match (kind.as_str(), fields.as_slice()) {
        ("granted", [epoch, lo, hi, expires, now, first, known, ceiling, decay, at]) => {
            let store_now_us = number(now)?;
            let (ceiling, decay, at) = (number(ceiling)?, number(decay)?, number(at)?);
            let left = counter_left(ceiling, decay, store_now_us.saturating_sub(at));
            GrantReply::Granted {
                epoch: number(epoch)?,
                lo_us: number(lo)?,
                hi_us: number(hi)?,
                expires_us: number(expires)?,
                store_now_us,
                first_of_epoch: *first == "1",
                counter_start_milli: (*known == "1").then_some(left),
            }
        }
        ("held", [owner, advertise, expires, now]) => GrantReply::Held {
            owner: OwnerId::named(owner),
            advertise: (*advertise).to_owned(),
            expires_us: number(expires)?,
            store_now_us: number(now)?,
        },
        ("free", [now]) => GrantReply::Free { store_now_us: number(now)? },
        ("lost", [now]) => GrantReply::Lost { store_now_us: number(now)? },
        ("skewed", [now]) => GrantReply::Skewed { store_now_us: number(now)? },
        ("recovering", [until, now]) => {
            GrantReply::Recovering { until_us: number(until)?, store_now_us: number(now)? }
        }
        ("too_far_ahead", [lo, now]) => {
            GrantReply::TooFarAhead { lo_us: number(lo)?, store_now_us: number(now)? }
        }
        (kind, fields) => {
            return Err(format!("{kind:?} with {} fields", fields.len()));
        }
    };
    let mut live = Vec::with_capacity(members.len() / 4);
    for member in members.chunks(4) {
        let [owner, advertise, expires, mounts] = member else {
            return Err("a member of less than four parts".to_owned());
        };
        let mounts = mounts
            .split(',')
            .filter(|key| !key.is_empty())
            .map(|key| Fingerprint::kept(key).ok_or_else(|| "a member mounts what is no key".to_owned()));
        live.push(Member {
            owner: OwnerId::named(owner),
            advertise: advertise.clone(),
            expires_us: number(expires)?,
            mounts: mounts.collect::<Result<_, _>>()?,
        });
    }
    live.sort_unstable();
    let [generation, born, reach] = sight;
    let sight = if generation.is_empty() {
        None
    } else {
        Some(Sight {
            generation: generation.clone(),
            born_us: number(born)?,
            reach_us: Some(number(reach)?).filter(|reach| *reach > 0),
        })
    };
    Ok(GrantAnswer { reply, members: live, sight })
}

pub(super) fn number(text: &str) -> Result<u64, String> {
    match u64::from_str(text) {
        Ok(number) if number <= STORE_INT_MAX => Ok(number),
        _ => Err(format!("{text:?} is not an integer below 2^53")),
    }
}

/// Reads a record as the scripts write it.
pub(super) fn record(kept: &HashMap<String, String>) -> Result<GrantRecord, String> {
    let text = |name: &str| kept.get(name).ok_or_else(|| format!("no field {name}"));
    let numeric = |name: &str| number(text(name)?);
    Ok(GrantRecord {
        owner: text("owner")?.clone(),
        advertise: text("advertise")?.clone(),
        epoch: numeric("epoch")?,
        expires_us: numeric("expires_us")?,
        lo_us: numeric("lo_us")?,
        hi_us: numeric("hi_us")?,
        unit: text("unit")?.parse()?,
        window_us: numeric("window_us")?,
        counter_ceiling_milli: numeric("counter_ceiling_milli")?,
        counter_decay_milli_per_s: numeric("counter_decay_milli_per_s")?,
        counter_at_us: numeric("counter_at_us")?,
        generation: text("generation")?.clone(),
    })
}
