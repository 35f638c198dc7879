//! The container engine of this machine, asked where its images cannot be read without it: on macOS
//! they lie in a virtual machine, and Docker keeps its own to itself. Each question costs the start
//! of a program, so none is asked that a file can answer.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use serde::Deserialize;
use wharf_oci::{Digest, Platform};
use wharf_pusher::source::saved;

use crate::process::{Output, Program, RunError, Runner, is_on_path};

/// The engines, in the order in which they are looked for.
const ENGINES: [&str; 2] = ["podman", "docker"];

/// What is known of an image before it is opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Described {
    /// Its id: the digest of its config.
    pub id: Option<Digest>,
    /// Its names, in full.
    pub names: Vec<String>,
    /// What it runs on.
    pub platform: Option<Platform>,
}

/// An engine that is installed here.
#[derive(Debug, Clone)]
pub struct Engine {
    program: &'static str,
    runner: Arc<dyn Runner>,
}

/// The part of `image inspect` that is read, the same from Podman and Docker.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

impl Engine {
    /// The first engine on the PATH. Nothing is started.
    pub fn on_path(path: Option<&OsStr>, runner: &Arc<dyn Runner>) -> Option<Self> {
        let program = ENGINES.into_iter().find(|name| is_on_path(OsStr::new(name), path))?;
        Some(Self { program, runner: Arc::clone(runner) })
    }

    /// Its name, as on the command line.
    pub fn name(&self) -> &'static str {
        self.program
    }

    /// Whether its images are those of a containers/storage, which a registry can take in.
    pub fn is_podman(&self) -> bool {
        self.program == ENGINES[0]
    }

    /// What it knows of an image.
    ///
    /// # Errors
    /// It cannot be asked, or does not know the image.
    pub fn describe(&self, image: &str) -> Result<Described, RunError> {
        let program = Program::new(self.program, ["image", "inspect", "--", image]);
        let answer = self.runner.answer(&program)?;
        let Ok([inspected]) = serde_json::from_slice::<[Inspected; 1]>(&answer) else {
            let words = "its answer is not the JSON of one image".to_owned();
            return Err(RunError::Failed { program: program.to_string(), words });
        };
        Ok(inspected.into())
    }

    /// The names that are most like one that it does not know; none if it cannot be asked.
    pub fn nearest(&self, image: &str) -> Vec<String> {
        let format = "{{.Repository}}:{{.Tag}}";
        let program = Program::new(self.program, ["image", "ls", "--format", format]);
        let answer = self.runner.answer(&program).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        nearest(image, text.lines().filter(|name| !name.contains("<none>")))
    }

    /// Has it write an image as an archive.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn save(&self, image: &str) -> Result<Output, RunError> {
        self.runner.stream(&Program::new(self.program, saved::arguments(image)))
    }
}

/// Goes on as this program inside the user namespace in which the files of a rootless store can be
/// read. Returns only if that does not work.
pub fn go_on_unshared(runner: &dyn Runner, own: OsString, arguments: Vec<OsString>) -> RunError {
    let words = ["unshare".into(), own].into_iter().chain(arguments);
    runner.replace(&Program::new(ENGINES[0], words))
}

/// How many similar names a message gives.
const NEAREST_MAX: usize = 3;
/// How similar they are at least, from 0 to 1.
const LIKENESS_MIN: f64 = 0.6;

fn nearest<'a>(image: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let bare = |name: &'a str| name.strip_prefix("localhost/").unwrap_or(name);
    let likeness = |name| (strsim::jaro_winkler(image, bare(name)), name);
    let mut names: Vec<_> = names.map(likeness).filter(|(like, _)| *like >= LIKENESS_MIN).collect();
    names.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    names.into_iter().take(NEAREST_MAX).map(|(_, name)| name.to_owned()).collect()
}

impl From<Inspected> for Described {
    fn from(inspected: Inspected) -> Self {
        // Podman gives the bare number, Docker a digest.
        let hex = inspected.id.trim_start_matches("sha256:");
        let Inspected { repo_tags, os, architecture, .. } = inspected;
        let platform = Platform { os, architecture, ..Platform::default() };
        Self {
            id: format!("sha256:{hex}").parse().ok(),
            names: repo_tags.unwrap_or_default(),
            platform: Some(platform).filter(|platform| !platform.os.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::Algorithm;

    use super::*;
    use crate::process::recorded::Recorded;

    fn engine(runner: &Arc<Recorded>) -> Engine {
        Engine { program: "podman", runner: Arc::clone(runner) as _ }
    }

    #[test]
    fn an_image_is_described_by_podman_and_by_docker() {
        let id = Digest::of(Algorithm::Sha256, b"config");
        for written in [id.hex().to_owned(), id.to_string()] {
            let answer = format!(
                r#"[{{"Id":"{written}","RepoTags":["localhost/app:v1"],"Os":"linux",
                    "Architecture":"arm64","Other":{{}}}}]"#
            );
            let runner = Arc::new(Recorded::new([Ok(answer.into_bytes())]));
            let described = engine(&runner).describe("app:v1").unwrap();
            assert_eq!(described.id, Some(id));
            assert_eq!(described.names, ["localhost/app:v1"]);
            assert_eq!(described.platform.unwrap().architecture, "arm64");
            assert_eq!(runner.lines(), ["podman image inspect -- app:v1"]);
        }
        let runner = Arc::new(Recorded::new([Ok(b"[]".to_vec()), Err("no such image".into())]));
        assert!(engine(&runner).describe("app").is_err());
        assert!(engine(&runner).describe("app").unwrap_err().to_string().contains("no such image"));
    }

    #[test]
    fn an_unknown_image_is_answered_by_its_neighbours() {
        let listed = b"localhost/moon-server:v1.0.0\nlocalhost/base:1\n<none>:<none>\n".to_vec();
        let runner = Arc::new(Recorded::new([Ok(listed)]));
        let nearest = engine(&runner).nearest("moon-servr:v1.0.0");
        assert_eq!(nearest[0], "localhost/moon-server:v1.0.0");
        // An engine that cannot be asked has no neighbours, and is no error of its own.
        assert!(engine(&runner).nearest("app").is_empty());
    }

    #[test]
    fn rootless_it_goes_on_with_the_same_words() {
        let runner = Recorded::new([Err("newuidmap is missing".into())]);
        let words = ["push", "app:v1"].map(OsString::from).to_vec();
        let error = go_on_unshared(&runner, "/bin/wharf".into(), words);
        assert_eq!(runner.lines(), ["podman unshare /bin/wharf push app:v1"]);
        assert!(error.to_string().contains("newuidmap"), "{error}");
    }
}
