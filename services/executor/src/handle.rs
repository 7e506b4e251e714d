//! Handles: how an act can be found at Kraken by somebody who did not send it.
//!
//! A handle is written into the claim before the call is sent. What can be concluded from it differs: of what carries a
//! client order id, and of amends, Kraken shows whether it happened, so "it is not there" can count. Of an edit only its success
//! can be recognised. Of a cancel of many only its effect: that nothing is open that it could have meant. Of a timer nothing; and
//! nothing of what moves money or makes something outside of the order book, which a person has to look for, with what `evidence` found.

use serde::{Deserialize, Serialize};
use tidegate_core::Volume;
use tidegate_kraken::wire::{Amend, Decimal};
use tidegate_lanes::{IntentRecord, IntentState};

use crate::evidence::Sought;

/// Kraken's clock and the store's may differ by so much where times are compared.
pub(crate) const SKEW_US: u64 = 5_000_000;

/// How an act can be found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Handle {
    /// An order under the intent's own id.
    Order,
    /// An order under a number and not under the intent's id, which Kraken does not take beside a conditional close.
    Marked(Mark),
    /// Orders under these ids, row by row.
    Batch { rows: Vec<String> },
    /// A change among the amends of an order.
    Amend(AmendHandle),
    /// An order that took another's place.
    Edit(EditHandle),
    /// Orders that are no longer open.
    Cancel(Scope),
    /// A timer, which Kraken shows nowhere.
    Timer { timeout_s: u32 },
    /// Nothing: what Kraken does under this call carries no mark of ours, and two alike cannot be told apart. Of what moves money
    /// it is kept what it looks like, so that a person is shown what is alike (`evidence`).
    Unseen {
        endpoint: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sought: Option<Sought>,
    },
}

/// The number that an order carries, and what else must be true of it: numbers are not unique.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Mark {
    pub userref: i32,
    /// None where Kraken shows another one than it was given.
    pub volume: Option<String>,
}

/// What an amend was to make of which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct AmendHandle {
    /// Kraken's id of the order, or
    pub order_id: Option<String>,
    /// the client's.
    pub cl_ord_id: Option<String>,
    pub volume: Option<String>,
    pub display_volume: Option<String>,
    pub limit_price: Option<String>,
    pub trigger_price: Option<String>,
}

/// Which order an edit was to replace, and the number that the new one carries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct EditHandle {
    pub order_id: String,
    pub userref: i32,
    /// Of the new order, if the edit changes it.
    pub volume: Option<String>,
}

/// Which orders a cancel means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// All of the account.
    All,
    /// Those with this number.
    Userref(i32),
    /// The one with this id of a client's.
    ClOrdId(String),
}

impl Handle {
    /// The text that is kept in the claim.
    pub(crate) fn text(&self) -> String {
        // Texts and numbers under fixed names: that cannot fail, and an empty handle reads as that of a single order.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what is kept. Nothing if a later build wrote it.
    pub(crate) fn kept(text: &str) -> Option<Self> {
        if text.is_empty() { Some(Self::Order) } else { serde_json::from_str(text).ok() }
    }

    /// Whether "it is not there" can be concluded from what Kraken shows.
    pub(crate) const fn is_findable(&self) -> bool {
        matches!(self, Self::Order | Self::Marked(_) | Self::Batch { .. } | Self::Amend(_))
    }

    /// Whether it takes risk away. Such an act does not wait for the store.
    pub(crate) fn is_cancel(&self) -> bool {
        match self {
            Self::Cancel(_) | Self::Timer { .. } => true,
            // It can be repeated freely, and keeps money in.
            Self::Unseen { endpoint, .. } => endpoint == "WithdrawCancel",
            Self::Order | Self::Marked(_) | Self::Batch { .. } | Self::Amend(_) | Self::Edit(_) => false,
        }
    }
}

impl AmendHandle {
    /// Whether a change that Kraken shows is the one that was asked for.
    pub(crate) fn is(&self, amend: &Amend, window: Window) -> bool {
        amend.kind == "user"
            && window.holds(amend.timestamp_ns / 1_000)
            && same(self.volume.as_deref(), amend.order_qty.as_ref())
            && same(self.display_volume.as_deref(), amend.display_qty.as_ref())
            && same(self.limit_price.as_deref(), amend.limit_price.as_ref())
            && same(self.trigger_price.as_deref(), amend.trigger_price.as_ref())
    }
}

/// Whether an amount is the one that was asked for; what was not asked for may be anything.
pub(crate) fn same(wanted: Option<&str>, shown: Option<&Decimal>) -> bool {
    let Some(wanted) = wanted else { return true };
    let number = |text: &str| text.parse::<Volume>().ok();
    shown.is_some_and(|shown| number(wanted).is_some() && number(wanted) == number(&shown.0))
}

/// When an act can have been executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    from_us: u64,
    to_us: u64,
}

