//! One connection to one server, with login, TLS and a limit of time.

use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::config::{RedisAddr, RedisLogin, RedisTls};
use crate::store::StoreError;

/// How servers of one kind are called.
#[derive(Clone)]
pub(super) struct Dialer {
    login: RedisConnectionInfo,
    tls: Option<TlsCertificates>,
    timeout: Duration,
}

impl Dialer {
    /// # Errors
    /// When the certificates cannot be used. What is in them is not repeated.
    pub(super) fn new(
        login: &RedisLogin,
        database: i64,
        tls: Option<&RedisTls>,
        timeout_ms: u64,
    ) -> Result<Self, StoreError> {
        let mut info = RedisConnectionInfo::default().set_db(database);
        if let Some(user) = &login.user {
            info = info.set_username(user);
        }
        if let Some(password) = &login.password {
            info = info.set_password(password);
        }
        let tls = tls.map(|tls| TlsCertificates {
            client_tls: tls
                .client_pem
                .clone()
                .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key }),
            root_cert: tls.ca_pem.clone(),
        });
        if tls.is_some() && rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(StoreError::BadAddress { reason: "no TLS provider is installed".to_owned() });
        }
        let dialer = Self { login: info, tls, timeout: Duration::from_millis(timeout_ms.max(1)) };
        // Certificates that are no such thing are found now, not at the first connection.
        let ca = dialer.tls.as_ref().and_then(|tls| tls.root_cert.as_deref());
        let ca_fits = ca.is_none_or(|pem| matches!(CertificateDer::pem_slice_iter(pem).next(), Some(Ok(_))));
        let probe = dialer.client(&RedisAddr { host: "127.0.0.1".to_owned(), port: 6379 });
        if !ca_fits || probe.is_err() {
            let reason =
                "the certificates for TLS cannot be used: they must be PEM, with the key of the certificate";
            return Err(StoreError::BadAddress { reason: reason.to_owned() });
        }
        Ok(dialer)
    }

    /// The address and login of a URL.
    ///
    /// # Errors
    /// When it is none. Nothing of it is repeated, for it may hold a password.
    pub(super) fn from_url(
        url: &str,
        tls: &RedisTls,
        timeout_ms: u64,
    ) -> Result<(RedisAddr, Self), StoreError> {
        let bad = || StoreError::BadAddress {
            reason: "expected redis[s]://[user:password@]host[:port][/database]".to_owned(),
        };
        let info = url.into_connection_info().map_err(|_| bad())?;
        let (host, port, encrypted) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host, *port, false),
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => (host, *port, true),
            _ => return Err(bad()),
        };
        let said = info.redis_settings();
        let login = RedisLogin {
            user: said.username().map(str::to_owned),
            password: said.password().map(str::to_owned),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let dialer = Self::new(&login, said.db(), encrypted.then_some(tls), timeout_ms)?;
        Ok((RedisAddr { host, port }, dialer))
    }

    fn client(&self, addr: &RedisAddr) -> RedisResult<Client> {
        let host = addr.host.clone();
        let target = match &self.tls {
            None => ConnectionAddr::Tcp(host, addr.port),
            Some(_) => ConnectionAddr::TcpTls { host, port: addr.port, insecure: false, tls_params: None },
        };
        let info = target.into_connection_info()?.set_redis_settings(self.login.clone());
        match &self.tls {
            None => Client::open(info),
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
        }
    }

    /// Connects and logs in.
    pub(super) async fn connect(&self, addr: &RedisAddr) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        self.client(addr)?.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Connects, logs in and listens to a channel.
    pub(super) async fn subscribe(&self, addr: &RedisAddr, channel: &str) -> RedisResult<PubSub> {
        let client = self.client(addr)?;
        let listening = async {
            let mut subscription = client.get_async_pubsub().await?;
            subscription.subscribe(channel).await?;
            Ok(subscription)
        };
        tokio::time::timeout(self.timeout, listening).await.unwrap_or_else(|_| Err(timed_out()))
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// The library's own words for an answer that did not come.
pub(super) fn timed_out() -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
}

/// Of the errors of a pipeline the first, with its words, which the library keeps to itself otherwise.
pub(super) fn plain(error: RedisError) -> RedisError {
    let first =
        error.clone().into_server_errors().and_then(|all| all.first().map(|(_, first)| first.clone()));
    first.map_or(error, RedisError::from)
}

/// Whether a server refused the login, and not the command.
pub(super) fn is_login(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
}
