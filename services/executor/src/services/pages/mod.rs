//! Lists that are handed out page by page until their end.
//!
//! Each page is a read like any other: it waits in its lane behind everything more urgent and for the points that it costs, and the
//! next one is asked for when the caller has taken it. So a stream holds one page, and an order never waits behind more than the one
//! page that is on its way. The first page is asked for before the stream begins, within the caller's time: what refuses it, refuses
//! the call, and the gateway can still ask another executor. What happens later ends the stream with a Status that says how much came and
//! where to go on.

mod lists;

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use prost_types::Timestamp;
use tidegate_core::{Error, ErrorKind};
use tidegate_runtime::Drain;
use tidegate_runtime::status::VALUE_BYTES_MAX;
use tokio::time::Instant;
use tonic::{Response, Status};
use tracing::warn;

use super::{Api, status};
use crate::caller::CallInfo;
use crate::walk::{Mark, Walk, hash};

/// How long a stream may take from its beginning to its end.
const TIME_MAX: Duration = Duration::from_secs(3_600);
/// How often one page is asked for while Kraken cannot be reached.
const TRIES_MAX: u32 = 4;
/// What is waited before that, unless somebody says longer; each time more.
const REST: Duration = Duration::from_secs(1);
/// And at most.
const REST_MAX: Duration = Duration::from_secs(30);

/// What a streaming call returns.
pub(super) type Streamed<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// A request that one call to Kraken answers, with one page if there are more.
pub(super) trait Fetch: Send + Sync {
    type Page: Send;

    fn fetch(&self, api: &Api, info: &CallInfo) -> impl Future<Output = Result<Self::Page, Error>> + Send;
}

/// A list whose pages Kraken counts from the newest entry.
pub(super) trait Counted: Fetch + prost::Message + Sized + 'static {
    /// Kraken's name of the endpoint.
    const ENDPOINT: &'static str;
    type Streamed;
    type Entry: Send;
    type Message: Send + 'static;

    /// The request of the stream as the unary call has it, and its token.
    fn of(streamed: Self::Streamed) -> (Self, String);
    /// Turns the request to a later page.
    fn turn(&mut self, offset: u32, end_time: Option<Timestamp>);
    /// Until when the caller wants it.
    fn end_time(&self) -> Option<&Timestamp>;
    /// Its entries, and how many there are in all.
    fn entries(page: &mut Self::Page) -> (&mut Vec<Self::Entry>, Option<u64>);
    fn mark(entry: &Self::Entry) -> Mark;
    fn message(page: Self::Page, count: Option<u64>, next_page_token: String) -> Self::Message;
}

/// A list each of whose pages names the next one.
pub(super) trait Linked: Fetch + Sized + 'static {
    type Streamed;
    type Message: Send + 'static;

    /// The request of the stream as the unary call has it.
    fn of(streamed: Self::Streamed) -> Self;

    /// Turns the request to the page that Kraken named.
    fn turn(&mut self, page_token: &str);
    fn page_token(&self) -> &str;
    /// What follows a page, empty if nothing, and how many entries it has.
    fn next(page: &Self::Page) -> (String, usize);
    fn message(page: Self::Page) -> Self::Message;
}

/// What one page came to.
struct Taken<M> {
    /// Nothing if the page held only what had been handed out before.
    message: Option<M>,
    entries: usize,
    is_last: bool,
}

/// Why there is no page.
enum Broken {
    /// The call failed. It changes nothing, so it may be made again.
    Call(Error),
    /// The list makes no sense any more.
    List(Error),
}

/// A list, at one of its pages.
trait Pages: Send + 'static {
    type Message: Send + 'static;

    /// Asks for the page, and turns to the next one if it comes.
    fn next(
        &mut self,
        answer_by: Instant,
    ) -> impl Future<Output = Result<Taken<Self::Message>, Broken>> + Send;
    /// Where the page that is wanted next begins; empty at the beginning.
    fn token(&self) -> String;
}

