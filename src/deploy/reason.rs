//! Why a pod does not run, as a person is told: Kubernetes' word, what it means, what was said, the
//! last lines of a log, and what to do. The words alone; they are asked for in `evidence`.

use std::fmt;

use serde::Serialize;

use super::pod::{Kind, Trouble};
use super::pull::meaning;

/// What was found beside what the pod says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The events' messages, the newest last, each with its reason.
    pub events: Vec<(String, String)>,
    /// The last lines of the log of the container that ended.
    pub log: Vec<String>,
}

/// Why a pod does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The pod; or, where there is none, what should make it.
    pub object: String,
    /// Which container of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Kubernetes' word: `ImagePullBackOff`.
    pub reason: String,
    /// What that is, in plain words.
    pub words: String,
    /// What was said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// What that means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// The last lines of the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Reason {
    /// What a trouble is, with all that is known of it.
    pub fn of(trouble: &Trouble, evidence: &Evidence) -> Self {
        let mut reason = Self {
            object: trouble.pod.clone(),
            container: trouble.container.clone(),
            reason: trouble.reason.clone(),
            words: words(trouble),
            said: Some(trouble.message.clone()).filter(|said| !said.is_empty()),
            meaning: None,
            log: evidence.log.clone(),
            hint: None,
        };
        let event = |reasons: &[&str]| {
            let mut fitting = evidence.events.iter().rev();
            let fitting = fitting.find(|(reason, _)| reasons.contains(&reason.as_str()));
            fitting.map(|(_, message)| message.clone())
        };
        match &trouble.kind {
            Kind::Pull { .. } => {
                // The pod itself often says only that it waits; the event has the error.
                let pulled = evidence.events.iter().rev().map(|(_, message)| message);
                let mut pulled = pulled.filter(|it| it.starts_with("Failed to pull image"));
                reason.said = pulled.next().cloned().or(reason.said);
                reason.explain(&trouble.reason);
            }
            Kind::Config => {
                reason.said = reason.said.or_else(|| event(&["Failed"]));
                reason.explain_config(&trouble.reason);
            }
            Kind::Start => {
                let event = event(&["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"]);
                reason.said = event.or(reason.said);
            }
            Kind::Readiness => reason.said = event(&["Unhealthy"]).or(reason.said),
            Kind::Crash { end, .. } => {
                let memory = "it takes more memory than the limit in its manifest; raise that";
                reason.hint = (end == "OOMKilled").then(|| memory.to_owned());
            }
            Kind::Schedule => reason.hint = Some(scheduling(&trouble.message).to_owned()),
        }
        reason
    }

    /// Nothing makes pods: what the workload says of itself.
    pub fn of_workload(workload: &str, reason: &str, message: &str) -> Self {
        Self {
            object: workload.to_owned(),
            container: None,
            reason: reason.to_owned(),
            words: "its pods are not made".to_owned(),
            said: Some(message.to_owned()).filter(|said| !said.is_empty()),
            meaning: None,
            log: Vec::new(),
            hint: None,
        }
    }

    fn explain(&mut self, reason: &str) {
        let said = self.said.as_deref().unwrap_or_default();
        if let Some(meaning) = meaning(reason, said) {
            self.meaning = Some(meaning.words.to_owned());
            self.hint = Some(meaning.hint.to_owned());
        }
    }

    fn explain_config(&mut self, reason: &str) {
        let said = self.said.as_deref().unwrap_or_default();
        if said.contains("exec format error") {
            self.explain(reason);
        } else if said.contains("not found") && reason == "CreateContainerConfigError" {
            let hint = "apply the ConfigMap or Secret too, or make it: kubectl create";
            self.hint = Some(hint.to_owned());
        }
    }
}

/// What a trouble is, in plain words.
fn words(trouble: &Trouble) -> String {
    match &trouble.kind {
        Kind::Pull { image } => format!("the image {image} cannot be had"),
        Kind::Crash { restarts, code, end } => {
            let times = match restarts {
                0 => String::new(),
                1 => ", and was started again once".to_owned(),
                more => format!(", and was started again {more} times"),
            };
            let how = match (end.as_str(), code) {
                ("" | "Error", Some(code)) => format!(" with exit code {code}"),
                ("" | "Error", None) => String::new(),
                (end, Some(code)) => format!(" with exit code {code} ({end})"),
                (end, None) => format!(" ({end})"),
            };
            format!("the program ends{how}{times}")
        }
        Kind::Config => "the container cannot be made as its manifest describes it".to_owned(),
        Kind::Schedule => "no node can take it".to_owned(),
        Kind::Start => "it is not made yet".to_owned(),
        Kind::Readiness => "it runs, and is not ready".to_owned(),
    }
}

