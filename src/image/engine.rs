//! Hands an image to the container engine of this machine: Podman, or else Docker. Nothing is
//! written to disk on the way.

use std::io;
use std::process::{Child, Command, Stdio};

use thiserror::Error;
use wharf_oci::ImageReference;

use super::Image;
use super::layout::archive_into;

/// The engines, in the order in which they are looked for.
const ENGINES: [&str; 2] = ["podman", "docker"];

/// Why no engine has the image now.
#[derive(Debug, Error)]
pub enum EngineError {
    #[error("neither podman nor docker is on the PATH")]
    Missing,
    #[error("cannot run `{engine} load`")]
    Run {
        engine: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("`{engine} load` failed: {output}")]
    Failed { engine: &'static str, output: String },
}

/// Loads the image under a name. Gives the engine that took it.
pub fn load(image: &Image, name: &ImageReference) -> Result<&'static str, EngineError> {
    for engine in ENGINES {
        match start(engine) {
            Ok(child) => return feed(child, engine, image, name).map(|()| engine),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(EngineError::Run { engine, source }),
        }
    }
    Err(EngineError::Missing)
}

fn start(engine: &str) -> io::Result<Child> {
    Command::new(engine)
        .arg("load")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

fn feed(
    mut child: Child,
    engine: &'static str,
    image: &Image,
    name: &ImageReference,
) -> Result<(), EngineError> {
    // An engine says little while it reads, less than a pipe holds; its exit tells more than a
    // broken pipe, so that is looked at first.
    let fed = child.stdin.take().map_or(Ok(()), |stdin| archive_into(image, name, stdin));
    let output = child.wait_with_output().map_err(|source| EngineError::Run { engine, source })?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(EngineError::Failed { engine, output });
    }
    fed.map_err(|source| EngineError::Run { engine, source })
}