struct ByCount<L> {
    api: Api,
    info: CallInfo,
    request: L,
    walk: Walk,
}

impl<L: Counted> ByCount<L> {
    fn turn(&mut self) {
        if self.walk.is_at_begin() {
            return;
        }
        let ends_s = [self.walk.until_s(), self.request.end_time().map(|time| time.seconds)];
        let end_time = ends_s.into_iter().flatten().min();
        self.request.turn(self.walk.offset(), end_time.map(|seconds| Timestamp { seconds, nanos: 0 }));
    }
}

impl<L: Counted> Pages for ByCount<L> {
    type Message = L::Message;

    async fn next(&mut self, answer_by: Instant) -> Result<Taken<L::Message>, Broken> {
        self.info.answer_by = answer_by;
        let mut page = self.request.fetch(&self.api, &self.info).await.map_err(Broken::Call)?;
        let (entries, count) = L::entries(&mut page);
        let marks: Vec<_> = entries.iter().map(L::mark).collect();
        let count = count.filter(|_| self.walk.is_at_begin());
        let taken = self.walk.take(&marks, count).map_err(Broken::List)?;
        entries.drain(..marks.len() - taken.new);
        self.turn();
        let next = if taken.is_last { String::new() } else { self.walk.token() };
        let told = taken.new > 0 || taken.is_last;
        let message = told.then(|| L::message(page, count, next));
        Ok(Taken { message, entries: taken.new, is_last: taken.is_last })
    }

    fn token(&self) -> String {
        self.walk.token()
    }
}

struct ByLink<L> {
    api: Api,
    info: CallInfo,
    request: L,
}

impl<L: Linked> Pages for ByLink<L> {
    type Message = L::Message;

    async fn next(&mut self, answer_by: Instant) -> Result<Taken<L::Message>, Broken> {
        self.info.answer_by = answer_by;
        let page = self.request.fetch(&self.api, &self.info).await.map_err(Broken::Call)?;
        let (next, entries) = L::next(&page);
        if !next.is_empty() && next == self.request.page_token() {
            let text = "Kraken named the same page again";
            return Err(Broken::List(Error::new(ErrorKind::Unavailable, text)));
        }
        let is_last = next.is_empty();
        if !is_last {
            self.request.turn(&next);
        }
        Ok(Taken { message: Some(L::message(page)), entries, is_last })
    }

    fn token(&self) -> String {
        self.request.page_token().to_owned()
    }
}

/// A stream of pages under way.
struct Run<P> {
    pages: P,
    drain: Drain,
    answer_by: Instant,
    until: Instant,
    /// What the caller was handed.
    pages_sent: u64,
    entries_sent: u64,
    is_over: bool,
}

impl<P: Pages> Run<P> {
    fn new(pages: P, drain: Drain, answer_by: Instant) -> Self {
        let until = Instant::now() + TIME_MAX;
        Self { pages, drain, answer_by, until, pages_sent: 0, entries_sent: 0, is_over: false }
    }

