//! Hands an image to the container engine of this machine: Podman, or else Docker. Nothing is
//! written to disk on the way.

use thiserror::Error;
use wharf_oci::ImageReference;

use super::Image;
use super::layout::archive_into;
use crate::process::{Program, RunError, Runner};

/// The engines, in the order in which they are tried.
const ENGINES: [&str; 2] = ["podman", "docker"];

/// Why no engine has the image now.
#[derive(Debug, Error)]
pub enum EngineError {
    #[error("neither podman nor docker is on the PATH")]
    Missing,
    #[error(transparent)]
    Run(RunError),
}

/// Loads the image under a name. Gives the engine that took it.
pub fn load(
    runner: &dyn Runner,
    image: &Image,
    name: &ImageReference,
) -> Result<&'static str, EngineError> {
    for engine in ENGINES {
        let fed = runner
            .feed(&Program::new(engine, ["load"]), &mut |stdin| archive_into(image, name, stdin));
        match fed {
            Ok(()) => return Ok(engine),
            Err(RunError::Missing { .. }) => {}
            Err(error) => return Err(EngineError::Run(error)),
        }
    }
    Err(EngineError::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Architecture;
    use crate::process::recorded::Recorded;

    #[test]
    fn podman_is_asked_first_and_its_refusal_is_the_answer() {
        let image = Image::holding(b"program", Architecture::Amd64);
        let name = "localhost/wharf:1".parse().unwrap();
        let willing = Recorded::new([Ok(Vec::new())]);
        assert_eq!(load(&willing, &image, &name).unwrap(), "podman");
        let refusing = Recorded::new([Err("no space".into())]);
        let error = load(&refusing, &image, &name).unwrap_err().to_string();
        assert!(error.contains("no space"), "{error}");
        let absent = Recorded::new([]);
        assert!(matches!(load(&absent, &image, &name), Err(EngineError::Missing)));
        assert_eq!(absent.lines(), ["podman load", "docker load"]);
    }
}
