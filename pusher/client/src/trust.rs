//! What a TLS connection to a registry stands on: the roots of the system and the certificates that
//! the user named, read into the configuration of rustls.
//!
//! It refuses to guess: a file that was named and holds no certificate is an error. The roots of the
//! system are read when the first TLS connection is made, and never for a registry of plain HTTP.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::sync::OnceCell;

use crate::error::{BoxError, Error};
use crate::options::Trust;

/// What is known about TLS before a connection needs it.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    insecure: bool,
    /// Trusted beside the system's roots.
    extra: Vec<CertificateDer<'static>>,
    /// Shown to a registry that asks for it.
    identity: Option<Identity>,
    config: OnceCell<Arc<ClientConfig>>,
}

#[derive(Debug)]
struct Identity {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    /// Reads what `trust` names for the registry that is called `name`.
    pub(crate) fn read(trust: &Trust, name: &str) -> Result<Self, Error> {
        let mut extra = Vec::new();
        for file in &trust.ca {
            extra.extend(certificates(file)?);
        }
        let mut identity = None;
        if let Some(folder) = trust.certs_d.iter().map(|it| it.join(name)).find(|it| it.is_dir()) {
            for file in files(&folder)? {
                match file.extension().and_then(OsStr::to_str) {
                    Some("crt") => extra.extend(certificates(&file)?),
                    Some("cert") if identity.is_none() => identity = Some(Identity::read(file)?),
                    _ => {}
                }
            }
        }
        Ok(Self { insecure: trust.insecure, extra, identity, config: OnceCell::new() })
    }

    /// Whether certificates were named for this registry.
    pub(crate) fn is_named(&self) -> bool {
        !self.extra.is_empty() || self.identity.is_some()
    }

    /// The configuration of every connection.
    pub(crate) async fn config(self: &Arc<Self>) -> Result<Arc<ClientConfig>, BoxError> {
        let make = || async {
            let tls = Arc::clone(self);
            // The system's roots are some hundred files or a large one.
            tokio::task::spawn_blocking(move || tls.make()).await?.map(Arc::new)
        };
        self.config.get_or_try_init(make).await.cloned()
    }

    fn make(&self) -> Result<ClientConfig, BoxError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if self.insecure {
            Arc::new(AnyCertificate(Arc::clone(&provider)))
        } else {
            self.verifier(&provider)?
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        Ok(match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { path, chain, key }) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(|source| {
                    Error::Certificate { path: path.clone(), source: source.into() }
                })?
            }
        })
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, BoxError> {
        let mut roots = RootCertStore::empty();
        // A machine without roots, like an empty container, trusts only what is named.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(self.extra.iter().cloned());
        if roots.is_empty() {
            return Err("this machine has no certificates of authorities".into());
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
        let (chains, named) = (verifier.build()?, self.extra.clone());
        Ok(Arc::new(ChainOrNamed { chains, named }))
    }
}

impl Identity {
    fn read(path: PathBuf) -> Result<Self, Error> {
        let chain = certificates(&path)?;
        let key_path = path.with_extension("key");
        let key = PrivateKeyDer::from_pem_file(&key_path).map_err(|error| bad(&key_path, error))?;
        Ok(Self { path, chain, key })
    }
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source: io::Error| Error::Certificate {
        path: folder.to_path_buf(),
        source: source.into(),
    };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut files: Vec<_> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(unreadable)?;
    files.sort();
    Ok(files)
}

/// The certificates of a file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(certificates) if certificates.is_empty() => Err(bad(path, pem::Error::NoItemsFound)),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(bad(path, error)),
    }
}

fn bad(path: &Path, error: pem::Error) -> Error {
    let source: BoxError = match error {
        pem::Error::Io(error) => error.into(),
        pem::Error::NoItemsFound => "it holds none in PEM".into(),
        error => error.into(),
    };
    Error::Certificate { path: path.to_path_buf(), source }
}

/// A chain up to a root; or a certificate that the user has named itself, as `openssl req -x509`
/// makes them: those call themselves an authority, and no authority may be the end of a chain.
#[derive(Debug)]
struct ChainOrNamed {
    chains: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for ChainOrNamed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match chain {
            // Its dates were looked at before these could be found; its name was not.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Other(_) | CertificateError::UnknownIssuer,
            )) if self.named.iter().any(|named| named == end_entity) => {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            chain => chain,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Any certificate at all, as the user has asked for. Whoever answers must still hold its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
