//! What the error of a pull means, in plain words, and what to do about it. The errors are those that
//! containerd gives to the kubelet, which shows them in events.

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// What happened.
    pub words: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

const NOT_THERE: Meaning = Meaning {
    words: "the registry has no image of that name and tag or digest",
    hint: "push it: wharf push; `wharf ls` shows what is there",
};

/// Errors by their words, and what they mean; the first that fits counts.
const MEANINGS: &[(&[&str], Meaning)] = &[
    (
        &["ErrImageNeverPull"],
        Meaning {
            words: "the manifest forbids pulling (imagePullPolicy: Never), and the node does not have it",
            hint: "take imagePullPolicy out of the manifest, or bring the image to the nodes: wharf load",
        },
    ),
    (
        &["InvalidImageName"],
        Meaning {
            words: "the manifest's name of the image is not one",
            hint: "write it as in wharf.toml: lower case, as moon-server:v1.0.0",
        },
    ),
    (
        &["server gave HTTP response to HTTPS client"],
        Meaning {
            words: "the node asks the registry by HTTPS, which speaks plain HTTP: its hosts.toml is \
                    missing or wrong; containerd 1.x says this, too, where only the tag is missing",
            hint: "mend the node: wharf doctor --fix; and see whether the image is there: wharf ls",
        },
    ),
    (
        &["proxyconnect"],
        Meaning {
            words: "the node asks a proxy for the registry, which does not know it",
            hint: "let the node go past the proxy: wharf doctor --fix",
        },
    ),
    (
        &["x509:"],
        Meaning {
            words: "the node does not trust the registry's certificate",
            hint: "see what it should trust: wharf doctor",
        },
    ),
    (
        &["400 Bad Request"],
        Meaning {
            words: "the registry speaks TLS, and the node plain HTTP",
            hint: "mend the node: wharf doctor --fix",
        },
    ),
    (
        &["no such host"],
        Meaning {
            words: "the node does not find the registry by its name: it does not run, or is not on the \
                    nodes' network",
            hint: "bring it back: wharf up",
        },
    ),
    (
        &["dial tcp 127.0.0.1:", "dial tcp [::1]:"],
        Meaning {
            words: "for the node, localhost is the node itself, and its hosts.toml does not say otherwise",
            hint: "mend the node: wharf doctor --fix",
        },
    ),
    (
        &["connection refused"],
        Meaning {
            words: "nothing listens where the node asks: the registry does not run, or the image's name \
                    has another port than 5000, which it has for pods",
            hint: "bring it back: wharf up; in manifests write the name without a registry, or \
                   kind-registry:5000/NAME",
        },
    ),
    (
        &["i/o timeout", "no route to host", "network is unreachable", "context deadline exceeded"],
        Meaning {
            words: "the node gets no answer from the registry",
            hint: "see what is between them: wharf doctor",
        },
    ),
    (
        &["no match for platform", "exec format error"],
        Meaning {
            words: "the image is for another kind of processor than the node's",
            hint: "build it for this machine: leave `platform` out of wharf.toml",
        },
    ),
    (
        &["no space left on device"],
        Meaning {
            words: "the node's disk is full",
            hint: "make room: podman system prune; on macOS the machine's disk may have to grow",
        },
    ),
    (
        &["pull access denied", "insufficient_scope", "registry-1.docker.io", "docker.io/library/"],
        Meaning {
            words: "Docker Hub was asked, as the name has no registry, and it has no such image for you",
            hint: "add the image to wharf.toml, so that deploy puts in where it is",
        },
    ),
    (
        &["401 Unauthorized", "403 Forbidden", "authorization failed"],
        Meaning {
            words: "the registry wants a login that the node does not have",
            hint: "give the pod an imagePullSecret, or push to the cluster's own registry",
        },
    ),
    (&["not found", "manifest unknown"], NOT_THERE),
];

/// What an error of a pull means, if that is known: `reason` is the kubelet's word, `error` its text.
pub fn meaning(reason: &str, error: &str) -> Option<Meaning> {
    let is_said = |words: &str| error.contains(words) || words == reason;
    let known = MEANINGS.iter().find(|(words, _)| words.iter().any(|it| is_said(it)));
    known.map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_containerd_have_a_meaning() {
        let image = "kind-registry:5000/moon-server@sha256:0";
        let failed = |error: &str| {
            format!(
                "Failed to pull image \"{image}\": rpc error: code = Unknown desc = failed to pull and \
                 unpack image \"{image}\": failed to resolve reference \"{image}\": {error}"
            )
        };
        for (error, expected) in [
            ("kind-registry:5000/moon-server@sha256:0: not found", "no image of that name"),
            (
                "failed to do request: Head \"https://kind-registry:5000/v2/x\": http: server gave HTTP response to HTTPS client",
                "by HTTPS",
            ),
            (
                "failed to do request: Head \"http://kind-registry:5000/v2/x\": dial tcp: lookup kind-registry on 10.89.0.1:53: no such host",
                "by its name",
            ),
            (
                "Head \"http://localhost:5000/v2/x\": dial tcp [::1]:5000: connect: connection refused",
                "the node itself",
            ),
            ("dial tcp 10.89.0.2:5001: connect: connection refused", "another port"),
            (
                "Head \"http://kind-registry:5000\": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused",
                "a proxy",
            ),
            (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                "certificate",
            ),
            (
                "unexpected status from HEAD request to http://kind-registry:5000/v2/x: 400 Bad Request",
                "speaks TLS",
            ),
            ("no match for platform in manifest: not found", "processor"),
            (
                "pull access denied, repository does not exist or may require authorization",
                "Docker Hub",
            ),
            ("dial tcp 10.89.0.2:5000: i/o timeout", "no answer"),
        ] {
            let found = meaning("ImagePullBackOff", &failed(error));
            let words = found.map(|it| it.words).unwrap_or_default();
            assert!(words.contains(expected), "{error}: {words}");
        }
        assert!(meaning("ErrImageNeverPull", "").unwrap().words.contains("Never"));
        assert_eq!(meaning("ImagePullBackOff", "something new"), None);
    }
}
