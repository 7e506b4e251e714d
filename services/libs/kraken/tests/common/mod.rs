//! A server that plays prepared answers, connection by connection, and remembers every request it saw.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What to do with one request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Write these bytes and wait for the next request.
    Answer(Vec<u8>),
    /// Write these bytes and close.
    AnswerThenClose(Vec<u8>),
    /// Write these bytes, close our writing half, and read on.
    AnswerThenHalfClose(Vec<u8>),
    /// Write these bytes and reset, once the client has been told that they arrived.
    AnswerThenReset(Vec<u8>),
    /// Write these bytes and never anything more.
    AnswerThenHang(Vec<u8>),
}

#[derive(Default)]
pub(crate) struct Seen {
    /// Head and body of each request, in order of arrival.
    pub(crate) requests: Mutex<Vec<(String, Vec<u8>)>>,
    /// How many connections were accepted.
    pub(crate) connections: Mutex<usize>,
    /// A request has arrived.
    pub(crate) arrived: Notify,
    /// Told to reset.
    pub(crate) reset: Notify,
    /// A connection has ended on our side.
    pub(crate) ended: Notify,
}

impl Seen {
    pub(crate) fn count(&self) -> usize {
        self.requests.lock().expect("no panic").len()
    }
}

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) seen: Arc<Seen>,
}

impl Server {
    /// Plays `script`, one act per request, whatever connection the request comes on.
    pub(crate) async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let seen = Arc::new(Seen::default());
        let script = Arc::new(Mutex::new(script.into_iter()));
        let for_server = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                *for_server.connections.lock().expect("no panic") += 1;
                let (seen, script) = (Arc::clone(&for_server), Arc::clone(&script));
                tokio::spawn(async move {
                    play(socket, &seen, &script).await;
                    seen.ended.notify_one();
                });
            }
        });
        Self { addr, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

async fn play(mut socket: TcpStream, seen: &Seen, script: &Mutex<std::vec::IntoIter<Act>>) {
    while let Some(request) = read_request(&mut socket).await {
        seen.requests.lock().expect("no panic").push(request);
        seen.arrived.notify_one();
        let act = script.lock().expect("no panic").next();
        match act {
            Some(Act::Answer(bytes)) => socket.write_all(&bytes).await.expect("written"),
            Some(Act::AnswerThenClose(bytes)) => {
                socket.write_all(&bytes).await.expect("written");
                return;
            }
            Some(Act::AnswerThenHalfClose(bytes)) => {
                socket.write_all(&bytes).await.expect("written");
                socket.shutdown().await.expect("half closed");
            }
            Some(Act::AnswerThenReset(bytes)) => {
                let silent = bytes.is_empty();
                socket.write_all(&bytes).await.expect("written");
                if !silent {
                    seen.reset.notified().await;
                }
                socket.set_zero_linger().expect("linger");
                return;
            }
            Some(Act::AnswerThenHang(bytes)) => {
                socket.write_all(&bytes).await.expect("written");
                std::future::pending::<()>().await;
            }
            None => return,
        }
    }
}

/// Reads one request with a `Content-Length` body; nothing at the end of the stream.
pub(crate) async fn read_request(
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
        .map_or(0, |text| text.parse().expect("a length"));
    while bytes.len() < end + length {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, bytes[end..end + length].to_vec()))
}

/// A complete response.
pub(crate) fn response(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Kraken's envelope with an empty result.
pub(crate) fn ok() -> Vec<u8> {
    response("200 OK", "application/json", r#"{"error":[],"result":{}}"#)
}
