//! The reply decoder: whatever answers, it is read or refused, and money keeps its digits.

use std::fmt::Debug;

use serde_json::value::RawValue;
use tidegate_executor::mapping;
use tidegate_kraken::wire::{self, ShapeError, Wire};
use tidegate_kraken::{classify, read_reply};

use crate::digits::{Written, strings_of};

type Read = fn(&RawValue) -> Result<Box<dyn Debug>, ShapeError>;

/// Answers to acts, as far as they are read before anything depends on the act.
const ACTS: &[(&str, Read)] = &[
    ("AddOrder", read::<wire::OrderAdded>),
    ("AddOrderBatch", read::<wire::BatchAdded>),
    ("AmendOrder", read::<wire::OrderAmended>),
    ("EditOrder", read::<wire::OrderEdited>),
    ("CancelOrder", read::<wire::OrdersCancelled>),
    ("CancelAllOrdersAfter", read::<wire::TimerSet>),
    ("Withdraw", read::<wire::FundsSent>),
    ("AccountTransfer", read::<wire::AccountTransferred>),
    ("AddExport", read::<wire::ExportAdded>),
    ("FundingBeta/CreateWithdrawal", read::<wire::WithdrawalCreated>),
];

fn read<T: Wire + Debug + 'static>(result: &RawValue) -> Result<Box<dyn Debug>, ShapeError> {
    wire::read::<T>(Some(result)).map(|found| Box::new(found) as Box<dyn Debug>)
}

/// The first line is the endpoint's name, the rest is the body that Kraken answers with. A name that is unknown stands for some endpoint.
///
/// - A body is read, or refused with a fault that does not quote it.
/// - A list with an error is a refusal, and one with warnings alone is none.
/// - A result is read, or refused with the place that is wrong, on one line.
/// - Every amount in what is read is one that Kraken wrote, digit for digit: none has passed through a float.
///
/// # Panics
/// When one of these does not hold.
pub fn decoder(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, body) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let reply = match read_reply(200, Some("application/json"), body) {
        Ok(reply) => reply,
        Err(fault) => return assert_one_line("a fault", &fault.to_string()),
    };
    let judged = classify(&reply.errors);
    let errors = reply.errors.iter().filter(|text| !text.trim_start().starts_with('W')).count();
    assert_eq!(judged.refusal.is_some(), errors > 0, "{:?}", reply.errors);
    assert_eq!(judged.warnings.len() + errors, reply.errors.len(), "no word of Kraken's is lost");

    let Some(result) = reply.result else { return };
    let all = || mapping::READS.iter().chain(ACTS);
    let any = name.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let named = all().find(|(known, _)| known.as_bytes() == name);
    let (endpoint, read) = named.or_else(|| all().nth(any % all().count())).expect("there are endpoints");
    match read(&result) {
        Err(shape) => {
            assert!(shape.path.starts_with("result"), "{endpoint}: {shape}");
            assert_one_line(endpoint, &shape.to_string());
        }
        Ok(reply) => {
            let written = Written::in_json(result.get());
            for text in strings_of(&format!("{reply:?}")) {
                assert!(written.has(&text), "{endpoint}: {text} is no amount that Kraken wrote");
            }
        }
    }
}

fn assert_one_line(what: &str, text: &str) {
    assert!(!text.chars().any(char::is_control), "{what} could forge a line of a log: {text:?}");
}