    /// The next message.
    async fn message(&mut self) -> Result<Option<P::Message>, Error> {
        while !self.is_over {
            let taken = self.page().await?;
            self.is_over = taken.is_last;
            if let Some(message) = taken.message {
                self.pages_sent += 1;
                self.entries_sent += taken.entries as u64;
                // The caller's time was for the first one.
                self.answer_by = self.until;
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The next page. Where nothing but time is missing, it is asked for again.
    async fn page(&mut self) -> Result<Taken<P::Message>, Error> {
        let mut tries = 0;
        loop {
            if Instant::now() >= self.until {
                let text = format!("a stream ends after {} minutes", TIME_MAX.as_secs() / 60);
                return Err(self.broken_off(Error::new(ErrorKind::Late, text), self.pages.token()));
            }
            let drained = self.drain.begun();
            let taken = tokio::select! {
                biased;
                () = drained => None,
                taken = self.pages.next(self.answer_by) => Some(taken),
            };
            let error = match taken {
                Some(Ok(taken)) => return Ok(taken),
                Some(Err(Broken::Call(error))) => error,
                Some(Err(Broken::List(error))) => return Err(self.broken_off(error, String::new())),
                None => return Err(self.stopping()),
            };
            tries += 1;
            let (again, least) = match error.kind {
                ErrorKind::Budget | ErrorKind::QueueFull => (true, REST),
                // The lane may come back.
                ErrorKind::Unavailable | ErrorKind::Moved => (tries < TRIES_MAX, REST * tries),
                _ => (false, REST),
            };
            let rest = error.retry_after_ms.map_or(least, |ms| least.max(Duration::from_millis(ms)));
            let at = Instant::now() + rest.min(REST_MAX);
            if self.pages_sent == 0 || !again || at >= self.until {
                return Err(self.broken_off(error, self.pages.token()));
            }
            tokio::select! {
                biased;
                () = self.drain.begun() => return Err(self.stopping()),
                () = tokio::time::sleep_until(at) => {}
            }
        }
    }

    fn stopping(&self) -> Error {
        let text = "this process is stopping";
        let error = Error::new(ErrorKind::Unavailable, text).retry_after_ms(500);
        self.broken_off(error, self.pages.token())
    }

    /// Says how much came and how to go on, beside what went wrong.
    fn broken_off(&self, error: Error, token: String) -> Error {
        if self.pages_sent == 0 {
            return error;
        }
        let Self { pages_sent, entries_sent, .. } = self;
        let how = match token.len() {
            0 => "begin again",
            1..=VALUE_BYTES_MAX => "page_token goes on",
            _ => "the next_page_token of the last message goes on",
        };
        let text = format!(
            "the list broke off behind {entries_sent} entries in {pages_sent} pages, {how}: {}",
            error.text
        );
        warn!(entries_sent, pages_sent, error = %error, "a stream of pages broke off");
        let error = Error { text, ..error }
            .with_fact("entries_sent", entries_sent.to_string())
            .with_fact("pages_sent", pages_sent.to_string());
        match token.len() {
            1..=VALUE_BYTES_MAX => error.with_fact("page_token", token),
            _ => error,
        }
    }
}

/// Asks for the first page, and begins the stream with it.
async fn begin<P: Pages>(mut run: Run<P>) -> Result<Response<Streamed<P::Message>>, Status> {
    let first = run.message().await.map_err(status)?;
    let later = stream::try_unfold(run, |mut run| async move {
        let message = run.message().await.map_err(status)?;
        Ok::<_, Status>(message.map(|message| (message, run)))
    });
    Ok(Response::new(Box::pin(stream::iter(first.map(Ok::<_, Status>)).chain(later))))
}

impl Api {
    /// All pages of a list that Kraken counts.
    pub(super) async fn count_through<L: Counted>(
        &self,
        info: CallInfo,
        streamed: L::Streamed,
    ) -> Result<Response<Streamed<L::Message>>, Status> {
        let (request, page_token) = L::of(streamed);
        let of = [L::ENDPOINT.as_bytes(), b"\0", info.account.as_str().as_bytes(), b"\0"].concat();
        let list = hash(of.into_iter().chain(request.encode_to_vec()));
        let walk = Walk::begin(list, &page_token).map_err(status)?;
        let answer_by = info.answer_by;
        let mut pages = ByCount { api: self.clone(), info, request, walk };
        pages.turn();
        begin(Run::new(pages, self.lanes.shared.drain.clone(), answer_by)).await
    }

    /// All pages of a list that names them.
    pub(super) async fn follow<L: Linked>(
        &self,
        info: CallInfo,
        streamed: L::Streamed,
    ) -> Result<Response<Streamed<L::Message>>, Status> {
        let answer_by = info.answer_by;
        let pages = ByLink { api: self.clone(), info, request: L::of(streamed) };
        begin(Run::new(pages, self.lanes.shared.drain.clone(), answer_by)).await
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