/// What to do about a pod that no node takes.
fn scheduling(message: &str) -> &'static str {
    if message.contains("Insufficient") {
        "ask for less in `resources: requests`, or give the cluster more: on macOS `podman machine set`"
    } else if message.contains("taint") {
        "give the cluster a worker, or the pod a toleration"
    } else {
        "look at nodeSelector, affinity and volumes in its manifest"
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object)?;
        if let Some(container) = &self.container {
            write!(f, " (container {container})")?;
        }
        write!(f, ": {}: {}", self.reason, self.words)?;
        if let Some(said) = &self.said {
            write!(f, "\n  it says: {}", said.trim().replace('\n', "\n           "))?;
        }
        if let Some(meaning) = &self.meaning {
            write!(f, "\n  that is: {meaning}")?;
        }
        if !self.log.is_empty() {
            write!(f, "\n  the last lines of its log:")?;
            self.log.iter().try_for_each(|line| write!(f, "\n    | {line}"))?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  to do: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(kind: Kind, reason: &str, message: &str) -> Trouble {
        Trouble {
            pod: "moon-1".into(),
            container: Some("moon".into()),
            kind,
            reason: reason.into(),
            message: message.into(),
        }
    }

    #[test]
    fn the_event_tells_more_than_the_pod_of_a_pull() {
        let pull = Kind::Pull { image: "moon:v1".into() };
        let events = [
            ("Failed", "Failed to pull image \"moon:v1\": not found"),
            ("Failed", "Error: ImagePullBackOff"),
        ];
        let events = events.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
        let evidence = Evidence { events, ..Evidence::default() };
        let told = Reason::of(&trouble(pull, "ImagePullBackOff", "Back-off pulling"), &evidence)
            .to_string();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(
            lines[0],
            "moon-1 (container moon): ImagePullBackOff: the image moon:v1 cannot be had"
        );
        assert_eq!(lines[1], "  it says: Failed to pull image \"moon:v1\": not found");
        assert!(lines[2].contains("the registry has no image"), "{told}");
        assert!(lines[3].starts_with("  to do: push it"), "{told}");
    }

    #[test]
    fn a_crash_comes_with_its_last_words() {
        let crash = Kind::Crash { restarts: 2, code: Some(1), end: "Error".into() };
        let evidence = Evidence { log: vec!["no DATABASE_URL".into()], ..Evidence::default() };
        let told = Reason::of(&trouble(crash, "CrashLoopBackOff", ""), &evidence).to_string();
        assert_eq!(
            told,
            "moon-1 (container moon): CrashLoopBackOff: the program ends with exit code 1, and was \
             started again 2 times\n  the last lines of its log:\n    | no DATABASE_URL"
        );
        let memory = Kind::Crash { restarts: 1, code: Some(137), end: "OOMKilled".into() };
        let told =
            Reason::of(&trouble(memory, "CrashLoopBackOff", ""), &Evidence::default()).to_string();
        assert!(told.contains("137 (OOMKilled)") && told.contains("memory"), "{told}");
    }

    #[test]
    fn what_a_pod_waits_for_is_told_from_its_events() {
        let event = |reason: &str, message: &str| Evidence {
            events: vec![(reason.to_owned(), message.to_owned())],
            ..Evidence::default()
        };
        let told = |kind, reason: &str, message: &str, evidence: &Evidence| {
            Reason::of(&trouble(kind, reason, message), evidence).to_string()
        };
        let probe = event("Unhealthy", "Readiness probe failed: 503");
        assert!(told(Kind::Readiness, "NotReady", "", &probe).contains("503"));
        let mount = event("FailedMount", "configmap \"x\" not found");
        assert!(told(Kind::Start, "ContainerCreating", "", &mount).contains("configmap"));
        let config =
            told(Kind::Config, "CreateContainerConfigError", "secret \"x\" not found", &probe);
        assert!(config.contains("Secret too"), "{config}");
        let cpu = told(Kind::Schedule, "Unschedulable", "1 Insufficient cpu", &probe);
        assert!(cpu.contains("requests"), "{cpu}");
    }
}
