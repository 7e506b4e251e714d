//! Every error string that Kraken is known to send (Kraken docs: errors; Kraken's own clients; independent clients).
//!
//! How the columns were chosen
//! - *executed* is `No` only where the text is a refusal made before anything happened. Overload, time-outs,
//!   internal errors and an elapsed deadline are `Maybe`: Kraken's page on errors itself says of the last one that
//!   the order may have been placed, and orders were seen to execute behind the others. `EAPI:Invalid nonce` is a
//!   clean refusal of *this copy*, but says nothing of an earlier delivery of the same bytes, so for whatever creates
//!   or changes something it is `Maybe` as well. Reads and cancels go by [`KeyEffect::BadNonce`] and sign afresh.
//! - *kind* is what a caller is told when nothing was executed. Kraken's judgement of the request is `Refused`,
//!   with Kraken's words. Full counters are `Budget`. Trouble with our key, our nonce, our token or our address is
//!   not the caller's doing and passes: `Unavailable`. So is a `Maybe` on a read, which can simply be asked again.
//! - *effect* is what the lane of the key learns.
//! - *retry* is a floor for the next attempt: Kraken's command-line client advises 5 to 15 s after a rate limit, and
//!   each attempt during a lockout restarts its 15 minutes.

use tidegate_core::ErrorKind;

use crate::classify::{Executed, KeyEffect};

