//! What an engine says of itself and its machine, in one answer.

use serde::Deserialize;

use super::{Engine, EngineError, Kind};
use crate::process::RunError;

/// An engine and its machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// Its version, as `4.3.1`.
    pub version: String,
    /// Whether it runs in another machine than this program: a virtual machine, on macOS.
    pub is_remote: bool,
    /// Whether it runs without root.
    pub is_rootless: bool,
    /// Whether `SELinux` keeps its containers from files without their label.
    pub has_selinux: bool,
    /// The processor of its machine, as images name it: `amd64`, `arm64`.
    pub architecture: String,
    /// `v1` or `v2`.
    pub cgroup_version: String,
    /// The controllers of cgroups that it may use.
    pub cgroup_controllers: Vec<String>,
    /// `netavark` or `cni`; empty where it does not say.
    pub network_backend: String,
    /// Where its images lie, in its machine; nothing where that is nobody's business (Docker).
    pub graph_root: Option<String>,
    /// The driver of that store.
    pub graph_driver: String,
}

#[derive(Deserialize)]
struct Podman {
    host: Host,
    store: Store,
    version: Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Host {
    arch: String,
    #[serde(default)]
    service_is_remote: bool,
    #[serde(default)]
    security: Security,
    #[serde(default)]
    cgroup_version: String,
    #[serde(default)]
    cgroup_controllers: Option<Vec<String>>,
    #[serde(default)]
    network_backend: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Security {
    #[serde(default)]
    rootless: bool,
    #[serde(default)]
    selinux_enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    graph_root: String,
    #[serde(default)]
    graph_driver_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    /// It does not fail where its daemon is silent, but says so in here.
    #[serde(default)]
    server_errors: Option<Vec<String>>,
    #[serde(default)]
    server_version: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    operating_system: String,
    #[serde(default)]
    cgroup_version: String,
    #[serde(default)]
    security_options: Option<Vec<String>>,
    #[serde(default)]
    driver: String,
}

/// Asks it.
pub(super) fn read(engine: &Engine) -> Result<Info, EngineError> {
    let format = match engine.kind() {
        Kind::Podman => "json",
        Kind::Docker => "{{json .}}",
    };
    let program = engine.program(["info", "--format", format]);
    let answer = engine.hand().ask(&program)?;
    let read = match engine.kind() {
        Kind::Podman => serde_json::from_slice::<Podman>(&answer).map(Info::from),
        Kind::Docker => match serde_json::from_slice::<Docker>(&answer) {
            Ok(Docker { server_errors: Some(words), .. }) if !words.is_empty() => {
                let (program, words) = (program.to_string(), words.join("; "));
                return Err(RunError::Failed { program, words }.into());
            }
            read => read.map(Info::from),
        },
    };
    read.map_err(|source| EngineError::Answer { program: program.to_string(), source })
}

impl From<Podman> for Info {
    fn from(Podman { host, store, version }: Podman) -> Self {
        Self {
            version: version.version,
            // The service says it of itself: a client on another system talks to one, too.
            is_remote: host.service_is_remote || cfg!(not(target_os = "linux")),
            is_rootless: host.security.rootless,
            has_selinux: host.security.selinux_enabled,
            architecture: host.arch,
            cgroup_version: host.cgroup_version,
            cgroup_controllers: host.cgroup_controllers.unwrap_or_default(),
            network_backend: host.network_backend,
            graph_root: Some(store.graph_root),
            graph_driver: store.graph_driver_name,
        }
    }
}

impl From<Docker> for Info {
    fn from(docker: Docker) -> Self {
        let options = docker.security_options.unwrap_or_default();
        Self {
            version: docker.server_version,
            is_remote: cfg!(not(target_os = "linux"))
                || docker.operating_system.contains("Docker Desktop"),
            is_rootless: options.iter().any(|option| option.contains("rootless")),
            has_selinux: options.iter().any(|option| option.contains("selinux")),
            architecture: match docker.architecture.as_str() {
                "x86_64" => "amd64".into(),
                "aarch64" => "arm64".into(),
                other => other.into(),
            },
            cgroup_version: format!("v{}", docker.cgroup_version),
            cgroup_controllers: Vec::new(),
            network_backend: String::new(),
            graph_root: None,
            graph_driver: docker.driver,
        }
    }
}
