//! A Redis behind TLS, with certificates made anew for each server.

use std::path::Path;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::ask::Access;
use super::launch::Launch;
use super::server::RedisServer;

/// What a server needs, and what its clients need.
struct Certificates {
    ca_pem: String,
    certificate_pem: String,
    key_pem: String,
}

/// An authority and a certificate of it for this machine, by name and by address.
fn certificates() -> Result<Certificates, rcgen::Error> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "a test's authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(["localhost".to_owned()])?;
    leaf.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    leaf.distinguished_name.push(DnType::CommonName, "a test's Redis");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let certificate_pem = leaf.signed_by(&key, &issuer)?.pem();
    Ok(Certificates { ca_pem, certificate_pem, key_pem: key.serialize_pem() })
}

impl RedisServer {
    /// Starts one without persistence that speaks TLS only, and asks clients for no certificate.
    pub async fn start_tls(dir: &Path) -> anyhow::Result<Self> {
        let made = certificates()?;
        let name = format!("tls-{}", uuid::Uuid::new_v4().simple());
        let mut lines = Vec::new();
        let mut write = |what: &str, setting: &str, pem: String| -> anyhow::Result<_> {
            let file = std::path::absolute(dir.join(format!("{name}-{what}.pem")))?;
            std::fs::write(&file, pem)?;
            lines.push(format!("{setting} \"{}\"", file.to_str().context("a path in UTF-8")?));
            Ok(file)
        };
        let ca_file = write("ca", "tls-ca-cert-file", made.ca_pem)?;
        write("certificate", "tls-cert-file", made.certificate_pem)?;
        write("key", "tls-key-file", made.key_pem)?;
        lines.push("tls-auth-clients no".to_owned());
        let mut launch = Launch::plain();
        launch.lines.extend(lines);
        launch.tls = true;
        launch.access = Access { ca_file: Some(ca_file), ..Access::default() };
        Self::launch(dir, launch).await
    }

    /// The certificate of the authority that vouches for it, for clients to trust; none without TLS.
    pub fn ca_file(&self) -> Option<&Path> {
        self.launch.access.ca_file.as_deref()
    }
}
