//! A certificate authority made anew at each start, and a certificate of it for the names that a sandbox has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::Error;

/// What a TLS listener needs, and what its clients need.
pub(crate) struct Identity {
    pub(crate) server: Arc<ServerConfig>,
    /// The authority's certificate, for clients to trust.
    pub(crate) ca_pem: String,
}

/// Makes both.
pub(crate) fn make() -> Result<Identity, Error> {
    let broken = |error: rcgen::Error| Error::Certificate(error.to_string());
    let ca_key = KeyPair::generate().map_err(broken)?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "tidegate sandbox CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_pem = ca.self_signed(&ca_key).map_err(broken)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate().map_err(broken)?;
    let names = ["localhost", "sandbox"].map(str::to_owned);
    let mut leaf = CertificateParams::new(names).map_err(broken)?;
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    leaf.subject_alt_names.extend(loopback.map(SanType::IpAddress));
    leaf.distinguished_name.push(DnType::CommonName, "tidegate sandbox");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let certificate = leaf.signed_by(&key, &issuer).map_err(broken)?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Named, not the process's default: this library must not depend on who installed what before.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let refused = |error: rustls::Error| Error::Certificate(error.to_string());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .map_err(refused)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity { server: Arc::new(server), ca_pem })
}
