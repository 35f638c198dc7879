//! What a check found, in plain words.

use serde::Serialize;

/// How good or bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing is broken.
    Note,
    /// Broken, or missing: something that should work does not.
    Fault,
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it was found at: a node, a container, a file.
    #[serde(rename = "object")]
    pub about: String,
    /// What was found, in a sentence without a full stop: "hosts.toml is missing".
    #[serde(rename = "finding")]
    pub words: String,
    /// What mends it, as an order: "write hosts.toml", "run `podman machine start`".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Whether the step's `apply` does that by itself; a person has to do it otherwise.
    pub mendable: bool,
}

impl Finding {
    /// All is well.
    pub fn ok(about: impl Into<String>, words: impl Into<String>) -> Self {
        let (about, words) = (about.into(), words.into());
        Self { level: Level::Ok, about, words, fix: None, mendable: false }
    }

    /// Worth knowing.
    pub fn note(about: impl Into<String>, words: impl Into<String>) -> Self {
        Self { level: Level::Note, ..Self::ok(about, words) }
    }

    /// Broken; see [`Self::mended_by`] and [`Self::left_to_you`].
    pub fn fault(about: impl Into<String>, words: impl Into<String>) -> Self {
        Self { level: Level::Fault, ..Self::ok(about, words) }
    }

    /// The same, with the fix that the step applies.
    pub fn mended_by(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), mendable: true, ..self }
    }

    /// The same, with the fix that only a person can apply.
    pub fn left_to_you(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), mendable: false, ..self }
    }

    /// Whether it is a fault.
    pub fn is_fault(&self) -> bool {
        self.level == Level::Fault
    }
}
