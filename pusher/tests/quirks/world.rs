//! A registry, its authority, and a push to it: what each test begins with, and what it ends with.

use std::io::Read;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use wharf_client::{Credential, Options, RegistryClient, Retry};
use wharf_oci::{Digest, RepositoryName, media_type};
use wharf_pusher::layer::{Compression, DigestCache};
use wharf_pusher::progress::Events;
use wharf_pusher::source::ImageSource;
use wharf_pusher::{Config, Order, Pushed, push};

use crate::authority::{Authority, IDENTITY_TOKEN, Manners, PASSWORD, Proof, USER};
use crate::behaviour::{Access, Behaviour};
use crate::image::{MemoryImage, digest};
use crate::ledger::{Host, Ledger};
use crate::registry::Registry;

/// In place of 64 MiB.
const CHUNK_BYTES: NonZeroU64 = NonZeroU64::new(192_000).unwrap();

pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) authority: Authority,
    pub(crate) ledger: Ledger,
    credential: Option<Credential>,
    /// How many uploads are going to be cut off.
    cuts: usize,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn of(behaviour: Behaviour) -> Self {
        Self::with_manners(behaviour, Manners::default()).await
    }

    pub(crate) async fn with_manners(behaviour: Behaviour, manners: Manners) -> Self {
        let ledger = Ledger::default();
        let credential = match (behaviour.access, manners.proof) {
            (Access::Open, _) => None,
            (Access::Tokens, Proof::IdentityToken) => {
                Some(Credential::IdentityToken(IDENTITY_TOKEN.to_owned()))
            }
            _ => {
                let (user, password) = (USER.to_owned(), PASSWORD.to_owned());
                Some(Credential::Password { user, password })
            }
        };
        let cuts = behaviour.cuts;
        let authority = Authority::start(manners, ledger.clone()).await;
        let (realm, grants) = (authority.address(), authority.granted());
        let registry = Registry::start(behaviour, realm, grants, ledger.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        Self { registry, authority, ledger, credential, cuts, folder }
    }

    /// What pushes have learnt, kept for the next one.
    pub(crate) fn cache(&self) -> DigestCache {
        DigestCache::open(&self.folder.path().join("cache"))
    }

    /// Pushes as the command does to registries that are not on this machine: with gzip.
    pub(crate) async fn push(
        &self,
        image: &Arc<MemoryImage>,
        name: &str,
    ) -> Result<Pushed, wharf_pusher::Error> {
        self.push_as(image, name, Compression::GZIP).await
    }

    pub(crate) async fn push_as(
        &self,
        image: &Arc<MemoryImage>,
        name: &str,
        compression: Compression,
    ) -> Result<Pushed, wharf_pusher::Error> {
        let credentials = self.credential.clone().map(|it| Arc::new(it) as _);
        let options = Options { credentials, pushes: true, ..Options::default() };
        let client = RegistryClient::connect(self.registry.address().into(), options).unwrap();
        let order = Order {
            source: Arc::clone(image) as Arc<dyn ImageSource>,
            client,
            name: repository(name),
            reference: "1.0".parse().unwrap(),
        };
        let (first, longest) = (Duration::from_millis(1), Duration::from_millis(20));
        let config = Config {
            compression,
            chunk_bytes: CHUNK_BYTES,
            cache: Some(Arc::new(self.cache())),
            retry: Retry { tries_max: 5, first, longest },
            ..Config::new(self.folder.path().to_owned())
        };
        let mut pushed = push(vec![order], &config, &Events::default()).await?;
        Ok(pushed.remove(0))
    }

    /// The image is in the repository as a whole, the tag came last, nothing is left behind, and no
    /// secret went where it does not belong.
    pub(crate) fn assert_arrived(&self, image: &MemoryImage, name: &str, pushed: &Pushed) {
        let name = repository(name);
        let manifest = self.registry.manifest(&name, "1.0").expect("the tag is there");
        assert_eq!(digest(manifest.bytes()), pushed.digest);
        let config = self.registry.blob(&name, &manifest.config().unwrap().digest);
        assert_eq!(config.as_ref(), Some(&image.config));
        assert_eq!(manifest.layers().len(), image.layers.len());
        for (layer, content) in manifest.layers().iter().zip(&image.layers) {
            let bytes = self.registry.blob(&name, &layer.digest).expect("the layer is there");
            assert_eq!((digest(&bytes), bytes.len() as u64), (layer.digest, layer.size));
            assert!(decompressed(&layer.media_type, &bytes) == *content);
        }
        let all = self.ledger.all();
        let is_change = |method: &Method| ![Method::GET, Method::HEAD].contains(method);
        let last = all.iter().rfind(|seen| is_change(&seen.method) && seen.host != Host::Realm);
        let last = last.expect("something was changed");
        assert_eq!(
            (&last.method, &*last.target),
            (&Method::PUT, &*format!("/v2/{name}/manifests/1.0"))
        );
        assert_eq!(self.registry.cuts(), self.cuts, "not cut off as it should be");
        assert_eq!(self.registry.open_sessions(), 0, "an upload was left behind");
        self.assert_secrets_kept();
    }

    /// Each secret went to whom it is for, and to nobody else.
    pub(crate) fn assert_secrets_kept(&self) {
        let basic = {
            use base64::Engine;
            base64::prelude::BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"))
        };
        let tokens = self.authority.tokens();
        for seen in self.ledger.all() {
            let line = format!("{:?}: {} {}", seen.host, seen.method, seen.target);
            // A password goes to a realm, or, where there is none, to the registry itself.
            let is_for_login = if tokens.is_empty() { Host::Registry } else { Host::Realm };
            for secret in [PASSWORD, &basic, IDENTITY_TOKEN] {
                assert!(seen.host == is_for_login || !seen.holds(secret), "a login in {line}");
            }
            for token in &tokens {
                assert!(seen.host == Host::Registry || !seen.holds(token), "a token in {line}");
            }
            assert!(seen.host != Host::Storage || !seen.is_authorized(), "{line}");
        }
    }
}

pub(crate) fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

/// A layer as it was before it was compressed.
fn decompressed(media_type: &str, bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    match media_type {
        media_type::OCI_LAYER_GZIP => {
            flate2::read::GzDecoder::new(bytes).read_to_end(&mut content).unwrap();
            content
        }
        media_type::OCI_LAYER_ZSTD => zstd::decode_all(bytes).unwrap(),
        _ => bytes.to_vec(),
    }
}

/// The digest of a layer in its compressed form.
pub(crate) fn compressed(layer: &[u8], compression: Compression) -> (Vec<u8>, Digest) {
    let mut bytes = Vec::new();
    let made = wharf_pusher::layer::compress(layer, compression, 1, &mut bytes, |_, _| ()).unwrap();
    (bytes, made.digest)
}
