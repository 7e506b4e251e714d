//! The sandbox over real sockets: HTTP, TLS, its own pages, and connections that end badly.

#![allow(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};
use tidegate_sandbox::{Listeners, Options, Tier, keys, serve};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const NOW_US: u64 = 1_781_000_000_000_000;
const ORDER: &str = "pair=XBTUSD&type=buy&ordertype=limit&price=50000&volume=0.1";

struct Running {
    http: String,
    tls: String,
    nonce: AtomicU64,
    end: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), tidegate_sandbox::Error>>,
}

impl Running {
    async fn start(options: Options) -> Self {
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [&http, &tls].map(|listener| listener.local_addr().unwrap().to_string());
        let (end, ended) = oneshot::channel::<()>();
        let listeners = Listeners { http, tls: Some(tls) };
        let served = tokio::spawn(serve(options, listeners, Arc::new(|| NOW_US), async {
            let _ = ended.await;
        }));
        let [http, tls] = addresses;
        Self { http, tls, nonce: AtomicU64::new(NOW_US), end: Some(end), served }
    }

    async fn stop(mut self) {
        drop(self.end.take());
        self.served.await.unwrap().unwrap();
    }

    /// Sends bytes on a connection of their own and reads until the other side ends it.
    async fn exchange(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        talk(TcpStream::connect(&self.http).await?, request).await
    }

    async fn get(&self, path: &str) -> Value {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        body(&self.exchange(request.as_bytes()).await.unwrap())
    }

    async fn switch(&self, switches: &Value) -> Vec<u8> {
        let body = switches.to_string();
        let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
        let request = format!(
            "POST /sandbox/switches HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n\r\n{body}"
        );
        self.exchange(request.as_bytes()).await.unwrap()
    }

