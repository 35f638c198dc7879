//! The secret that lets `wharf push`, and nobody else, have the registry take images in: a file of the
//! user's, and a secret of the engine's with the same text, which its container is given.
//!
//! The engine shows nobody what a secret of it holds, so the secret's name tells: it has the beginning of
//! the text's SHA-256 in it. Another text is another name, and never given to a container in the place of
//! the first. A file that is there already is kept and used.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use wharf_oci::ingest::{Secret, SecretError};
use wharf_oci::{Algorithm, Digest};

use super::hand;
use super::ingest::Ingest;
use super::receipt::{Made, Receipt};
use super::{Finding, SetupError, Site, Step};

/// The random bytes of a secret.
const BYTES: usize = 32;
/// How many hexadecimal digits of the text's hash are in the name: enough to tell any two apart, and far
/// too few to guess the text by.
const HASH_DIGITS: usize = 8;

/// Why there is no telling the secret.
#[derive(Debug, Error)]
pub enum HeldError {
    /// The file cannot be read.
    #[error("cannot read {file}, which holds the secret for ingest")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{file} holds no secret for ingest")]
    NoSecret {
        /// The file.
        file: String,
        /// What is wrong with it.
        #[source]
        source: SecretError,
    },
    /// The system has no random bytes.
    #[error("cannot make a secret")]
    Random(#[source] getrandom::Error),
}

/// The secret as a step.
#[derive(Debug)]
pub struct IngestSecret;

impl Step for IngestSecret {
    fn name(&self) -> &'static str {
        "ingest-secret"
    }

    fn check(&self, site: &Site) -> Result<Vec<Finding>, SetupError> {
        if Ingest::wanted(site)?.is_none() {
            return Ok(Vec::new());
        }
        let path = site.places.ingest_secret();
        let file = path.display().to_string();
        let secret = match held(site) {
            Ok(Some(secret)) => secret,
            Ok(None) => return Ok(vec![Finding::fault(file, "is missing").mended_by("make it")]),
            Err(error) => {
                let why = std::error::Error::source(&error).map(|why| format!(": {why}"));
                let words = format!("cannot be used{}", why.unwrap_or_default());
                let remedy = "remove it, and `wharf up` makes one";
                return Ok(vec![Finding::fault(file, words).left_to_you(remedy)]);
            }
        };
        let name = name(site, Some(&secret));
        if !site.engine.has_secret(&name)? {
            let words = "is missing: the registry cannot be given the one of the file";
            return Ok(vec![Finding::fault(format!("secret {name}"), words).mended_by("make it")]);
        }
        Ok(vec![match is_open(&path) {
            true => Finding::note(&file, "can be read by other users")
                .left_to_you(format!("`chmod 600 {file}`")),
            false => Finding::ok(file, "is there, and the registry can be given it"),
        }])
    }

    fn apply(&self, site: &Site) -> Result<(), SetupError> {
        if Ingest::wanted(site)?.is_none() {
            return Ok(());
        }
        let secret = match held(site)? {
            Some(secret) => secret,
            None => {
                let path = site.places.ingest_secret();
                site.note(Made::File { path: path.clone(), in_machine: false })?;
                let text = random()?;
                site.hand().write(&path, &format!("{text}\n"), 0o600)?;
                text.parse().map_err(|source| HeldError::NoSecret {
                    file: path.display().to_string(),
                    source,
                })?
            }
        };
        // In a dry run the text is not kept, and its name would mean nothing.
        let name = name(site, held(site)?.as_ref());
        match site.engine.has_secret(&name)? {
            true => Ok(()),
            false => make(site, name, &secret),
        }
    }

    fn undo(&self, site: &Site) -> Result<(), SetupError> {
        for made in site.receipt.made() {
            if let Made::Secret { name } = &made {
                remove(site, name)?;
                site.strike(&made)?;
            }
        }
        let path = site.places.ingest_secret();
        let made = Made::File { path: path.clone(), in_machine: false };
        if !site.receipt.has(&made) {
            return Ok(());
        }
        match heir(site, &made)? {
            Some(other) => {
                let path = path.display();
                site.hand().say(format_args!("{path} stays: the setup of {other} uses it too"));
            }
            None => site.hand().remove(&path)?,
        }
        site.strike(&made)
    }
}

