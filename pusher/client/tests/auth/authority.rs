//! An authority of certificates, made for one test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), certificate, folder }
    }

    /// A file with its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The settings of a server of that name.
    pub(crate) fn server(&self, host: &str) -> Arc<ServerConfig> {
        let (certificate, key) = self.sign(host, ExtendedKeyUsagePurpose::ServerAuth);
        let builder = builder().with_no_client_auth();
        Arc::new(builder.with_single_cert(vec![certificate.der().clone()], der(&key)).unwrap())
    }

    /// The settings of a server of that name, which lets no client in that this authority has not
    /// signed.
    pub(crate) fn strict_server(&self, host: &str) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let (certificate, key) = self.sign(host, ExtendedKeyUsagePurpose::ServerAuth);
        let builder = builder().with_client_cert_verifier(verifier.build().unwrap());
        Arc::new(builder.with_single_cert(vec![certificate.der().clone()], der(&key)).unwrap())
    }

    /// Writes what a client shows to a strict server: `client.cert` and `client.key`.
    pub(crate) fn write_client(&self, folder: &Path) {
        let (certificate, key) = self.sign("client", ExtendedKeyUsagePurpose::ClientAuth);
        std::fs::write(folder.join("client.cert"), certificate.pem()).unwrap();
        std::fs::write(folder.join("client.key"), key.serialize_pem()).unwrap();
    }

    fn sign(&self, host: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// A certificate as `openssl req -x509` makes it: signed by itself, and said to be an authority.
/// Gives the settings of its server, and its file.
pub(crate) fn self_signed(
    host: &str,
    folder: &Path,
    change: impl FnOnce(&mut CertificateParams),
) -> (Arc<ServerConfig>, PathBuf) {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let file = folder.join("registry.crt");
    std::fs::write(&file, certificate.pem()).unwrap();
    let builder = builder().with_no_client_auth();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    (Arc::new(builder.with_single_cert(chain, der(&key)).unwrap()), file)
}

fn builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = ServerConfig::builder_with_provider(Arc::new(provider));
    builder.with_safe_default_protocol_versions().unwrap()
}

fn der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}
