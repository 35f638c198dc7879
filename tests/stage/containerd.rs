//! The containerd of a node, asked by the calls that a kubelet makes.

use std::sync::Arc;

use crate::command;
use crate::podman::Podman;

/// The containerd that runs in one container.
pub(crate) struct Containerd {
    podman: Arc<Podman>,
    node: String,
}

/// gRPC's number for a service that cannot be reached.
const UNAVAILABLE: u32 = 14;

/// Why a pull failed, as the kubelet would show it.
#[derive(Debug)]
pub(crate) struct Status {
    /// gRPC's number; 5 is "not found".
    pub(crate) code: u32,
    /// containerd's words.
    pub(crate) message: String,
}

impl Containerd {
    /// The containerd in the container `node`.
    pub(crate) fn of(podman: &Arc<Podman>, node: impl Into<String>) -> Self {
        Self { podman: Arc::clone(podman), node: node.into() }
    }

    /// Waits until it answers.
    pub(crate) fn wait_until_ready(&self) {
        command::wait_for(&format!("containerd on {}", self.node), || {
            command::output(&mut self.podman.podman(["exec", &self.node, "ctr", "version"]))
                .status
                .success()
                .then_some(())
        });
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
            ["exec", &self.node, "ctr", "--namespace", "k8s.io", "run", "--rm", image, "it"];
        command::run(self.podman.podman(arguments).args(program))
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        let cat = ["exec", &self.node, "cat", "/var/log/containerd.log"];
        command::words(&command::output(&mut self.podman.podman(cat)))
    }

    /// One call of the CRI's image service whose request is nothing but an image's name: gRPC by curl,
    /// over containerd's own socket. Returns the answer's bytes, readable where they are text.
    fn call(&self, method: &str, image: &str) -> Result<String, Status> {
        let url = format!("http://localhost/runtime.v1.ImageService/{method}");
        let mut curl = self.podman.podman([
            "exec",
            "-i",
            &self.node,
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
        let output = command::fed(&mut curl, &body);
        if !output.status.success() {
            // A containerd without the CRI breaks the stream off.
            return Err(Status { code: UNAVAILABLE, message: command::words(&output) });
        }
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
