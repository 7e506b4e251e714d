//! What Kraken shows that looks like an act of which nothing is known: evidence for the person who decides, never a verdict.
//!
//! *The idea.* Money that moves leaves a line in a list of Kraken's: a withdrawal in WithdrawStatus, any other movement in the
//! ledger. No line carries a mark of ours. One that is alike may be the act, or an equal one of another caller, of another
//! program or of somebody at Kraken's own pages; and one that is not there may be shown late, because Kraken takes no deadline for
//! these calls. So what is found, or that nothing was, and until when was looked, becomes a part of the intent's note, and a
//! person decides. Asked is once, when by all that is known nothing more can come.

use serde::{Deserialize, Serialize};
use tidegate_core::Volume;
use tidegate_kraken::wire::{Ledgers, Time, Wire, Withdrawals, read};
use tidegate_kraken::{Params, Value};

use crate::handle::Window;

/// Lines that are named; how many more there are is told.
const NAMED_MAX: usize = 3;
/// Longer ids are cut: they come from outside, and a note has its bounds.
const ID_CHARS_MAX: usize = 40;

/// By what a movement of money can be looked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Sought {
    pub asset: String,
    pub asset_class: Option<String>,
    pub amount: String,
    /// The name of the saved address.
    pub key: Option<String>,
}

/// Where it would be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Withdrawals,
    /// Entries of this type.
    Ledger(&'static str),
}

/// A line that is alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alike {
    id: String,
    at_s: u64,
    amount: String,
    fee: String,
    more: String,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    list: List,
    alike: Vec<Alike>,
    /// Whether all lines of the time were seen.
    whole: bool,
    until_us: u64,
}

impl Sought {
    /// What is kept of an act's parameters; nothing for an act that Kraken shows in no list.
    pub(crate) fn of(endpoint: &str, params: &Params) -> Option<Self> {
        List::of(endpoint)?;
        let outer = if endpoint == "FundingBeta/CreateWithdrawal" {
            nested(nested(params, "amount")?, "asset_amount")?
        } else {
            params
        };
        let asset = text(outer, "asset").or_else(|| text(nested(outer, "asset")?, "name"))?;
        let asset_class = text(params, "aclass").or_else(|| text(params, "asset_class"));
        Some(Self { asset, asset_class, amount: text(outer, "amount")?, key: text(params, "key") })
    }

    /// Whether an amount that Kraken shows, without sign and with or without its fee, is the one that was asked for.
    fn is_amount(&self, shown: &str, fee: Option<&str>) -> bool {
        let number = |text: &str| text.trim_start_matches('-').parse::<Volume>().ok().map(Volume::decimal);
        let (Some(wanted), Some(shown)) = (number(&self.amount), number(shown)) else { return false };
        shown == wanted || fee.and_then(number).and_then(|fee| shown.checked_add(fee)) == Some(wanted)
    }
}

impl List {
    /// Where an act shows, if it moves money.
    pub(crate) fn of(endpoint: &str) -> Option<Self> {
        match endpoint {
            "Withdraw" => Some(Self::Withdrawals),
            "FundingBeta/CreateWithdrawal" => Some(Self::Ledger("withdrawal")),
            "WalletTransfer" | "AccountTransfer" => Some(Self::Ledger("transfer")),
            _ => None,
        }
    }

    /// Kraken's endpoint.
    pub(crate) const fn endpoint(self) -> &'static str {
        match self {
            Self::Withdrawals => "WithdrawStatus",
            Self::Ledger(_) => "Ledgers",
        }
    }

    /// The question after what is alike in a time.
    pub(crate) fn question(self, sought: &Sought, window: Window) -> Params {
        let (from_s, to_s) = window.seconds();
        let mut params = Params::new();
        params.text("asset", sought.asset.clone());
        if let Some(class) = &sought.asset_class {
            params.text("aclass", class.clone());
        }
        if let Self::Ledger(kind) = self {
            params.text("type", kind);
            params.push("without_count", Value::Bool(true));
        }
        params.text("start", from_s.to_string());
        params.text("end", to_s.to_string());
        params
    }

    /// As many lines Kraken shows at once.
    const fn page(self) -> usize {
        match self {
            Self::Withdrawals => 500,
            Self::Ledger(_) => 50,
        }
    }
}

/// What an answer shows that is alike. `until_us`: when Kraken was asked.
pub(crate) fn evidence(
    list: List,
    sought: &Sought,
    result: &serde_json::value::RawValue,
    until_us: u64,
) -> Result<Evidence, String> {
    let (lines, alike) = match list {
        List::Withdrawals => withdrawals(sought, shape(result)?),
        List::Ledger(_) => entries(sought, shape(result)?),
    };
    Ok(Evidence { list, alike, whole: lines < list.page(), until_us })
}

