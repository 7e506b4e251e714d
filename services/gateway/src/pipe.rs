//! Streams of executors, handed through frame by frame.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::{BodyStream, StreamBody};
use hyper::body::Frame;
use tidegate_core::{Error, ErrorKind};
use tidegate_runtime::Drain;
use tidegate_runtime::status::to_status;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tonic::body::Body;

/// Streams of pages at the same time. They have room of their own: each takes its time, and none of it from orders.
pub(crate) const PAGED_MAX: usize = 128;
/// For how long an executor may say itself where a list broke off, when both end.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);

/// The end of a stream of pages when this process drains.
pub(crate) fn breaks_off(drain: &Drain) -> Pin<Box<dyn Future<Output = Status> + Send>> {
    let begun = drain.begun();
    Box::pin(async move {
        begun.await;
        tokio::time::sleep(LAST_WORD_WITHIN).await;
        let text = "this gateway is stopping and the list is not whole; the next_page_token of the last message goes on";
        to_status(&Error::new(ErrorKind::Unavailable, text).retry_after_ms(500))
    })
}

/// What goes with a stream.
pub(crate) struct Kept {
    /// When this resolves the stream ends, and how; one without it goes on to its own end.
    pub(crate) ends: Option<Pin<Box<dyn Future<Output = Status> + Send>>>,
    /// What the caller is told if the executor goes away in the middle.
    pub(crate) lost: &'static str,
    /// Kept for as long as the stream lasts.
    pub(crate) _place: OwnedSemaphorePermit,
}

/// Passes on what an executor streams. Nothing is held back, and nothing is read before it is wanted.
pub(crate) fn through(response: Response<Body>, kept: Kept) -> Response<Body> {
    let (head, body) = response.into_parts();
    if head.headers.contains_key("grpc-status") {
        // It ended before it began, and its head says why.
        return Response::from_parts(head, body);
    }
    let pipe = Pipe { body: BodyStream::new(body), kept, is_done: false };
    let frames = futures_util::stream::unfold(pipe, |mut pipe| async move {
        let frame = pipe.next().await?;
        Some((Ok::<_, Infallible>(frame), pipe))
    });
    let mut piped = Response::new(Body::new(StreamBody::new(frames)));
    piped.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    piped
}

/// The frames of a stream on their way through.
struct Pipe {
    body: BodyStream<Body>,
    kept: Kept,
    is_done: bool,
}

impl Pipe {
    async fn next(&mut self) -> Option<Frame<Bytes>> {
        if self.is_done {
            return None;
        }
        let ends = async {
            match &mut self.kept.ends {
                Some(ends) => ends.await,
                None => std::future::pending().await,
            }
        };
        let frame = tokio::select! {
            frame = self.body.next() => frame,
            status = ends => {
                self.is_done = true;
                return Some(trailers(&status));
            }
        };
        match frame {
            Some(Ok(frame)) => {
                self.is_done = frame.is_trailers();
                Some(frame)
            }
            Some(Err(_)) | None => {
                self.is_done = true;
                let error = Error::new(ErrorKind::Unavailable, self.kept.lost).retry_after_ms(500);
                Some(trailers(&to_status(&error)))
            }
        }
    }
}

fn trailers(status: &Status) -> Frame<Bytes> {
    let mut map = HeaderMap::new();
    if status.add_header(&mut map).is_err() {
        map.insert("grpc-status", HeaderValue::from_static("14"));
    }
    Frame::trailers(map)
}