/// Another setup that uses the file. It is that one's from now on, whose `down` removes it.
fn heir(site: &Site, file: &Made) -> Result<Option<String>, SetupError> {
    for other in site.places.other_receipts(&site.config.registry) {
        let receipt = Receipt::read(site.places.receipt(&other))?;
        if receipt.made().iter().any(|made| matches!(made, Made::Secret { .. })) {
            receipt.note(site.hand(), file.clone())?;
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// The secret in the user's file, if there is one.
///
/// # Errors
/// The file cannot be read, or holds no secret.
pub fn held(site: &Site) -> Result<Option<Secret>, HeldError> {
    let path = site.places.ingest_secret();
    let file = || path.display().to_string();
    match hand::read_text(&path) {
        Ok(text) => {
            text.parse().map(Some).map_err(|source| HeldError::NoSecret { file: file(), source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(HeldError::Read { file: file(), source }),
    }
}

/// The name of the engine's secret with that text; without one, what stands for it in a dry run.
pub fn name(site: &Site, secret: Option<&Secret>) -> String {
    let hash = |secret: &Secret| {
        let digest = Digest::of(Algorithm::Sha256, secret.exposed().as_bytes());
        digest.hex().chars().take(HASH_DIGITS).collect()
    };
    let hash = secret.map_or_else(|| "HASH".to_owned(), hash);
    format!("{}-ingest-{hash}", site.config.registry)
}

/// Makes the engine's secret anew, as the one of its name holds another text.
///
/// # Errors
/// The engine refuses.
pub fn make_anew(site: &Site, secret: &Secret) -> Result<(), SetupError> {
    let name = name(site, Some(secret));
    remove(site, &name)?;
    make(site, name, secret)
}

/// Removes the engine's secrets that are of no use any more, as the file holds another text.
///
/// # Errors
/// The engine refuses.
pub fn remove_old(site: &Site, current: &str) -> Result<(), SetupError> {
    for made in site.receipt.made() {
        match &made {
            Made::Secret { name } if name != current => remove(site, name)?,
            _ => continue,
        }
        site.strike(&made)?;
    }
    Ok(())
}

fn make(site: &Site, name: String, secret: &Secret) -> Result<(), SetupError> {
    site.note(Made::Secret { name: name.clone() })?;
    let create = site.engine.program(["secret", "create", &name, "-"]);
    let shown = format!(" <{}", site.places.ingest_secret().display());
    // Never shown itself.
    Ok(site
        .hand()
        .stream(&create, &shown, &mut |stdin| stdin.write_all(secret.exposed().as_bytes()))?)
}

fn remove(site: &Site, name: &str) -> Result<(), SetupError> {
    if site.engine.has_secret(name)? {
        site.engine.act(["secret", "rm", name])?;
    }
    Ok(())
}

/// The text of a new secret.
fn random() -> Result<String, HeldError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(HeldError::Random)?;
    Ok(STANDARD.encode(bytes))
}

/// Whether others than the owner may read a file.
fn is_open(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.permissions().mode() & 0o044 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::setup::site::tests::site;

    const INFO: &str = r#"{"host":{"arch":"amd64"},"store":{"graphRoot":"/s",
        "graphDriverName":"overlay"},"version":{"Version":"4.3.1"}}"#;

    #[test]
    fn a_secret_is_made_once_and_never_shown() {
        let (site, recorded) = site([
            ("podman info", Ok(INFO.into())),
            ("podman secret inspect", Err("Error: inspecting secret: no such secret".into())),
            ("podman secret create", Ok(b"0123\n".to_vec())),
        ]);
        assert!(IngestSecret.check(&site).unwrap()[0].mendable);
        IngestSecret.apply(&site).unwrap();
        let secret = held(&site).unwrap().unwrap();
        assert_eq!(secret.exposed().len(), 44);
        let file = site.places.ingest_secret();
        assert!(!is_open(&file));
        assert_eq!(recorded.inputs(), [secret.exposed().as_bytes()]);
        let name = name(&site, Some(&secret));
        let lines = recorded.lines();
        assert!(lines.contains(&format!("podman secret create {name} -")), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains(secret.exposed())), "{lines:?}");
        assert!(site.receipt.has(&Made::Secret { name }));

        IngestSecret.apply(&site).unwrap();
        assert_eq!(held(&site).unwrap(), Some(secret));
    }

    #[test]
    fn the_users_own_file_is_kept_and_its_mistakes_are_told() {
        let (site, _) = site([
            ("podman info", Ok(INFO.into())),
            ("podman secret inspect", Ok(b"[{}]".to_vec())),
        ]);
        let file = site.places.ingest_secret();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let check = |text: &str| {
            fs::write(&file, text).unwrap();
            IngestSecret.check(&site).unwrap().remove(0)
        };
        let open = check("a-secret-of-the-users-own");
        assert_eq!(open.fix, Some(format!("`chmod 600 {}`", file.display())));
        assert!(!open.is_fault());
        let bad = check("short");
        assert!(bad.is_fault() && !bad.mendable && bad.words.contains("at least 16"), "{bad:?}");
        assert!(IngestSecret.apply(&site).unwrap_err().hint().unwrap().contains("remove"));
        IngestSecret.undo(&site).unwrap();
        assert!(file.exists());
    }

    #[test]
    fn a_file_that_two_setups_use_goes_with_the_last() {
        let (site, _) = site([]);
        let file = site.places.ingest_secret();
        site.hand().write_aside(&file, "a-secret-of-both-setups").unwrap();
        let made = Made::File { path: file.clone(), in_machine: false };
        site.note(made.clone()).unwrap();
        let other = || Receipt::read(site.places.receipt("other")).unwrap();
        let theirs = Made::Secret { name: "other-ingest-1a2b3c4d".into() };
        other().note(site.hand(), theirs.clone()).unwrap();
        IngestSecret.undo(&site).unwrap();
        assert!(file.exists() && site.receipt.made().is_empty());
        assert!(other().has(&made));

        // The last one, beside one that takes no images in.
        other().strike(site.hand(), &theirs).unwrap();
        site.note(made.clone()).unwrap();
        IngestSecret.undo(&site).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn two_texts_are_two_names() {
        let (site, _) = site([]);
        let name = |text: &str| name(&site, Some(&text.parse().unwrap()));
        assert_ne!(name("0123456789abcdef"), name("0123456789abcdeg"));
        assert!(name("0123456789abcdef").starts_with("kind-registry-ingest-"));
    }
}