/// One known error.
#[derive(Clone, Copy, Debug)]
pub struct ErrorRow {
    /// Severity, category and text, without spaces around colons, for instance `EOrder:Insufficient funds`. Matches
    /// an error that is equal to it or goes on with a colon and details.
    pub text: &'static str,
    /// What a caller is told when nothing was executed.
    pub kind: ErrorKind,
    /// Whether the call may have done something.
    pub executed: Executed,
    /// What it says about the key.
    pub effect: KeyEffect,
    /// When another attempt makes sense, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

const LOCKOUT_MS: u64 = 900_000;

const fn row(
    text: &'static str,
    kind: ErrorKind,
    executed: Executed,
    effect: KeyEffect,
    retry_after_ms: Option<u64>,
) -> ErrorRow {
    ErrorRow { text, kind, executed, effect, retry_after_ms }
}

const fn refused(text: &'static str) -> ErrorRow {
    row(text, ErrorKind::Refused, Executed::No, KeyEffect::None, None)
}

const fn denied(text: &'static str) -> ErrorRow {
    row(text, ErrorKind::Refused, Executed::No, KeyEffect::PermissionDenied, None)
}

const fn limited(text: &'static str, effect: KeyEffect, retry_after_ms: u64) -> ErrorRow {
    row(text, ErrorKind::Budget, Executed::No, effect, Some(retry_after_ms))
}

const fn ours(text: &'static str, executed: Executed, effect: KeyEffect, retry: Option<u64>) -> ErrorRow {
    row(text, ErrorKind::Unavailable, executed, effect, retry)
}

const fn maybe(text: &'static str) -> ErrorRow {
    row(text, ErrorKind::Unavailable, Executed::Maybe, KeyEffect::None, Some(1_000))
}

/// The table, by category.
pub static ERROR_TABLE: &[ErrorRow] = &[
    // The key, the session and the account.
    ours("EAPI:Invalid key", Executed::No, KeyEffect::BadKey, None),
    ours("EAPI:Invalid signature", Executed::No, KeyEffect::BadSignature, None),
    ours("EAPI:Invalid nonce", Executed::Maybe, KeyEffect::BadNonce, None),
    limited("EAPI:Rate limit exceeded", KeyEffect::RateLimited, 5_000),
    refused("EAPI:Feature disabled"),
    refused("EAPI:Bad request"),
    ours("EAPI:Invalid token", Executed::No, KeyEffect::None, None),
    denied("EAPI:Permission denied"),
    limited("EAuth:Rate limit exceeded", KeyEffect::RateLimited, 5_000),
    limited("EAuth:Too many requests", KeyEffect::RateLimited, 5_000),
    refused("EAuth:Account temporary disabled"),
    refused("EAuth:Account unconfirmed"),
    refused("EAccount:Invalid permissions"),
    ours("ESession:Invalid session", Executed::No, KeyEffect::None, None),
    // The request in general.
    refused("EGeneral:Invalid arguments"),
    refused("EGeneral:Invalid arguments:Index unavailable"),
    row("EGeneral:Unknown method", ErrorKind::Unsupported, Executed::No, KeyEffect::None, None),
    denied("EGeneral:Permission denied"),
    ours("EGeneral:Temporary lockout", Executed::No, KeyEffect::Lockout, Some(LOCKOUT_MS)),
    limited("EGeneral:Too many requests", KeyEffect::Throttled { until_unix_s: None }, 1_000),
    maybe("EGeneral:Internal error"),
    maybe("EDatabase:Internal error"),
    // The service.
    maybe("EService:Unavailable"),
    maybe("EService:Busy"),
    maybe("EService:Timeout"),
    limited("EService:Throttled", KeyEffect::Throttled { until_unix_s: None }, 1_000),
    maybe("EService:Deadline elapsed"),
    refused("EService:Market in cancel_only mode"),
    refused("EService:Market in post_only mode"),
    refused("EService:Market in limit_only mode"),
    // The order.
    refused("EOrder:Insufficient funds"),
    refused("EOrder:Insufficient margin"),
    refused("EOrder:Insufficient initial margin"),
    refused("EOrder:Margin allowance exceeded"),
    refused("EOrder:Margin level too low"),
    refused("EOrder:Margin position size exceeded"),
    refused("EOrder:Cannot open position"),
    refused("EOrder:Cannot open opposing position"),
    refused("EOrder:Order minimum not met"),
    refused("EOrder:Cost minimum not met"),
    refused("EOrder:Tick size check failed"),
    refused("EOrder:Invalid price"),
    refused("EOrder:Invalid order"),
    refused("EOrder:Unknown order"),
    refused("EOrder:Unknown position"),
    refused("EOrder:Orders limit exceeded"),
    refused("EOrder:Positions limit exceeded"),
    refused("EOrder:Scheduled orders limit exceeded"),
    // The counter of account and pair, not of the key: the key itself is well.
    limited("EOrder:Rate limit exceeded", KeyEffect::None, 1_000),
    limited("EOrder:Domain rate limit exceeded", KeyEffect::None, 1_000),
    refused("EOrder:Reduce only:Non-PC"),
    refused("EOrder:Reduce only:No position exists"),
    refused("EOrder:Reduce only:Non-ECP"),
    // Executes until the position is flat and cancels the rest.
    row("EOrder:Reduce only:Position is closed", ErrorKind::Refused, Executed::Partly, KeyEffect::None, None),
    refused("EOrder:Post only order"),
    refused("EOrder:Order not editable"),
    refused("EOrder:Not enough leaves qty"),
    refused("EOrder:No amendable parameters"),
    row("EOrder:Cancel pending", ErrorKind::Refused, Executed::Maybe, KeyEffect::None, Some(1_000)),
    refused("EOrder:Trading agreement required"),
    refused("EOrder:Market is closed"),
    // Names, account locks, funding, earn.
    refused("EQuery:Unknown asset"),
    refused("EQuery:Unknown asset pair"),
    refused("EQuery:Invalid asset pair"),
    refused("ETrade:Invalid request"),
    refused("ETrade:Locked"),
    refused("ETrade:User Locked"),
    refused("EBM:limit exceeded:CAL"),
    refused("EFunding:Unknown withdraw key"),
    refused("EFunding:Duplicate withdraw key"),
    refused("EFunding:Unknown asset"),
    refused("EFunding:Invalid withdrawal address"),
    refused("EFunding:Invalid amount"),
    refused("EFunding:No funding method"),
    refused("EFunding:Max fee exceeded"),
    refused("EFunding:Unknown reference id"),
    refused("EFunding:Invalid reference id"),
    refused("EFunding:Too many addresses"),
    refused("EFunding:Insufficient funds"),
    // Both spellings of the category were seen.
    refused("EEarn:Below min"),
    refused("EEarn:Above max"),
    refused("EEarn:Insufficient funds"),
    refused("EEarnings:Below min"),
    refused("EEarnings:Above max"),
    refused("EEarnings:Insufficient funds"),
    // The account's tier, not the key's permission.
    refused("EEarnings:Permission denied"),
    row("EEarnings:Busy", ErrorKind::Refused, Executed::No, KeyEffect::None, Some(1_000)),
    // Free text of the WebSocket sessions.
    refused("Currency pair not supported"),
    refused("Symbol(s) not found"),
    refused("Unsupported field"),
    ours("Token is expired", Executed::No, KeyEffect::None, None),
];
