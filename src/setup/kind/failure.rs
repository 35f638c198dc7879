//! What to do about `kind create cluster` when it fails, by the words for which it is known.

/// What to do, where the words are known.
pub(super) fn hint(words: &str) -> String {
    let known = KNOWN.iter().find(|(marks, _)| marks.iter().any(|mark| words.contains(mark)));
    known.map_or(OTHERWISE, |(_, hint)| hint).to_owned()
}

const OTHERWISE: &str = "its own words are above; `wharf doctor` looks at what it needs, and `wharf up` \
                         goes on from here";

const KNOWN: [(&[&str], &str); 7] = [
    (
        &["Delegate=yes"],
        "the engine runs without root and may not manage cgroups: see \
         https://kind.sigs.k8s.io/docs/user/rootless/, or use `podman machine set --rootful`",
    ),
    (
        &["could not find a log line that matches"],
        "the node did not start: mostly too many files are watched; \
         `sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288` allows more (on \
         macOS inside `podman machine ssh`)",
    ),
    (
        &["failed to pull image", "pull access denied", "error getting credentials"],
        "the node's image cannot be had: is the network there? --node-image names one that the engine has",
    ),
    (
        &["address already in use", "port is already allocated"],
        "a port of the host that the cluster's configuration maps is taken: choose another, or stop what \
         has it",
    ),
    (
        &["invalid network mode", "is not supported: invalid network"],
        "the engine makes no bridges: see `wharf doctor`",
    ),
    (
        &["no space left on device"],
        "the engine's disk is full: `podman system prune` frees what is not used",
    ),
    (
        &["failed to init node with kubeadm", "timed out waiting for the condition"],
        "Kubernetes did not start on the node: it needs 2 GiB of memory or more (on macOS: `podman machine \
         set --memory 4096`)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_have_a_hint_of_their_own() {
        let said = "ERROR: failed to create cluster: running kind with rootless provider requires \
                    setting systemd property \"Delegate=yes\", see …";
        assert!(hint(said).contains("user/rootless"));
        let said = "ERROR: failed to create cluster: could not find a log line that matches \
                    \"Reached target .*Multi-User System.*|detected cgroup v1\"";
        assert!(hint(said).contains("inotify"));
        assert_eq!(hint("ERROR: something new"), OTHERWISE);
    }
}
