//! The Containerfile that builds the same image where no Linux program is at hand, as on macOS.

/// The text of `Containerfile`, as it stands at the root of the sources.
pub const CONTAINERFILE: &str = include_str!("../../Containerfile");

/// The image that it builds with, unless another is given.
pub fn builder() -> Option<&'static str> {
    CONTAINERFILE.lines().find_map(|line| line.strip_prefix("ARG BUILDER="))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use serde_json::Value;

    use super::*;
    use crate::image::{Architecture, Image, Program};

    /// The lines of the last stage, as instruction and rest.
    fn last_stage() -> Vec<(&'static str, &'static str)> {
        let (_, stage) = CONTAINERFILE.rsplit_once("\nFROM scratch\n").unwrap();
        let lines = stage.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| line.split_once(' ').unwrap()).collect()
    }

    #[test]
    fn the_builder_is_named_in_full() {
        assert!(builder().unwrap().starts_with("docker.io/library/rust:"));
    }

    #[test]
    fn it_runs_as_the_image_that_the_program_writes() {
        let program =
            Program { bytes: Bytes::from_static(b"x"), architecture: Architecture::Amd64 };
        let image = Image::of(&program);
        let config: Value = serde_json::from_slice(&image.config.bytes).unwrap();
        let run = &config["config"];
        let mut stated = BTreeMap::new();
        for (instruction, rest) in last_stage() {
            stated.entry(instruction).or_insert_with(Vec::new).push(rest.replace('"', ""));
        }
        let list = |value: &Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|it| it.as_str().unwrap().into()).collect()
        };
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let listed = |items: Vec<String>| vec![format!("[{}]", items.join(", "))];
        assert_eq!(stated["ENV"], list(&run["Env"]));
        assert_eq!(stated["EXPOSE"], keys(&run["ExposedPorts"]));
        assert_eq!(stated["VOLUME"], keys(&run["Volumes"]));
        assert_eq!(stated["STOPSIGNAL"], [run["StopSignal"].as_str().unwrap()]);
        assert_eq!(stated["WORKDIR"], [run["WorkingDir"].as_str().unwrap()]);
        assert_eq!(stated["ENTRYPOINT"], listed(list(&run["Entrypoint"])));
        assert_eq!(stated["CMD"], listed(list(&run["Cmd"])));
    }
}
