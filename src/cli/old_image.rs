//! The command lines that containers of registry:2 are started with, so that changing the image's
//! name is all that a compose file or a manifest needs.
//!
//! Only the words are put in order here; what becomes of a configuration file is decided in
//! [`crate::config`].

use std::ffi::OsString;
use std::path::Path;

/// Turns `FILE.yml`, `registry serve FILE`, `/entrypoint.sh FILE` and the like into wharf's own
/// words; a command line of wharf's passes unchanged.
pub fn translate(line: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut line: Vec<OsString> = line.into_iter().collect();
    if line.get(1).is_some_and(is_program_of_old_image) {
        line.remove(1);
    }
    if line.get(1).is_some_and(is_configuration) {
        line.insert(1, "serve".into());
    }
    line
}

fn is_program_of_old_image(word: &OsString) -> bool {
    let name = Path::new(word).file_name();
    name.is_some_and(|name| name == "registry" || name == "entrypoint.sh")
}

/// The rule of the old image's entry point: a first word with this ending is a configuration.
fn is_configuration(word: &OsString) -> bool {
    let ending = Path::new(word).extension();
    ending.is_some_and(|ending| ending == "yml" || ending == "yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_of_the_old_image_become_ours() {
        for (old, ours) in [
            ("wharf serve", "wharf serve"),
            (
                "wharf serve /etc/docker/registry/config.yml",
                "wharf serve /etc/docker/registry/config.yml",
            ),
            (
                "wharf /etc/docker/registry/config.yml",
                "wharf serve /etc/docker/registry/config.yml",
            ),
            ("wharf c.yaml --listen :1", "wharf serve c.yaml --listen :1"),
            ("wharf registry serve c.yml", "wharf serve c.yml"),
            ("wharf /bin/registry serve c.yml", "wharf serve c.yml"),
            ("wharf /entrypoint.sh c.yml", "wharf serve c.yml"),
            ("wharf registry garbage-collect c.yml", "wharf garbage-collect c.yml"),
            ("wharf registry --version", "wharf --version"),
            ("wharf ls registry", "wharf ls registry"),
            ("wharf", "wharf"),
        ] {
            let words = translate(old.split(' ').map(OsString::from));
            assert_eq!(words, ours.split(' ').map(OsString::from).collect::<Vec<_>>(), "{old}");
        }
    }
}
