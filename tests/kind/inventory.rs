//! What there is on the machine that a setup could have made, so that a test can say: all is as it was.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use wharf_oci::{Algorithm, Digest};

use crate::command;
use crate::podman::Podman;

/// Folders of the machine itself in which a setup may put files when root runs it.
pub(crate) const MACHINE: [&str; 2] = ["/etc/containers", "/etc/systemd/system"];

/// Things by their kind and name, as `container kind-registry`, each with what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inventory {
    things: BTreeMap<String, String>,
}

impl Inventory {
    /// Looks at the containers, images, volumes, networks and secrets of `podman`, and at the files
    /// below its home folder and in [`MACHINE`].
    pub(crate) fn take(podman: &Podman) -> Self {
        let mut inventory = Self { things: BTreeMap::new() };
        inventory.containers(podman);
        for (kind, list) in [
            (
                "image",
                ["image", "ls", "--noheading", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"],
            ),
            ("volume", ["volume", "ls", "--format", "{{.Name}} {{.CreatedAt}}", "--noheading"]),
            ("network", ["network", "ls", "--format", "{{.Name}} {{.Created}}", "--noheading"]),
            ("secret", ["secret", "ls", "--format", "{{.Name}} {{.ID}}", "--noheading"]),
        ] {
            let output = command::run(podman.podman([]).args(list));
            // The network that Podman always has is made when it is asked for, each time.
            let lines = output.lines().filter(|line| !line.starts_with("podman "));
            for (name, of) in lines.filter_map(|line| line.split_once(' ')) {
                inventory.put(format!("{kind} {name}"), of.to_owned());
            }
        }
        inventory.files(&podman.home(), Some(&podman.home()));
        for folder in MACHINE {
            inventory.files(Path::new(folder), None);
        }
        inventory
    }

    /// What differs `later`, a line each: `+ volume kind-registry-data`, `- network kind`,
    /// `~ container x: …, then …`.
    pub(crate) fn changes(&self, later: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, of) in &self.things {
            match later.things.get(name) {
                None => lines.push(format!("- {name}")),
                Some(now) if now != of => lines.push(format!("~ {name}: {of}, then {now}")),
                Some(_) => {}
            }
        }
        let new = later.things.keys().filter(|name| !self.things.contains_key(*name));
        lines.extend(new.map(|name| format!("+ {name}")));
        lines
    }

    /// Says that `later` is as this, but for changes that begin with one of `but`, each of which must
    /// have come.
    ///
    /// # Panics
    /// When it is not so, with every change.
    #[track_caller]
    pub(crate) fn assert_same(&self, later: &Self, but: &[&str]) {
        let changes = self.changes(later);
        let mut wrong = String::new();
        for change in changes.iter().filter(|it| !but.iter().any(|but| it.starts_with(but))) {
            writeln!(wrong, "  not expected: {change}").unwrap();
        }
        for but in but.iter().filter(|but| !changes.iter().any(|it| it.starts_with(**but))) {
            writeln!(wrong, "  did not come: {but}").unwrap();
        }
        assert!(wrong.is_empty(), "the machine is not as it was:\n{wrong}");
    }

    /// The files that are new `later` in the folders of [`MACHINE`].
    pub(crate) fn new_files_of_the_machine(&self, later: &Self) -> Vec<String> {
        let new = later.things.keys().filter(|name| !self.things.contains_key(*name));
        new.filter_map(|name| name.strip_prefix("file /").map(|path| format!("/{path}"))).collect()
    }

    fn put(&mut self, name: String, of: String) {
        // Images without a name share one.
        let entry = self.things.entry(name).or_default();
        if !entry.is_empty() {
            entry.push(' ');
        }
        entry.push_str(&of);
    }

    fn containers(&mut self, podman: &Podman) {
        let output = podman.run(["ps", "--all", "--format", "json"]);
        let containers: Vec<Value> = serde_json::from_str(&output).unwrap();
        for it in containers {
            let text = |field: &str| it[field].as_str().unwrap_or_default().to_owned();
            let id: String = text("Id").chars().take(12).collect();
            let of =
                format!("{id} of {}, {} since {}", text("Image"), text("State"), it["StartedAt"]);
            self.put(format!("container {}", it["Names"][0].as_str().unwrap_or_default()), of);
        }
    }

    /// Every file and link below `folder`, named from `home` if it is there.
    fn files(&mut self, folder: &Path, home: Option<&Path>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let Ok(about) = path.symlink_metadata() else { continue };
            if about.is_dir() {
                self.files(&path, home);
                continue;
            }
            let shown = home.map_or(path.as_path(), |home| path.strip_prefix(home).unwrap());
            let of = if about.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                let digest = Digest::of(Algorithm::Sha256, &fs::read(&path).unwrap_or_default());
                format!("{:o} {}", about.permissions().mode() & 0o7777, &digest.hex()[..12])
            };
            self.put(format!("file {}", shown.display()), of);
        }
    }
}
