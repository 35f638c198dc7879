//! A node: containerd in a privileged container, asked by the calls that a kubelet makes.

use std::sync::Arc;

use crate::command;
use crate::image;
use crate::podman::{NETWORK, Podman};

/// A running node; gone when dropped.
pub(crate) struct Node {
    podman: Arc<Podman>,
    name: &'static str,
}

/// Why a pull failed, as the kubelet would show it.
#[derive(Debug)]
pub(crate) struct Status {
    /// gRPC's number; 5 is "not found".
    pub(crate) code: u32,
    /// containerd's words.
    pub(crate) message: String,
}

impl Node {
    /// Starts a node with the flags that Kind uses, and waits for its containerd.
    pub(crate) fn start(podman: &Arc<Podman>, name: &'static str) -> Self {
        std::fs::create_dir_all("/lib/modules").unwrap(); // Kind mounts it, there or not.
        let node = Self { podman: Arc::clone(podman), name };
        podman.run([
            "run",
            "--detach",
            "--tty",
            "--name",
            name,
            "--hostname",
            name,
            "--privileged",
            "--network",
            NETWORK,
            "--tmpfs",
            "/tmp",
            "--tmpfs",
            "/run",
            "--volume",
            &format!("{name}-var:/var:suid,exec,dev"),
            "--volume",
            "/lib/modules:/lib/modules:ro",
            "--cgroupns=private",
            "--env",
            "container=podman",
            "--label",
            "io.x-k8s.kind.role=control-plane",
            "--label",
            "io.x-k8s.kind.cluster=wharf",
            image::NODE,
        ]);
        command::wait_for("containerd on the node", || {
            command::output(&mut podman.podman(["exec", name, "ctr", "version"]))
                .status
                .success()
                .then_some(())
        });
        node
    }

    /// Sends pulls of `host/…` to `registry`, by the file that the Kind documentation describes.
    pub(crate) fn route(&self, host: &str, registry: &str) {
        let folder = format!("/etc/containerd/certs.d/{host}");
        let write = format!("mkdir -p {folder} && cp /dev/stdin {folder}/hosts.toml");
        let text = format!(
            "server = \"http://{registry}\"\n\n[host.\"http://{registry}\"]\n  capabilities = [\"pull\", \"resolve\", \"push\"]\n"
        );
        command::feed(
            &mut self.podman.podman(["exec", "-i", self.name, "sh", "-c", &write]),
            text.as_bytes(),
        );
    }

    /// Pulls `image` as a kubelet does. Returns the image's ID: the digest of its configuration.
    pub(crate) fn pull(&self, image: &str) -> Result<String, Status> {
        let answer = self.call("PullImage", image)?;
        Ok(answer[answer.find("sha256:").expect("an image ID")..].chars().take(71).collect())
    }

    /// The digest under which the node knows `repository` of the pulled `image`, if it does.
    pub(crate) fn repository_digest(&self, repository: &str, image: &str) -> Option<String> {
        let answer = self.call("ImageStatus", image).ok()?;
        let (_, digest) = answer.split_once(&format!("{repository}@"))?;
        Some(digest.chars().take(71).collect())
    }

    /// Forgets `image`.
    pub(crate) fn remove(&self, image: &str) {
        self.call("RemoveImage", image).unwrap();
    }

    /// Runs a program of a pulled image and returns what it prints.
    pub(crate) fn execute(&self, image: &str, program: &[&str]) -> String {
        let arguments =
            ["exec", self.name, "ctr", "--namespace", "k8s.io", "run", "--rm", image, "it"];
        command::run(self.podman.podman(arguments).args(program))
    }

    /// Runs a script of bash in the root folder of a pulled image, unpacked; returns what it prints.
    pub(crate) fn within(&self, image: &str, script: &str) -> String {
        let mount = format!("ctr --namespace k8s.io images mount {image} \"$tree\" >&2");
        let unmount = "ctr --namespace k8s.io images unmount --rm \"$tree\" >&2";
        let all =
            format!("set -e; tree=$(mktemp -d); {mount}; (cd \"$tree\" && {script}); {unmount}");
        self.podman.run(["exec", self.name, "bash", "-c", &all])
    }

    /// One call of the CRI's image service whose request is nothing but an image's name: gRPC by curl,
    /// over containerd's own socket. Returns the answer's bytes, readable where they are text.
    fn call(&self, method: &str, image: &str) -> Result<String, Status> {
        let url = format!("http://localhost/runtime.v1.ImageService/{method}");
        let mut curl = self.podman.podman([
            "exec",
            "-i",
            self.name,
            "curl",
            "-sS",
            "-D",
            "-",
            "--http2-prior-knowledge",
            "--unix-socket",
            "/run/containerd/containerd.sock",
            "-H",
            "content-type: application/grpc",
            "-H",
            "te: trailers",
            "--data-binary",
            "@-",
            &url,
        ]);
        // Field 1 of each request is an ImageSpec, whose field 1 is the name.
        let message = field_1(&field_1(image.as_bytes()));
        let mut body = vec![0];
        body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend(message);
        let output = command::feed(&mut curl, &body);
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        match trailer(&answer, "grpc-status").map(str::parse) {
            Some(Ok(0)) => Ok(answer),
            Some(Ok(code)) => Err(Status {
                code,
                message: trailer(&answer, "grpc-message").unwrap_or_default().to_owned(),
            }),
            _ => panic!("no gRPC status in the answer to {method}:\n{answer}"),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = command::output(&mut self.podman.podman([
                "exec",
                self.name,
                "cat",
                "/var/log/containerd.log",
            ]));
            eprintln!("--- containerd's log on {}\n{}", self.name, command::words(&log));
        }
        command::output(&mut self.podman.podman([
            "rm",
            "--force",
            "--time=0",
            "--volumes",
            self.name,
        ]));
    }
}

/// A length-delimited field 1 of a protobuf message.
fn field_1(content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 128, "a name that needs a longer varint");
    let mut field = vec![0x0a, u8::try_from(content.len()).unwrap()];
    field.extend(content);
    field
}

/// The value of a trailer; curl prints trailers after the body, without a line break of their own.
fn trailer<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.rsplit_once(&format!("{name}: "))?;
    rest.split("\r\n").next()
}
