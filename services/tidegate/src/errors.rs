//! The page of errors, `docs/ERRORS.md`: written from the tables that the code itself goes by.

use std::fmt::Write as _;

use tidegate_core::ErrorKind;
use tidegate_kraken::{ERROR_TABLE, ErrorRow, Executed, KeyEffect};
use tidegate_runtime::status::{DOMAIN, code_of};

/// Why a reply is `unresolved`, and what its caller does.
const UNRESOLVED: [(&str, &str); 8] = [
    ("NO_ANSWER_IN_TIME", "Kraken had not answered when the caller's time was up. The call goes on."),
    ("CONNECTION_LOST", "The connection to Kraken broke after bytes had been written."),
    ("UNREADABLE_ANSWER", "Something answered, and it was not an answer of Kraken's."),
    (
        "KRAKEN_UNCLEAR",
        "Kraken answered with an error that does not prove that nothing happened; the text has its words.",
    ),
    ("EXECUTOR_LOST", "The gateway lost the executor that had the call."),
    ("IN_PROGRESS", "The same request_id was asked for before and is not decided yet."),
    (
        "CLAIM_LOST",
        "The store may have forgotten that the request_id was used before, so it is not sent again.",
    ),
    (
        "NEEDS_OPERATOR",
        "Kraken does not show what would decide it. A person looks, and DecideIntent tells tidegate.",
    ),
];

/// The whole page.
pub(crate) fn page() -> String {
    let mut text = format!(
        "# Errors\n\n\
         Written by `tidegate errors --page`; a test holds this file against it.\n\n\
         Every error that tidegate makes is a gRPC Status with an ErrorInfo: `domain` is `{DOMAIN}`, `reason` names the kind, and the metadata \
         `executed = \"no\"` promises that nothing was executed at Kraken. Fields at fault stand in BadRequest, the wait in RetryInfo. A Status \
         without that ErrorInfo was made by a transport on the way and means: not known. `settles = \"request_id\"` in the metadata says more: \
         nothing was executed under this id, and nothing ever will be.\n\n\
         ## Kinds\n\n\
         | reason | gRPC status | executed | what it means and what to do |\n| --- | --- | --- | --- |\n"
    );
    for kind in ErrorKind::ALL {
        let _ = writeln!(text, "| {} | {} | no | {} |", kind.as_str(), code_name(kind), kind.advice());
    }
    text.push_str(
        "\n## Not known is no error\n\n\
         An act whose fate is not known is answered with OK and `unresolved`: executed *maybe*. Ask again with the same `request_id`, or \
         GetIntent: nothing is sent twice. A new `request_id` would be a second act.\n\n\
         | reason | what happened |\n| --- | --- |\n",
    );
    for (reason, meaning) in UNRESOLVED {
        let _ = writeln!(text, "| {reason} | {meaning} |");
    }
    text.push_str(
        "\n## Kraken's own errors\n\n\
         *executed* is what the text proves of an act. `no`: it is refused with the status and the reason of its row, and Kraken's words \
         stand in the metadata `kraken_error`. `maybe` and `partly`: the reply is `unresolved` with KRAKEN_UNCLEAR, and status and reason are \
         what a read gets, which can simply be asked again. A text with more behind a colon belongs to the longest row that it begins with. A \
         text that is not here is KRAKEN_REFUSED for a read and `maybe` for an act, however harmless it sounds. A warning (`W...`) beside a \
         result is part of a success and stands in `warnings`.\n\n\
         *again* is when asking once more makes sense.\n\n\
         | Kraken's text | executed | gRPC status | reason | again |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in ERROR_TABLE {
        let (executed, code, reason) = (executed(row.executed), code_name(row.kind), row.kind.as_str());
        let _ = writeln!(text, "| `{}` | {executed} | {code} | {reason} | {} |", row.text, again(row));
    }
    text
}

const fn executed(executed: Executed) -> &'static str {
    match executed {
        Executed::No => "no",
        Executed::Partly => "partly",
        Executed::Maybe => "maybe",
    }
}

/// The code as gRPC writes it.
fn code_name(kind: ErrorKind) -> String {
    let mut name = String::new();
    for (at, letter) in format!("{:?}", code_of(kind)).chars().enumerate() {
        if at > 0 && letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn again(row: &ErrorRow) -> String {
    match (row.effect, row.retry_after_ms, row.kind) {
        (KeyEffect::Throttled { .. }, ..) => "when Kraken says, else after 1 s".to_owned(),
        (KeyEffect::BadNonce, ..) => {
            "at once: reads and cancels are signed anew by tidegate itself".to_owned()
        }
        (_, Some(ms), _) if ms % 60_000 == 0 => format!("after {} min", ms / 60_000),
        (_, Some(ms), _) => format!("after {} s", ms / 1_000),
        (KeyEffect::BadKey | KeyEffect::BadSignature, ..) => {
            "at once, if another key may serve: this one is out of use".to_owned()
        }
        (KeyEffect::PermissionDenied, ..) => {
            "at once, if another key may serve: this one is asked last".to_owned()
        }
        (_, None, ErrorKind::Unavailable) => "at once".to_owned(),
        (_, None, _) => "only changed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ERRORS.md");

    #[test]
    fn the_page_is_current() {
        let (kept, page) = (std::fs::read_to_string(FILE).unwrap_or_default(), page());
        let kept_lines = kept.lines().chain(std::iter::repeat(""));
        let different = page.lines().zip(kept_lines).find(|(new, old)| new != old);
        assert_eq!(different, None, "docs/ERRORS.md is not current: tidegate errors --page > docs/ERRORS.md");
        assert_eq!(kept, page, "docs/ERRORS.md has more lines: tidegate errors --page > docs/ERRORS.md");
    }

    #[test]
    fn every_kind_and_every_text_of_krakens_has_a_row() {
        let page = page();
        for kind in ErrorKind::ALL {
            let row = format!("| {} | {} | no | ", kind.as_str(), code_name(kind));
            assert_eq!(page.matches(&row).count(), 1, "{row}");
        }
        for row in ERROR_TABLE {
            assert_eq!(page.matches(&format!("| `{}` | ", row.text)).count(), 1, "{}", row.text);
        }
        assert!(
            page.contains("| `EService:Deadline elapsed` | maybe | UNAVAILABLE | UNAVAILABLE | after 1 s |")
        );
        assert!(
            page.contains("| `EGeneral:Temporary lockout` | no | UNAVAILABLE | UNAVAILABLE | after 15 min |")
        );
        assert!(page.contains("| `EOrder:Reduce only:Position is closed` | partly | FAILED_PRECONDITION |"));
    }

    #[test]
    fn every_reason_for_unresolved_that_the_contract_names_has_a_row() {
        let contract = include_str!("../../../proto/tidegate/v1/common.proto");
        let (_, message) = contract.split_once("message Unresolved {").expect("the message");
        let (message, _) = message.split_once("string reason = 4;").expect("the field");
        let named = message.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        let named: std::collections::BTreeSet<_> =
            named.filter(|word| word.contains('_') && word.len() > 3).collect();
        assert_eq!(named, UNRESOLVED.iter().map(|(reason, _)| *reason).collect());
    }
}
