//! A last question before a request is written.
//!
//! Between signing and writing a connection may have to be made, which can take seconds, and a process may stand still for
//! any time. Whether the request may still be sent is therefore asked again when the connection is there and wants the body.
//! hyper (1.x, `proto::h1::dispatch`) buffers the head and polls the body before it flushes anything, and an error of the
//! body ends the connection without a flush; a test watches the wire. So a shut gate proves that no byte was written.
//!
//! A request without a body is asked by hyper at the same place whether there is nothing more to come (`is_end_stream`). While the gate
//! is open the answer is yes, and the head goes out alone; behind a shut gate it claims a body, and fails when that is polled.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Answers whether a request may still be written.
pub(crate) type Gate = Box<dyn Fn() -> bool + Send + Sync>;

/// The gate was shut when the request was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it may not be sent any more")]
pub(crate) struct GateShut;

/// A body of known length behind a gate.
pub(crate) struct Gated {
    bytes: Option<Bytes>,
    gate: Gate,
}

impl Gated {
    pub(crate) fn new(bytes: Bytes, gate: Gate) -> Self {
        Self { bytes: Some(bytes), gate }
    }
}

impl fmt::Debug for Gated {
    /// Without the body, which may hold a second factor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated").finish_non_exhaustive()
    }
}

impl Body for Gated {
    type Data = Bytes;
    type Error = GateShut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GateShut>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        // An empty body is polled only because the gate was shut when hyper asked for its end.
        let open = !bytes.is_empty() && (self.gate)();
        Poll::Ready(Some(if open { Ok(Frame::data(bytes)) } else { Err(GateShut) }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.as_ref().is_none_or(|bytes| bytes.is_empty() && (self.gate)())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            // Asked for only behind a shut gate. Announced as none, or for a GET as of unknown length, it would not be polled.
            Some(bytes) if bytes.is_empty() => SizeHint::with_exact(1),
            Some(bytes) => SizeHint::with_exact(bytes.len() as u64),
            None => SizeHint::with_exact(0),
        }
    }
}
