//! containerd on a node: started anew as Kind itself does it, which pods outlive, and waited for.

use std::time::Duration;

use super::Node;
use crate::setup::{SetupError, Site};

/// What Kind runs after it wrote containerd's configuration.
const RESTART: &str = "! pgrep --exact containerd || systemctl restart containerd";
/// Ends when the kubelet's side of containerd answers; says why it does not after half a minute or so.
const WAIT: &str = "for attempt in $(seq 150); do crictl images -q >/dev/null 2>&1 && exit; sleep 0.2; \
                    done; crictl images -q >/dev/null";
/// How long that may take where each attempt hangs.
const WAIT_MAX: Duration = Duration::from_secs(180);

/// Has containerd read its configuration, and waits until it answers.
///
/// # Errors
/// It does not come back.
pub fn restart(site: &Site, node: &Node) -> Result<(), SetupError> {
    site.engine.exec(node.name(), &["bash", "-c", RESTART], &[])?;
    wait(site, node)
}

/// The same where its unit or a drop-in of it changed, or where it does not run.
///
/// # Errors
/// It does not come back.
pub fn reload(site: &Site, node: &Node) -> Result<(), SetupError> {
    site.engine.exec(node.name(), &["systemctl", "daemon-reload"], &[])?;
    site.engine.exec(node.name(), &["systemctl", "restart", "containerd"], &[])?;
    wait(site, node)
}

/// Waits until containerd answers as it answers a kubelet.
///
/// # Errors
/// It does not within half a minute.
pub fn wait(site: &Site, node: &Node) -> Result<(), SetupError> {
    if site.hand().is_dry() {
        return Ok(());
    }
    let program = site.engine.program(["exec", node.name(), "sh", "-c", WAIT]);
    let said = match site.hand().ask_within(&program, WAIT_MAX) {
        Ok(_) => return Ok(()),
        Err(error) => error.said()?,
    };
    Err(SetupError::Broken {
        what: format!("containerd on {} does not answer: {said}", node.name()),
        hint: format!(
            "its own words: {} exec {} journalctl --unit containerd --lines 20",
            site.engine.kind().program(),
            node.name()
        ),
    })
}
