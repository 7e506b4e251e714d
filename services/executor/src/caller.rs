//! For whom a call is made, as the gateway says it.

use std::time::Duration;

use tidegate_core::{AccountName, CallerName, Error, RequestId};
use tidegate_proto::{hop, v1};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

/// Caller, account and time of one call.
#[derive(Clone, Debug)]
pub(crate) struct CallInfo {
    pub caller: CallerName,
    pub account: AccountName,
    pub request_id: Option<RequestId>,
    /// Only keys with this tag; empty: any.
    pub key_tag: String,
    /// When the answer must be on its way back.
    pub answer_by: Instant,
}

impl CallInfo {
    /// Reads the gateway's metadata and the caller's context.
    ///
    /// Errors: metadata that only a gateway sets is missing, which means that somebody else called; or a malformed
    /// request id.
    pub(crate) fn read(metadata: &MetadataMap, context: Option<&v1::CallContext>) -> Result<Self, Error> {
        let field = |name: &'static str| {
            metadata.get(name).and_then(|value| value.to_str().ok()).ok_or_else(|| {
                Error::invalid_field(name, "is missing: an executor takes calls from a gateway only")
            })
        };
        let left_ms: u64 = field(hop::TIME_LEFT_MS)?
            .parse()
            .map_err(|_| Error::invalid_field(hop::TIME_LEFT_MS, "is no number"))?;
        let label = |name| -> Result<_, Error> { Ok((name, field(name)?)) };
        let (name, text) = label(hop::CALLER)?;
        let caller =
            text.parse().map_err(|e: tidegate_core::IdError| Error::invalid_field(name, e.to_string()))?;
        let (name, text) = label(hop::ACCOUNT)?;
        let account =
            text.parse().map_err(|e: tidegate_core::IdError| Error::invalid_field(name, e.to_string()))?;
        let request_id = match context.map(|c| c.request_id.as_str()).unwrap_or_default() {
            "" => None,
            text => Some(text.parse().map_err(|e: tidegate_core::IdError| {
                Error::invalid_field("context.request_id", e.to_string())
            })?),
        };
        Ok(Self {
            caller,
            account,
            request_id,
            key_tag: context.map(|c| c.key_tag.clone()).unwrap_or_default(),
            // Capped as at the gateway, so that nothing waits for ever whoever calls.
            answer_by: Instant::now() + Duration::from_millis(left_ms.min(60_000)),
        })
    }

    /// The id of a mutating call that must have one.
    pub(crate) fn required_request_id(&self) -> Result<RequestId, Error> {
        self.request_id.ok_or_else(|| {
            Error::invalid_field(
                "context.request_id",
                "must be set on a mutating call: a new UUID of version 7 for every act, the same one to ask again",
            )
        })
    }
}
