//! Archives against real sockets: what is one, how it comes, and how it breaks off.

use std::time::Duration;

use crate::common::{Act, Server, response};
use tidegate_core::{Nonce, endpoint};
use tidegate_kraken::{
    BodyFault, ClientOptions, Credential, Head, Opened, Params, PreparedRequest, ReadFault, RestClient,
};

const SECRET: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const LONG: Duration = Duration::from_secs(30);

/// Asks for an export and returns the head of what the server answers.
async fn head(server: &Server, limit_bytes: usize, total: Duration) -> Head {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let options = ClientOptions { body_limit_bytes: limit_bytes, ..ClientOptions::new(server.url()) };
    let client = RestClient::new(options).expect("a client");
    let credential = Credential::new("public-half".to_owned(), SECRET).expect("a pair");
    let endpoint = endpoint("RetrieveExport").expect("in the table");
    let request = PreparedRequest::of(endpoint, &Params::new(), Nonce(1), None).expect("can be written");
    client.send_private(&credential, request, total, || true).await.expect("a head")
}

/// Everything that comes, in pieces of at most so many bytes.
async fn drained(opened: Opened, max: usize) -> Result<Vec<u8>, ReadFault> {
    let Opened::Archive(mut download) = opened else { panic!("no archive: {opened:?}") };
    let mut all = Vec::new();
    while let Some(piece) = download.next(max).await? {
        assert!(!piece.is_empty() && piece.len() <= max);
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

#[tokio::test]
async fn archives_and_envelopes_are_told_by_how_they_begin() {
    let archive = format!("PK\x03\x04{}", "x".repeat(100_000));
    // Both content types occur, and one that lies changes nothing.
    for content_type in ["application/octet-stream", "application/zip", "application/json"] {
        let server = Server::start(vec![Act::Answer(response("200 OK", content_type, &archive))]).await;
        // The limit is for envelopes.
        let opened = head(&server, 1_000, LONG).await.open().await.expect(content_type);
        let Opened::Archive(download) = &opened else { panic!("{content_type}: {opened:?}") };
        assert_eq!(download.announced_bytes(), Some(100_004));
        assert!(!format!("{opened:?}").contains("xxx"));
        assert_eq!(drained(opened, 1_024).await.expect(content_type), archive.as_bytes());
    }
    let refusal = r#"{"error":["EGeneral:Invalid arguments:id"]}"#;
    for content_type in ["application/json", "application/octet-stream"] {
        let server = Server::start(vec![Act::Answer(response("200 OK", content_type, refusal))]).await;
        match head(&server, 1_000, LONG).await.open().await.expect(content_type) {
            Opened::Reply(reply) => assert_eq!(reply.errors, ["EGeneral:Invalid arguments:id"]),
            Opened::Archive(_) => panic!("{content_type}"),
        }
    }
}

#[tokio::test]
async fn what_is_neither_is_a_fault_and_so_is_what_is_too_long_for_an_envelope() {
    let fault = |status: &'static str, body: String| async move {
        let server = Server::start(vec![Act::Answer(response(status, "text/html", &body))]).await;
        head(&server, 1_000, LONG).await.open().await.expect_err("a fault")
    };
    let named = |fault: ReadFault| match fault {
        ReadFault::Body(fault) => fault,
        other => panic!("{other}"),
    };
    assert!(matches!(named(fault("200 OK", "<html>".into()).await), BodyFault::NotJson { .. }));
    assert!(matches!(named(fault("200 OK", String::new()).await), BodyFault::Truncated { .. }));
    assert!(matches!(named(fault("200 OK", "P".into()).await), BodyFault::NotJson { .. }));
    assert!(matches!(named(fault("200 OK", " ".repeat(2_000)).await), BodyFault::Oversized { .. }));
    // The edge's page may begin however it likes.
    assert_eq!(named(fault("502 Bad Gateway", "PK".into()).await).http_status(), Some(502));
}

#[tokio::test]
async fn an_archive_that_breaks_off_or_stands_still_is_no_whole_one() {
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nPK\x03\x04half of it".as_bytes().to_vec();
    let server = Server::start(vec![Act::AnswerThenClose(announced.clone())]).await;
    let opened = head(&server, 1_000, LONG).await.open().await.expect("its beginning");
    let fault = drained(opened, 4).await.expect_err("it broke off");
    assert!(matches!(fault, ReadFault::Body(BodyFault::Truncated { len_bytes: 14, .. })), "{fault:?}");

    let server = Server::start(vec![Act::AnswerThenHang(announced)]).await;
    let opened = head(&server, 1_000, Duration::from_millis(300)).await.open().await.expect("its beginning");
    assert_eq!(drained(opened, 1_000).await.expect_err("it stands still"), ReadFault::TimedOut);
}
