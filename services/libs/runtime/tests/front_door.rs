//! The listeners of a process, through real sockets.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{Request, Response};
use tidegate_runtime::telemetry::Metrics;
use tidegate_runtime::{Drain, Health, ServeLimits, serve_admin, serve_grpc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tower::service_fn;

/// Longer than anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

async fn in_time<T>(what: &str, act: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, act).await.unwrap_or_else(|_| panic!("too late: {what}"))
}

/// A served listener whose calls say that they arrived and wait for permission to answer.
struct Door {
    addr: SocketAddr,
    drain: Drain,
    arrived: Arc<Notify>,
    answer: Arc<Notify>,
    server: JoinHandle<usize>,
}

async fn open(limits: ServeLimits) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let (drain, arrived, answer) = (Drain::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrives, may_answer) = (Arc::clone(&arrived), Arc::clone(&answer));
    let service = service_fn(move |_: Request<Body>| {
        let (arrived, answer) = (Arc::clone(&arrives), Arc::clone(&may_answer));
        async move {
            arrived.notify_one();
            answer.notified().await;
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }
    });
    let server = tokio::spawn(serve_grpc(listener, service, limits, drain.clone()));
    Door { addr, drain, arrived, answer, server }
}

async fn connect(addr: SocketAddr) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(addr).await.expect("listening");
    let (client, connection) = in_time("handshake", h2::client::handshake(stream)).await.expect("HTTP/2");
    (client, tokio::spawn(connection))
}

async fn call(client: &SendRequest<Bytes>, timeout: &str) -> ResponseFuture {
    let request = Request::post("http://tidegate/tidegate.v1.TradingService/AddOrder")
        .header("grpc-timeout", timeout)
        .body(())
        .expect("a request");
    let mut client = client.clone().ready().await.expect("open");
    client.send_request(request, true).expect("sent").0
}