    /// A signed call as bytes.
    fn signed(&self, label: &str, endpoint: &str, more: &str) -> Vec<u8> {
        let key = keys().iter().find(|key| key.label == label).unwrap();
        let nonce = self.nonce.fetch_add(1, Ordering::Relaxed);
        let (path, body) = (format!("/0/private/{endpoint}"), format!("nonce={nonce}&{more}"));
        let mut mac = Hmac::<Sha512>::new_from_slice(&STANDARD.decode(&key.secret).unwrap()).unwrap();
        mac.update(path.as_bytes());
        mac.update(&Sha256::digest(format!("{nonce}{body}")));
        let sign = STANDARD.encode(mac.finalize().into_bytes());
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\napi-key: {}\r\napi-sign: {sign}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            key.api_key,
            body.len()
        )
        .into_bytes()
    }

    /// The answer to a signed call.
    async fn ask(&self, endpoint: &str, more: &str) -> Value {
        body(&self.exchange(&self.signed("sandbox-all", endpoint, more)).await.unwrap())
    }

    async fn entries(&self) -> Vec<Value> {
        self.get("/sandbox/log").await["entries"].as_array().unwrap().clone()
    }

    /// Waits until the log says so.
    async fn until(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let asked = async {
            loop {
                let entries = self.entries().await;
                if holds(&entries) {
                    return entries;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap_or_else(|_| panic!("never: {what}"))
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn body(answer: &[u8]) -> Value {
    let text = std::str::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn faults_have_a_page_and_some_answer_before_they_act() {
    let running = Running::start(Options::default()).await;
    let faults = |verb: &str, body: &str| {
        let length = body.len();
        format!(
            "{verb} /sandbox/faults HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let two = r#"[{"endpoint":"AddOrder","execute_late_ms":50},{"endpoint":"AddOrder","duplicate":true}]"#;
    let waiting = body(&running.exchange(faults("POST", two).as_bytes()).await.unwrap());
    assert_eq!((waiting.as_array().unwrap().len(), &waiting), (2, &running.get("/sandbox/faults").await));
    let early = running.exchange(&running.signed("sandbox-trade", "AddOrder", ORDER)).await.unwrap();
    assert!(early.starts_with(b"HTTP/1.1 502 "));
    running.until("the late order", |entries| entries[0]["executed"] == true).await;
    let second = running.exchange(&running.signed("sandbox-trade", "AddOrder", ORDER)).await.unwrap();
    assert_eq!(body(&second)["error"], json!(["EAPI:Invalid nonce"]));
    assert_eq!(running.entries().await.len(), 3);
    running.exchange(faults("POST", r#"{"reset":true}"#).as_bytes()).await.unwrap();
    assert_eq!(body(&running.exchange(faults("DELETE", "").as_bytes()).await.unwrap()), json!([]));
    running.stop().await;
}

#[tokio::test]
async fn http_and_tls_lead_to_the_same_exchange() {
    let ca = std::env::temp_dir().join(format!("tidegate-sandbox-ca-{}.pem", std::process::id()));
    let running = Running::start(Options { ca_out: Some(ca.clone()), ..Options::default() }).await;
    let placed = body(&running.exchange(&running.signed("sandbox-trade", "AddOrder", ORDER)).await.unwrap());
    assert_eq!(placed["error"], json!([]));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&ca).unwrap()).unwrap();
    std::fs::remove_file(&ca).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    for name in ["localhost", "127.0.0.1", "::1", "sandbox"] {
        let stream = TcpStream::connect(&running.tls).await.unwrap();
        let stream = connector.connect(ServerName::try_from(name).unwrap(), stream).await.unwrap();
        let answer = talk(stream, &running.signed("sandbox-read", "OpenOrders", "")).await.unwrap();
        let open = body(&answer)["result"]["open"].as_object().unwrap().clone();
        assert_eq!(open.keys().collect::<Vec<_>>(), [placed["result"]["txid"][0].as_str().unwrap()]);
    }
    running.stop().await;
}

#[tokio::test]
async fn statistics_log_and_switches_are_pages() {
    let running = Running::start(Options::default()).await;
    running.exchange(&running.signed("sandbox-none", "Balance", "")).await.unwrap();
    let stats = running.get("/sandbox/stats").await;
    assert_eq!((&stats["server"], &stats["requests"]), (&json!("tidegate-sandbox"), &json!(1)));
    assert_eq!(stats["by_key"]["sandbox-none"]["refusals"], json!({"EGeneral:Permission denied": 1}));
    let [entry] = &running.entries().await[..] else { panic!("one entry") };
    assert_eq!(
        (&entry["seq"], &entry["peer"], &entry["nonce"]),
        (&json!(1), &json!("127.0.0.1"), &json!(NOW_US.to_string()))
    );
    assert_eq!(entry["body_sha256"], format!("{:x}", HexOf(&Sha256::digest(format!("nonce={NOW_US}&")))));
    assert_eq!(running.get("/sandbox/log?since=1").await["entries"], json!([]));
    assert_eq!(running.get("/sandbox/switches").await["tier"], "pro");
    let refused = String::from_utf8(running.switch(&json!({"weather": "rain"})).await).unwrap();
    assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains("weather"), "{refused}");
    assert_eq!(body(&running.switch(&json!({"tier": "wide"})).await)["tier"], "wide");
    running.stop().await;
}

#[tokio::test]
async fn trading_is_counted_by_pair() {
    const FULL: &str = "EOrder:Rate limit exceeded";
    // The clock stands still, so nothing decays.
    let running =
        Running::start(Options { trading_tier: Some(Tier::Intermediate), ..Options::default() }).await;
    let mut orders = Vec::new();
    for _ in 0..80 {
        let placed = running.ask("AddOrder", ORDER).await["result"]["txid"][0].clone();
        orders.push(placed.as_str().unwrap().to_owned());
    }
    for _ in 80..118 {
        assert_eq!(running.ask("AddOrder", ORDER).await["error"], json!(["EOrder:Orders limit exceeded"]));
    }
    let cancel = format!("txid={}", orders[0]);
    assert_eq!(running.ask("CancelOrder", &cancel).await["error"], json!([FULL]), "118 and 8 are above 125");
    for _ in 118..125 {
        assert_eq!(running.ask("AddOrder", ORDER).await["error"], json!(["EOrder:Orders limit exceeded"]));
    }
    assert_eq!(running.ask("AddOrder", ORDER).await["error"], json!([FULL]));
    let ether = "pair=ETHUSD&type=buy&ordertype=limit&price=2000&volume=0.1";
    assert_eq!(running.ask("AddOrder", ether).await["error"], json!([]), "another pair");
    let batch = format!("orders[0]={}&orders[1]={}", orders[0], orders[1]);
    assert_eq!(running.ask("CancelOrderBatch", &batch).await["result"], json!({"count": 2}));
    let entries = running.entries().await;
    let charge = |back: usize| &entries[entries.len() - back]["trading"];
    let bitcoin =
        |cost: u64, level: u64| json!([{"pair": "XXBTZUSD", "cost_milli": cost, "level_milli": level}]);
    assert_eq!(charge(1), &bitcoin(16_000, 141_000), "it may go above the maximum");
    assert_eq!(charge(3), &bitcoin(0, 125_000), "a refused act leaves the level alone");
    assert_eq!(running.get("/sandbox/stats").await["refusals"][FULL], 2);
    assert_eq!(running.get("/sandbox/switches").await["trading_tier"], "intermediate");
    running.stop().await;
}

struct HexOf<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexOf<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[tokio::test]
async fn answers_are_cut_and_connections_reset_after_the_deed() {
    let running = Running::start(Options::default()).await;
    running.switch(&json!({"faults": [{"truncate_after_bytes": 9}, {"reset": true}]})).await;
    let cut = running.exchange(&running.signed("sandbox-trade", "AddOrder", ORDER)).await.unwrap();
    let cut = String::from_utf8(cut).unwrap();
    let (head, body) = cut.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "{\"error\":");
    let promised = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(promised.parse::<usize>().unwrap() > 9 && !head.contains("chunked"), "{head}");
    let reset = running.exchange(&running.signed("sandbox-trade", "AddOrder", ORDER)).await;
    assert_eq!(reset.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let entries = running.entries().await;
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry["executed"] == true), "{entries:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_request_goes_on_without_its_sender_and_half_a_request_never_begins() {
    let running = Running::start(Options::default()).await;
    running.switch(&json!({"faults": [{"hang_after_auth_ms": 50}]})).await;
    let whole = running.signed("sandbox-trade", "AddOrder", ORDER);
    let mut stream = TcpStream::connect(&running.http).await.unwrap();
    stream.write_all(&whole).await.unwrap();
    running.until("the request arrives", |entries| entries.len() == 1).await;
    drop(stream);
    let mut half = TcpStream::connect(&running.http).await.unwrap();
    half.write_all(&whole[..whole.len() - 1]).await.unwrap();
    drop(half);
    let entries = running.until("it is executed", |entries| entries[0]["executed"] == true).await;
    assert_eq!(entries.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn two_in_flight_overtake_each_other() {
    let running = Running::start(Options { random_delay_ms: 50, seed: 1, ..Options::default() }).await;
    for _ in 0..6 {
        let pair = [0, 1].map(|_| running.signed("sandbox-trade", "AddOrder", ORDER));
        let (first, second) = tokio::join!(running.exchange(&pair[0]), running.exchange(&pair[1]));
        assert!(first.is_ok() && second.is_ok());
    }
    let stats = running.get("/sandbox/stats").await;
    let key = &stats["by_key"]["sandbox-trade"];
    assert!(key["refusals"]["EAPI:Invalid nonce"].as_u64().unwrap() >= 1, "{stats}");
    assert_eq!((&key["max_in_flight"], &key["in_flight"]), (&json!(2), &json!(0)));
    running.stop().await;
}

#[tokio::test]
async fn a_keys_file_adds_keys_and_a_broken_one_says_so() {
    let file = std::env::temp_dir().join(format!("tidegate-sandbox-keys-{}.json", std::process::id()));
    let mut key = json!({"label": "mine", "api_key": "mine", "secret": keys()[0].secret, "account": "mine"});
    key["permission_tokens"] = json!(["query-funds"]);
    key["nonce_unit"] = json!("us");
    std::fs::write(&file, json!({"keys": [key]}).to_string()).unwrap();
    let options = Options { keys_file: Some(file.clone()), ..Options::default() };
    let running = Running::start(options.clone()).await;
    let mut request = String::from_utf8(running.signed("sandbox-read", "Balance", "")).unwrap();
    request = request.replace("api-key: sandbox-read", "api-key: mine");
    assert_eq!(body(&running.exchange(request.as_bytes()).await.unwrap())["result"]["ZUSD"], "1000000.0000");
    running.stop().await;
    std::fs::write(&file, "{\"keys\": 1}").unwrap();
    let broken = Running::start(options).await;
    let error = broken.served.await.unwrap().unwrap_err().to_string();
    std::fs::remove_file(&file).unwrap();
    assert!(error.contains(file.to_str().unwrap()) && !error.contains('\n'), "{error}");
}
