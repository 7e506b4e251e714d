//! Hears of keys that were given back, over a connection of its own.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::Stream;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::sync::{broadcast, watch};
use tokio::time::{sleep, timeout};

use super::config::RedisAddr;
use super::dial::{Dialer, plain, timed_out};
use crate::keys::Fingerprint;

/// Between two attempts to listen: at first, and at most. A hint is not worth knocking for.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A server that is gone without a word says nothing, just as one on which nothing happens.
const PROBE_EVERY: Duration = Duration::from_secs(2);

/// Listens wherever the store is, until nobody keeps the store any more. `deaf` says why it may not.
pub(super) async fn follow(
    dialer: Dialer,
    mut at: watch::Receiver<Option<RedisAddr>>,
    channel: String,
    notices: broadcast::Sender<Fingerprint>,
    deaf: watch::Sender<Option<String>>,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let addr = match at.wait_for(Option::is_some).await {
            Ok(addr) => addr.clone(),
            Err(_) => return,
        };
        let Some(addr) = addr else { continue };
        match listen(&dialer, &addr, &mut at, &channel, &notices, &deaf).await {
            Ok(()) => pause = PAUSE_MIN,
            Err(error) => {
                let why = plain(error);
                // A server that is away is told of by those who ask it.
                if why.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) {
                    let text = why.detail().unwrap_or("it is forbidden").to_owned();
                    deaf.send_if_modified(|old| {
                        let differs = old.is_none();
                        *old = Some(text);
                        differs
                    });
                }
                // A new place is worth an attempt at once.
                let _ = timeout(pause, at.changed()).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Ends without an error when the store has moved, or when the connection has ended after it was good for something.
async fn listen(
    dialer: &Dialer,
    addr: &RedisAddr,
    at: &mut watch::Receiver<Option<RedisAddr>>,
    channel: &str,
    notices: &broadcast::Sender<Fingerprint>,
    deaf: &watch::Sender<Option<String>>,
) -> Result<(), RedisError> {
    let (mut sink, mut heard) = dialer.subscribe(addr, channel).await?.split();
    deaf.send_if_modified(|old| old.take().is_some());
    let probe = sleep(PROBE_EVERY);
    tokio::pin!(probe);
    loop {
        tokio::select! {
            message = poll_fn(|context| Pin::new(&mut heard).poll_next(context)) => {
                let Some(message) = message else {
                    // Whoever ended it may do so again at once.
                    sleep(PAUSE_MIN).await;
                    return Ok(());
                };
                let key = message.get_payload::<String>().ok().and_then(|text| Fingerprint::kept(&text));
                if let Some(key) = key {
                    // Without a listener nobody waits for the key.
                    let _ = notices.send(key);
                }
            }
            () = &mut probe => {
                match timeout(dialer.timeout(), sink.ping::<redis::Value>()).await {
                    Ok(answered) => answered.map(|_| ())?,
                    Err(_) => return Err(timed_out()),
                }
                probe.as_mut().reset(tokio::time::Instant::now() + PROBE_EVERY);
            }
            moved = at.changed() => {
                if moved.is_err() || at.borrow().as_ref() != Some(addr) {
                    return Ok(());
                }
            }
        }
    }
}
