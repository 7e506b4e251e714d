//! The client against real sockets: what is on the wire, and what is said about what is not known.

mod common;
mod download;

use std::time::Duration;

use common::{Act, Server, ok, read_request, response};
use tidegate_core::{Endpoint, Nonce, endpoint};
use tidegate_kraken::{
    BodyFault, BuildError, CallFault, ClientOptions, Credential, Params, PreparedRequest, ReadFault, Reply,
    RestClient, Stage,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

const SECRET: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const LONG: Duration = Duration::from_secs(30);

fn options(url: &str) -> ClientOptions {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    ClientOptions::new(url)
}

fn client(url: &str) -> RestClient {
    RestClient::new(options(url)).expect("a client")
}

fn credential() -> Credential {
    Credential::new("public-half".to_owned(), SECRET).expect("a pair")
}

fn named(name: &str) -> &'static Endpoint {
    endpoint(name).expect("in the table")
}

fn order(nonce: u64) -> PreparedRequest {
    written("AddOrder", &[("pair", "XBT/USD")], nonce)
}

fn written(name: &str, arguments: &[(&'static str, &str)], nonce: u64) -> PreparedRequest {
    let mut params = Params::new();
    arguments.iter().for_each(|(name, value)| params.text(name, *value));
    PreparedRequest::of(named(name), &params, Nonce(nonce), None).expect("can be written")
}

async fn place(client: &RestClient, nonce: u64) -> Result<Reply, CallFault> {
    client.call_private(&credential(), order(nonce), LONG, || {}).await
}

#[tokio::test]
async fn signed_bytes_are_sent_bytes() {
    let server = Server::start(vec![Act::Answer(ok()), Act::Answer(ok())]).await;
    let client = client(&server.url());
    let mut heads = 0;
    client.call_private(&credential(), order(17), LONG, || heads += 1).await.expect("a reply");
    let mut params = Params::new();
    params.text("pair", "XBT/USD");
    client.call_public(named("Ticker"), &params, LONG).await.expect("a reply");
    assert_eq!((heads, *server.seen.connections.lock().expect("no panic")), (1, 1));

    let seen = server.seen.requests.lock().expect("no panic");
    let (head, body) = &seen[0];
    let has = |line: &str| head.lines().any(|l| l.eq_ignore_ascii_case(line));
    assert!(head.starts_with("POST /0/private/AddOrder HTTP/1.1\r\n"), "{head}");
    assert_eq!(body, order(17).body());
    let sign = credential().sign("/0/private/AddOrder", Nonce(17), body);
    // Base64 has case, so this one is compared exactly.
    assert!(head.lines().any(|l| l.ends_with(sign.as_str())), "{head}");
    assert!(has("api-key: public-half"));
    assert!(has("content-type: application/x-www-form-urlencoded; charset=utf-8"));
    assert!(head.to_ascii_lowercase().contains("\r\nuser-agent: tidegate/"));
    assert!(!head.to_ascii_lowercase().contains("accept-encoding"), "a compressed body would have no bound");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"));
    assert!(seen[1].0.starts_with("GET /0/public/Ticker?pair=XBT%2FUSD HTTP/1.1\r\n"));
    assert!(!seen[1].0.to_ascii_lowercase().contains("api-"));
}

#[tokio::test]
async fn a_connection_that_the_server_ended_meanwhile_costs_no_second_request() {
    let endings: [fn(Vec<u8>) -> Act; 3] =
        [Act::AnswerThenClose, Act::AnswerThenHalfClose, Act::AnswerThenReset];
    for ending in endings {
        for round in 0..20 {
            let server = Server::start(vec![ending(ok()), Act::Answer(ok())]).await;
            let client = client(&server.url());
            place(&client, 1).await.expect("a reply");
            server.seen.reset.notify_one();
            // Odd rounds send into the race with the end of the connection, even ones after it.
            if round % 2 == 0 && !matches!(ending(Vec::new()), Act::AnswerThenHalfClose(_)) {
                server.seen.ended.notified().await;
            }
            let second = place(&client, 2).await;
            match &second {
                Ok(_) => assert_eq!(server.seen.count(), 2),
                // Seen or lost on the way, but never twice, and never claimed to be unsent.
                Err(fault) => {
                    assert!(!fault.is_not_sent(), "{fault}");
                    assert!(server.seen.count() <= 2, "{fault}");
                }
            }
            let bodies: Vec<_> =
                server.seen.requests.lock().expect("no panic").iter().map(|(_, body)| body.clone()).collect();
            assert_eq!(bodies.iter().filter(|b| *b == order(1).body()).count(), 1);
            assert!(bodies.iter().filter(|b| *b == order(2).body()).count() <= 1);
        }
    }
}

#[tokio::test]
async fn a_request_that_met_a_reset_is_ambiguous_and_was_sent_once() {
    // On a fresh connection, and on one that has served before.
    for script in [vec![Act::AnswerThenReset(vec![])], vec![Act::Answer(ok()), Act::AnswerThenReset(vec![])]]
    {
        let sends = script.len();
        let server = Server::start(script).await;
        let client = client(&server.url());
        if sends == 2 {
            place(&client, 1).await.expect("a reply");
        }
        let fault = place(&client, 2).await.expect_err("reset");
        assert!(
            matches!(&fault, CallFault::Send(e) if e.stage == Stage::Ambiguous && !e.timed_out),
            "{fault}"
        );
        assert_eq!((server.seen.count(), *server.seen.connections.lock().expect("no panic")), (sends, 1));
    }
}

#[tokio::test]
async fn connections_that_were_idle_too_long_are_not_used() {
    let server = Server::start(vec![Act::Answer(ok()), Act::Answer(ok()), Act::Answer(ok())]).await;
    let client = client(&server.url());
    let connections = || *server.seen.connections.lock().expect("no panic");
    place(&client, 1).await.expect("a reply");
    pass(Duration::from_millis(4_000)).await;
    place(&client, 2).await.expect("a reply");
    assert_eq!(connections(), 1);
    pass(Duration::from_millis(5_001)).await;
    place(&client, 3).await.expect("a reply");
    assert_eq!((connections(), server.seen.count()), (2, 3));
}

#[tokio::test]
async fn what_cannot_be_connected_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    drop(listener);
    let fault = place(&client(&format!("http://{addr}")), 1).await.expect_err("refused");
    assert!(fault.is_not_sent(), "{fault}");
    assert!(!fault.to_string().contains(&addr.to_string()), "no addresses: {fault}");

    let fault = place(&client("http://name.invalid"), 1).await.expect_err("no such name");
    assert!(fault.is_not_sent(), "{fault}");
}

#[tokio::test]
async fn no_time_left_is_not_sent() {
    let server = Server::start(vec![]).await;
    let client = client(&server.url());
    let sent = client.send_private(&credential(), order(1), Duration::ZERO, || true).await;
    let error = sent.expect_err("no time");
    assert_eq!((error.stage, error.timed_out, server.seen.count()), (Stage::NotSent, true, 0));
}

#[tokio::test]
async fn the_wrong_kind_of_endpoint_is_not_sent() {
    let server = Server::start(vec![]).await;
    let client = client(&server.url());
    for private in ["Balance", "FundingBeta/ListNetworks"] {
        let error = client.get_public(named(private), &Params::new(), LONG).await.expect_err("private");
        assert_eq!(error.stage, Stage::NotSent);
    }
    assert!(PreparedRequest::of(named("Time"), &Params::new(), Nonce(1), None).is_err(), "nobody signs it");
    assert_eq!(server.seen.count(), 0);
}

/// Lets time pass for the client; the sockets do not notice.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn silence_is_ambiguous() {
    let server = Server::start(vec![Act::AnswerThenHang(vec![])]).await;
    let client = client(&server.url());
    let call = tokio::spawn(async move { place(&client, 1).await });
    server.seen.arrived.notified().await;
    pass(LONG).await;
    let fault = call.await.expect("no panic").expect_err("silence");
    assert!(matches!(&fault, CallFault::Send(e) if e.stage == Stage::Ambiguous && e.timed_out), "{fault}");
    assert_eq!(server.seen.count(), 1);
}

