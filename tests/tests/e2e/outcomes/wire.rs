//! gRPC written by hand on HTTP/2: what the server sends is seen as it was sent, whatever a client library would
//! have made of it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use prost::Message;
use tidegate_tests::PATIENCE;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::{Code, Status};

pub(super) const ADD_ORDER: &str = "/tidegate.v1.TradingService/AddOrder";
pub(super) const CANCEL_ORDER: &str = "/tidegate.v1.TradingService/CancelOrder";
pub(super) const GET_BALANCE: &str = "/tidegate.v1.AccountService/GetBalance";

/// One connection to a gateway.
pub(super) struct Wire {
    send: SendRequest<Bytes>,
    driver: AbortHandle,
}

/// A call that was written and waits for its answer.
pub(super) struct Pending {
    answer: ResponseFuture,
    stream: SendStream<Bytes>,
    began: Instant,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer<T> {
    /// A message, or the Status with which the call ended instead.
    pub outcome: Result<T, Status>,
    /// From the write of the call to the last byte of its answer.
    pub after: Duration,
}

impl Wire {
    pub(super) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        let (send, connection) = h2::client::handshake(stream).await.expect("an HTTP/2 handshake");
        let driver = tokio::spawn(async move {
            // How the connection ended is seen by the calls on it.
            let _ = connection.await;
        })
        .abort_handle();
        Self { send, driver }
    }

    /// Writes a call. `timeout` goes into the header `grpc-timeout`, and nobody on this side cares for it.
    pub(super) async fn begin(&self, path: &str, message: Vec<u8>, timeout: Option<&str>) -> Pending {
        self.try_begin(path, message, timeout).await.expect("a connection that takes calls")
    }

    /// Writes a call, unless the server takes no more of them on this connection; then nothing is written.
    pub(super) async fn try_begin(
        &self,
        path: &str,
        message: Vec<u8>,
        timeout: Option<&str>,
    ) -> Result<Pending, h2::Error> {
        let mut request = http::Request::post(format!("http://gateway{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let request = request.body(()).expect("a request");
        let mut send = self.send.clone().ready().await?;
        let began = Instant::now();
        let (answer, mut stream) = send.send_request(request, false)?;
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).expect("a short message"));
        framed.put_slice(&message);
        stream.send_data(framed.freeze(), true)?;
        Ok(Pending { answer, stream, began })
    }

    /// Writes a call and waits for its answer.
    pub(super) async fn call<T: Message + Default>(
        &self,
        path: &str,
        message: &impl Message,
        timeout: Option<&str>,
    ) -> Answer<T> {
        self.begin(path, message.encode_to_vec(), timeout).await.answer().await
    }

    /// Closes the connection under everything that waits on it.
    pub(super) fn hang_up(self) {
        self.driver.abort();
    }
}

impl Pending {
    /// Takes the call back (RST_STREAM with CANCEL), as a client does whose caller lost interest.
    pub(super) fn reset(mut self) {
        self.stream.send_reset(Reason::CANCEL);
    }

    /// Waits for the end of the answer.
    pub(super) async fn answer<T: Message + Default>(self) -> Answer<T> {
        self.try_answer().await.expect("an answer on HTTP/2")
    }

    /// Waits for the end of the answer, or for the end of the stream without one.
    pub(super) async fn try_answer<T: Message + Default>(self) -> Result<Answer<T>, h2::Error> {
        let began = self.began;
        let read = tokio::time::timeout(PATIENCE, self.read());
        let (message, status) = read.await.expect("an answer at all")?;
        let outcome = match status.code() {
            Code::Ok => {
                assert!(message.len() >= 5, "a good answer without a message");
                Ok(T::decode(message.slice(5..)).expect("a message of the contract"))
            }
            _ => Err(status),
        };
        Ok(Answer { outcome, after: began.elapsed() })
    }

    async fn read(self) -> Result<(Bytes, Status), h2::Error> {
        let (head, mut body) = self.answer.await?.into_parts();
        assert_eq!(head.status, http::StatusCode::OK);
        let mut message = BytesMut::new();
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            message.extend_from_slice(&part);
        }
        let trailers = body.trailers().await?.unwrap_or(head.headers);
        let status = Status::from_header_map(&trailers).expect("a gRPC status at the end");
        Ok((message.freeze(), status))
    }
}