fn shape<T: Wire>(result: &serde_json::value::RawValue) -> Result<T, String> {
    read(Some(result)).map_err(|shape| shape.to_string())
}

fn withdrawals(sought: &Sought, page: Withdrawals) -> (usize, Vec<Alike>) {
    let lines = page.withdrawals.len();
    let fits = |line: &tidegate_kraken::wire::Withdrawal| {
        let fee = line.fee.as_ref().map(|fee| fee.0.as_str());
        // A line that names no address may be any.
        let same_key = line.key.is_none() || line.key == sought.key;
        same_key && sought.is_amount(&line.amount.0, fee)
    };
    let alike = page.withdrawals.into_iter().filter(fits).map(|line| Alike {
        id: line.refid,
        at_s: seconds(line.time),
        amount: line.amount.0,
        fee: line.fee.map(|fee| fee.0).unwrap_or_default(),
        more: line.status,
    });
    (lines, alike.collect())
}

fn entries(sought: &Sought, page: Ledgers) -> (usize, Vec<Alike>) {
    let lines = page.ledger.0.len();
    let fits = |line: &tidegate_kraken::wire::LedgerEntry| {
        sought.is_amount(&line.amount.0, line.fee.as_ref().map(|fee| fee.0.as_str()))
    };
    let alike = page.ledger.0.into_iter().filter(|(_, line)| fits(line)).map(|(id, line)| Alike {
        id: line.refid.unwrap_or(id),
        at_s: seconds(Some(line.time)),
        amount: line.amount.0,
        fee: line.fee.map(|fee| fee.0).unwrap_or_default(),
        more: line.subtype.unwrap_or_default(),
    });
    (lines, alike.collect())
}

impl Evidence {
    /// What the note says of it.
    pub(crate) fn text(&self, sought: &Sought, window: Window) -> String {
        let (from_s, to_s) = window.seconds();
        let to = match &sought.key {
            Some(key) => format!(" to {}", short(key)),
            None => String::new(),
        };
        let what = format!(
            "of {} {}{to} between {} and {}; looked at {}",
            short(&sought.amount),
            short(&sought.asset),
            moment(from_s),
            moment(to_s),
            moment(self.until_us / 1_000_000)
        );
        let list = self.list.endpoint();
        let more = if self.whole { "" } else { "; there are more lines than one answer holds" };
        if self.alike.is_empty() {
            return format!("{list} shows none {what}{more}; one that Kraken shows late is not among them");
        }
        let line = |alike: &Alike| {
            let words = [
                format!("at {}", moment(alike.at_s)),
                short(&alike.amount),
                short(&alike.fee),
                short(&alike.more),
            ];
            let [at, amount, fee, more] = words;
            format!("{} ({at}, amount {amount}, fee {fee}, {more})", short(&alike.id))
        };
        let named: Vec<_> = self.alike.iter().take(NAMED_MAX).map(line).collect();
        let hidden = self.alike.len() - named.len();
        let others = if hidden == 0 { String::new() } else { format!(" and {hidden} more") };
        format!(
            "{list} shows {}{others} {what}{more}; an equal one of somebody else looks the same",
            named.join(", ")
        )
    }
}

fn text(params: &Params, wanted: &str) -> Option<String> {
    params.iter().find_map(|(name, value)| match value {
        Value::Text(text) if name == wanted => Some(text.clone()),
        _ => None,
    })
}

fn nested<'p>(params: &'p Params, wanted: &str) -> Option<&'p Params> {
    params.iter().find_map(|(name, value)| match value {
        Value::Nested(inner) if name == wanted => Some(inner),
        _ => None,
    })
}

fn seconds(time: Option<Time>) -> u64 {
    time.and_then(Time::unix_ns).unwrap_or_default() / 1_000_000_000
}

/// A second in UTC.
fn moment(at_s: u64) -> String {
    let at = i64::try_from(at_s).ok().and_then(|at_s| jiff::Timestamp::from_second(at_s).ok());
    at.map_or_else(|| "an unknown time".to_owned(), |at| at.to_string())
}

/// Fit for a note: short and on one line.
fn short(text: &str) -> String {
    let clean = text.chars().filter(|c| !c.is_control()).take(ID_CHARS_MAX).collect::<String>();
    if clean.is_empty() { "-".to_owned() } else { clean }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