#[tokio::test]
async fn a_head_comes_before_its_body_and_the_time_covers_both() {
    let part = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"error\""
        .to_vec();
    let server = Server::start(vec![Act::AnswerThenHang(part)]).await;
    let client = client(&server.url());
    let sent = client.send_private(&credential(), order(1), LONG, || true).await;
    let head = sent.expect("the head is there");
    assert_eq!(head.status(), 200);
    pass(LONG).await;
    assert_eq!(head.read().await.expect_err("no body"), ReadFault::TimedOut);
    assert_eq!(server.seen.count(), 1);
}

async fn fault_of(act: Act) -> ReadFault {
    let server = Server::start(vec![act]).await;
    let client =
        RestClient::new(ClientOptions { body_limit_bytes: 100, ..options(&server.url()) }).expect("a client");
    let fault = place(&client, 1).await.expect_err("a fault");
    assert_eq!(server.seen.count(), 1);
    match fault {
        CallFault::Read(fault) => fault,
        CallFault::Send(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn bad_bodies_have_their_own_names() {
    let html = "<html>blocked</html>";
    let fault = fault_of(Act::Answer(response("502 Bad Gateway", "text/html", html))).await;
    assert_eq!(fault, ReadFault::Body(BodyFault::HttpStatus(502)));
    // Not followed.
    let fault = fault_of(Act::Answer(
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /0/private/AddOrder\r\ncontent-length: 0\r\n\r\n"
            .to_vec(),
    ))
    .await;
    assert_eq!(fault, ReadFault::Body(BodyFault::HttpStatus(307)));
    let fault = fault_of(Act::Answer(response("200 OK", "text/html", html))).await;
    assert!(
        matches!(&fault, ReadFault::Body(BodyFault::NotJson { content_type, .. }) if content_type == "text/html")
    );
    assert!(!fault.to_string().contains("blocked"));
    let fault = fault_of(Act::Answer(response("200 OK", "application/json", "[]"))).await;
    assert!(matches!(fault, ReadFault::Body(BodyFault::NotEnvelope { .. })));

    let long = format!(r#"{{"error":[],"result":"{}"}}"#, "x".repeat(100));
    let fault = fault_of(Act::Answer(response("200 OK", "application/json", &long))).await;
    assert_eq!(fault, ReadFault::Body(BodyFault::Oversized { limit_bytes: 100 }));
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{}", "x".repeat(255));
    let fault = fault_of(Act::AnswerThenHang(endless.into_bytes())).await;
    assert_eq!(fault, ReadFault::Body(BodyFault::Oversized { limit_bytes: 100 }));

    let cut =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n{\"error\":[],"
            .to_vec();
    let fault = fault_of(Act::AnswerThenClose(cut)).await;
    assert!(matches!(&fault, ReadFault::Body(BodyFault::Truncated { len_bytes: 12, .. })), "{fault:?}");
    let cut = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{\"error\":[],".to_vec();
    let fault = fault_of(Act::AnswerThenClose(cut)).await;
    assert!(matches!(&fault, ReadFault::Body(BodyFault::Truncated { .. })), "{fault:?}");
    // Without a length only the text itself can tell.
    let cut = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"error\":[],".to_vec();
    let fault = fault_of(Act::AnswerThenClose(cut)).await;
    assert!(matches!(&fault, ReadFault::Body(BodyFault::Truncated { len_bytes: 12, .. })), "{fault:?}");
}

#[tokio::test]
async fn a_warning_beside_a_result_is_a_success() {
    let body = r#"{"error":["WDatabase:No change"],"result":{"count":1}}"#;
    let server = Server::start(vec![Act::Answer(response("200 OK", "application/json", body))]).await;
    let reply = place(&client(&server.url()), 1).await.expect("a reply");
    let classified = tidegate_kraken::classify(&reply.errors);
    assert_eq!((classified.warnings.len(), classified.refusal), (1, None));
    assert_eq!(reply.result.expect("there").get(), r#"{"count":1}"#);
}

#[tokio::test]
async fn tls_trusts_the_given_ca_alone_and_a_failed_handshake_is_not_sent() {
    use std::sync::Arc;
    let issued = |names: &[&str]| {
        rcgen::generate_simple_self_signed(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
            .expect("made")
    };
    let (ours, other) = (issued(&["127.0.0.1"]), issued(&["127.0.0.1"]));
    let trusting = |pem: String, addr| {
        let options = ClientOptions { ca_pem: Some(pem.into_bytes()), ..options(&format!("https://{addr}")) };
        RestClient::new(options).expect("a client")
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let (good, bad) = (trusting(ours.cert.pem(), addr), trusting(other.cert.pem(), addr));
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(ours.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![ours.cert.der().clone()], key)
        .expect("a config");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(mut socket) = acceptor.accept(socket).await
                && let Some((_, body)) = read_request(&mut socket).await
            {
                tell.send(body).expect("the test listens");
                socket.write_all(&ok()).await.expect("written");
            }
        }
    });
    let fault = place(&bad, 1).await.expect_err("a stranger");
    assert!(fault.is_not_sent(), "{fault}");
    place(&good, 2).await.expect("a reply");
    assert_eq!(told.recv().await.expect("seen"), *order(2).body());
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn bad_options_are_refused() {
    for url in [
        "",
        "api.kraken.com",
        "ftp://api.kraken.com",
        "https://api.kraken.com/0",
        "https://user@api.kraken.com",
        "https://:pw@api.kraken.com",
        "https://api.kraken.com?x",
        "https://api.kraken.com#x",
        "unix:/x",
    ] {
        assert!(matches!(RestClient::new(options(url)), Err(BuildError::BaseUrl)), "{url}");
    }
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let options = ClientOptions { ca_pem: Some(pem.into()), ..options("https://127.0.0.1") };
        let built = RestClient::new(options);
        assert!(matches!(built, Err(BuildError::Ca | BuildError::Http(_))), "{pem}");
    }
    let client = client("https://127.0.0.1/");
    assert_eq!(format!("{client:?}"), r#"RestClient { base: "https://127.0.0.1", .. }"#);
}

#[tokio::test]
async fn a_gate_that_shuts_while_the_connection_is_made_lets_no_byte_out() {
    shut_out(order(9)).await;
    // What has no body is asked as well.
    shut_out(written("FundingBeta/ListNetworks", &[], 9)).await;
    shut_out(written("FundingBeta/DeleteAddress", &[("id", "AB")], 9)).await;
    shut_out(written("FundingBeta/ClaimDepositAddress", &[("method_id", "m")], 9)).await;
}

async fn shut_out(request: PreparedRequest) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = client(&format!("http://{}", listener.local_addr().expect("an address")));
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    let gate = move || {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        false
    };
    let credential = credential();
    let send = client.send_private(&credential, request, LONG, gate);
    let seen = async {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut bytes = Vec::new();
        // The client ends the connection itself.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut bytes).await;
        bytes
    };
    let (sent, seen) = tokio::join!(send, seen);
    let error = sent.expect_err("the gate was shut");
    assert_eq!((error.stage, error.gate_shut), (Stage::NotSent, true), "{error:?}");
    assert_eq!(String::from_utf8_lossy(&seen), "", "nothing on the wire");
    assert!(asked.load(std::sync::atomic::Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn the_beta_family_has_verbs_and_its_nonce_in_a_header() {
    let server = Server::start(vec![Act::Answer(response("200 OK", "application/json", "{}")); 4]).await;
    let client = client(&server.url());
    let listed = written("FundingBeta/ListMethods", &[("direction", "withdraw"), ("cursor", "a/b c")], 21);
    let created = written("FundingBeta/CreateAddress", &[("name", "cold"), ("account_id", "AA 1")], 22);
    let updated = written("FundingBeta/UpdateAddress", &[("id", "AB/1"), ("name", "cold")], 23);
    let deleted = written("FundingBeta/DeleteAddress", &[("id", "AB1")], 24);
    for request in [&listed, &created, &updated, &deleted] {
        let reply = client.call_private(&credential(), request.clone(), LONG, || {}).await.expect("a reply");
        assert_eq!(reply.result.expect("there").get(), "{}");
    }
    let seen = server.seen.requests.lock().expect("no panic");
    let starts = [
        "GET /funding/v1/methods/withdraw?cursor=a%2Fb%20c HTTP/1.1\r\n",
        "POST /funding/v1/addresses?account_id=AA%201 HTTP/1.1\r\n",
        "PUT /funding/v1/addresses/AB%2F1 HTTP/1.1\r\n",
        "DELETE /funding/v1/addresses/AB1 HTTP/1.1\r\n",
    ];
    let requests = [listed, created, updated, deleted];
    for (i, ((head, body), request)) in seen.iter().zip(requests).enumerate() {
        assert!(head.starts_with(starts[i]), "{head}");
        let lower = head.to_ascii_lowercase();
        assert!(lower.contains(&format!("\r\napi-nonce: {}\r\n", 21 + i)), "{head}");
        // Signed is what the first line says, and the body.
        let target = head.split(' ').nth(1).expect("a target");
        let sign = credential().sign(target, request.nonce(), body);
        assert!(head.lines().any(|l| l.ends_with(sign.as_str())), "{head}");
        assert!(!lower.contains("transfer-encoding") && !lower.contains("api-otp"), "{head}");
        let has_body = matches!(i, 1 | 2);
        assert_eq!(lower.contains("content-type: application/json"), has_body, "{head}");
        assert_eq!(body, if has_body { &b"{\"name\":\"cold\"}"[..] } else { b"" });
    }
}

#[tokio::test]
async fn errors_of_the_beta_family_have_statuses_and_the_edge_has_its_own() {
    let problem = r#"{"type":"tag:kraken.com,2025:PermissionDenied","status":403,"title":"General: Permission denied"}"#;
    let json = "application/problem+json";
    let ask = async |act: Act| {
        let server = Server::start(vec![act]).await;
        let client = client(&server.url());
        let request = written("FundingBeta/ListNetworks", &[], 1);
        let head = client.send_private(&credential(), request, LONG, || true).await.expect("a head");
        (head.edge_status(), head.read().await.map(|reply| reply.errors))
    };
    let (edge, errors) = ask(Act::Answer(response("403 Forbidden", json, problem))).await;
    assert_eq!((edge, errors.expect("Kraken's")), (None, vec!["EGeneral:Permission denied".to_owned()]));
    let (edge, errors) =
        ask(Act::Answer(response("403 Forbidden", "text/html", "<html>blocked</html>"))).await;
    assert_eq!((edge, errors), (Some(403), Err(ReadFault::Body(BodyFault::HttpStatus(403)))));
    let (edge, errors) = ask(Act::Answer(response("503 Busy", json, problem))).await;
    assert_eq!((edge, errors), (Some(503), Err(ReadFault::Body(BodyFault::HttpStatus(503)))));
    // Cut short it says nothing, whatever it was going to say.
    let cut = response("403 Forbidden", json, problem);
    let cut = cut[..cut.len() - 5].to_vec();
    let (_, errors) = ask(Act::AnswerThenClose(cut)).await;
    assert_eq!(errors, Err(ReadFault::Body(BodyFault::HttpStatus(403))));
}