#[tokio::test]
async fn a_call_in_flight_outlives_the_drain_and_late_callers_get_an_answer() {
    let door = open(ServeLimits::default()).await;
    let (client, connection) = connect(door.addr).await;
    let response = call(&client, "10S").await;
    in_time("the call arrives", door.arrived.notified()).await;

    door.drain.begin();
    // The connection learns by GOAWAY that it takes no further calls.
    in_time("the connection closes for new calls", async {
        while client.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Whoever comes while the last calls finish is served, and told the same.
    let (late, late_connection) = connect(door.addr).await;
    let late_response = call(&late, "10S").await;
    in_time("the late call arrives", door.arrived.notified()).await;
    for response in [response, late_response] {
        door.answer.notify_one();
        assert_eq!(in_time("the answer", response).await.expect("answered").status(), 200);
    }
    drop((client, late));
    assert_eq!(in_time("the server ends", door.server).await.expect("no panic"), 0);
    for connection in [connection, late_connection] {
        in_time("the connection ends", connection).await.expect("no panic").expect("a clean end");
    }
    assert!(TcpStream::connect(door.addr).await.is_err(), "the listener is closed in the end");
}

#[tokio::test]
async fn the_callers_timeout_is_not_enforced_behind_the_handlers_back() {
    let door = open(ServeLimits::default()).await;
    let (client, _connection) = connect(door.addr).await;
    let response = call(&client, "1m").await;
    in_time("the call arrives", door.arrived.notified()).await;
    // The deadline of one millisecond is long over when the handler answers.
    tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(20)).await;
    door.answer.notify_one();
    assert_eq!(in_time("the answer", response).await.expect("answered").status(), 200);
}

#[tokio::test]
async fn what_outlasts_the_grace_period_is_cut_and_counted() {
    let limits = ServeLimits { grace: Duration::from_millis(10), ..ServeLimits::default() };
    let door = open(limits).await;
    let (client, _connection) = connect(door.addr).await;
    let response = call(&client, "10S").await;
    in_time("the call arrives", door.arrived.notified()).await;
    door.drain.begin();
    assert_eq!(in_time("the server ends", door.server).await.expect("no panic"), 1);
    assert!(in_time("the call fails", response).await.is_err());
}

#[tokio::test]
async fn a_connection_too_many_and_a_silent_one_are_closed() {
    let limits = ServeLimits {
        connections_max: 1,
        first_byte_within: Duration::from_millis(200),
        ..ServeLimits::default()
    };
    let door = open(limits).await;
    let mut silent = TcpStream::connect(door.addr).await.expect("listening");
    let mut second = TcpStream::connect(door.addr).await.expect("the kernel answers");
    let closed = |read: std::io::Result<usize>| read.map_or(true, |bytes| bytes == 0);
    assert!(closed(in_time("one too many", second.read(&mut [0; 1])).await));
    assert!(closed(in_time("silent", silent.read(&mut [0; 1])).await));
    // Both are gone, so there is room again.
    let (client, _connection) = connect(door.addr).await;
    let response = call(&client, "10S").await;
    door.answer.notify_one();
    assert_eq!(in_time("the answer", response).await.expect("answered").status(), 200);
}

#[tokio::test]
async fn a_vanished_caller_drops_the_handler_but_not_what_was_spawned_on_the_drain() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let drain = Drain::new();
    let (started, starts) = oneshot::channel();
    let (go_on, goes_on) = oneshot::channel::<()>();
    let once = Arc::new(Mutex::new(Some((started, goes_on))));
    let tasks = drain.clone();
    let service = service_fn(move |_: Request<Body>| {
        let (started, goes_on) = once.lock().expect("no panic").take().expect("one call");
        drop(tasks.spawn(async move { goes_on.await.expect("the test goes on") }));
        started.send(()).expect("the test waits");
        pending::<Result<Response<Body>, Infallible>>()
    });
    let server = tokio::spawn(serve_grpc(listener, service, ServeLimits::default(), drain.clone()));
    let (client, connection) = connect(addr).await;
    let response = call(&client, "1S").await;
    in_time("the call arrives", starts).await.expect("started");
    drop((response, client));
    connection.abort();
    drain.begin();
    assert_eq!(in_time("the server ends", server).await.expect("no panic"), 0);
    assert_eq!(drain.busy(), 1);
    go_on.send(()).expect("the task is alive");
    assert_eq!(drain.wait_idle(PATIENCE).await, 0);
}

#[tokio::test]
async fn operators_see_what_is_missing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let drain = Drain::new();
    let health = Health::new(drain.clone());
    let (store, lanes) = (health.condition("store"), health.condition("lanes"));
    let metrics = Metrics::new("all").expect("a registry");
    metrics.kraken_error("AddOrder", "EOrder:Insufficient funds");
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move { stopped.await.expect("the test stops it") };
    let server = tokio::spawn(serve_admin(listener, health.clone(), metrics, shutdown));

    assert_eq!(get(addr, "/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(get(addr, "/readyz").await, (503, "not ready\n- lanes\n- store\n".to_owned()));
    lanes.set(true);
    store.set(true);
    assert_eq!(get(addr, "/readyz").await, (200, "ready\n".to_owned()));
    health.condition("store").set(false);
    assert_eq!(get(addr, "/readyz").await, (503, "not ready\n- store\n".to_owned()));
    store.set(true);
    drain.begin();
    let draining = "not ready\n- draining: the process is stopping\n".to_owned();
    assert_eq!(get(addr, "/readyz").await, (503, draining));
    assert_eq!(get(addr, "/livez").await.0, 200);
    let (status, text) = get(addr, "/metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("tidegate_kraken_errors_total{endpoint=\"AddOrder\""), "{text}");
    assert_eq!(get(addr, "/elsewhere").await.0, 404);

    stop.send(()).expect("the server runs");
    in_time("the server ends", server).await.expect("no panic");
}

async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).await.expect("listening");
    let request = format!("GET {path} HTTP/1.1\r\nhost: tidegate\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut text = String::new();
    in_time("the reply", stream.read_to_string(&mut text)).await.expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}