impl Window {
    /// From its claim (of one whose claim may have been lost: from the birth of its id) to its last moment.
    pub(crate) fn of(known: &IntentRecord, born_us: u64) -> Self {
        let from_us = if known.state == IntentState::Lost { born_us } else { known.claimed_us };
        Self { from_us: from_us.saturating_sub(SKEW_US), to_us: known.not_after_us.saturating_add(SKEW_US) }
    }

    #[cfg(test)]
    pub(crate) const fn between(from_us: u64, to_us: u64) -> Self {
        Self { from_us: from_us - SKEW_US, to_us: to_us + SKEW_US }
    }

    /// A minute earlier as well: whatever is found there and not inside is too near to be nothing.
    pub(crate) const fn widened(self) -> Self {
        Self { from_us: self.from_us.saturating_sub(60_000_000), ..self }
    }

    /// The whole seconds of Unix time that it lies in.
    pub(crate) const fn seconds(self) -> (u64, u64) {
        (self.from_us / 1_000_000, self.to_us.div_ceil(1_000_000))
    }

    /// Whether it can have been then.
    pub(crate) const fn holds(self, at_us: u64) -> bool {
        self.from_us <= at_us && at_us <= self.to_us
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        for handle in [
            Handle::Order,
            Handle::Marked(Mark { userref: 7, volume: Some("1.5".into()) }),
            Handle::Batch { rows: vec!["a".into(), "b".into()] },
            Handle::Amend(AmendHandle { order_id: Some("O".into()), ..AmendHandle::default() }),
            Handle::Edit(EditHandle { order_id: "O".into(), userref: 7, volume: None }),
            Handle::Cancel(Scope::All),
            Handle::Cancel(Scope::Userref(-7)),
            Handle::Timer { timeout_s: 60 },
            Handle::Unseen { endpoint: "Earn/Allocate".into(), sought: None },
            Handle::Unseen {
                endpoint: "Withdraw".into(),
                sought: Some(Sought {
                    asset: "XBT".into(),
                    asset_class: None,
                    amount: "0.5".into(),
                    key: Some("cold".into()),
                }),
            },
        ] {
            assert_eq!(Handle::kept(&handle.text()), Some(handle.clone()), "{}", handle.text());
        }
        assert_eq!(
            Handle::kept(""),
            Some(Handle::Order),
            "before there were handles there were single orders"
        );
        assert_eq!(Handle::kept(r#"{"teleport":{}}"#), None);
        assert_eq!(
            Handle::kept(r#"{"unseen":{"endpoint":"Withdraw"}}"#),
            Some(Handle::Unseen { endpoint: "Withdraw".into(), sought: None }),
            "as it was kept before anything was looked for"
        );
    }

    #[test]
    fn an_amend_is_known_by_its_time_and_by_all_that_was_asked_for() {
        let window = Window { from_us: 1_000_000, to_us: 2_000_000 };
        let shown = |kind: &str, at_us: u64, qty: &str, price: &str| Amend {
            amend_id: "T".into(),
            kind: kind.into(),
            order_qty: Some(Decimal(qty.into())),
            display_qty: None,
            limit_price: Some(Decimal(price.into())),
            trigger_price: None,
            timestamp_ns: at_us * 1_000,
            extra: BTreeMap::new(),
        };
        let wanted = AmendHandle { volume: Some("1.5".into()), ..AmendHandle::default() };
        assert!(wanted.is(&shown("user", 1_000_000, "1.50000000", "7"), window));
        assert!(!wanted.is(&shown("original", 1_000_000, "1.5", "7"), window));
        assert!(!wanted.is(&shown("user", 999_999, "1.5", "7"), window));
        assert!(!wanted.is(&shown("user", 2_000_001, "1.5", "7"), window));
        assert!(!wanted.is(&shown("user", 1_000_000, "1.6", "7"), window));
        let both = AmendHandle { limit_price: Some("7.0".into()), ..wanted.clone() };
        assert!(both.is(&shown("user", 1_500_000, "1.5", "7"), window));
        assert!(!both.is(&shown("user", 1_500_000, "1.5", "8"), window));
        let shown_less = AmendHandle { display_volume: Some("1".into()), ..wanted };
        assert!(!shown_less.is(&shown("user", 1_500_000, "1.5", "7"), window));
    }
}
