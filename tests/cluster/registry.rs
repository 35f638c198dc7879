//! A registry in a container, run by the very command that runs `registry:2`.

use std::sync::Arc;

use crate::command;
use crate::machine;
use crate::podman::{NETWORK, Podman};

/// A running registry container; gone, with its volume, when dropped.
pub(crate) struct Registry {
    podman: Arc<Podman>,
    name: String,
    port: u16,
    volume: String,
    /// Further options of `podman run`.
    options: Vec<String>,
}

impl Registry {
    /// Starts `image` under `name` on the `kind` network, published on a free port of the loopback, with a
    /// volume named after it, and waits until it answers.
    pub(crate) fn start(podman: &Arc<Podman>, image: &str, name: &str) -> Self {
        Self::start_with(podman, image, name, Vec::new())
    }

    /// The same with further options.
    pub(crate) fn start_with(
        podman: &Arc<Podman>,
        image: &str,
        name: &str,
        options: Vec<String>,
    ) -> Self {
        let registry = Self {
            podman: Arc::clone(podman),
            name: name.into(),
            port: machine::free_port(),
            volume: format!("{name}-data"),
            options,
        };
        registry.run(image);
        registry
    }

    /// Replaces the container by one of another image. Everything else stays as it was, the volume too.
    pub(crate) fn change_image(&self, image: &str) {
        self.podman.run(["rm", "--force", &self.name]);
        self.run(image);
    }

    fn run(&self, image: &str) {
        let published = format!("127.0.0.1:{}:5000", self.port);
        let volume = format!("{}:/var/lib/registry", self.volume);
        let mut run = self.podman.podman([
            "run",
            "--detach",
            "--name",
            &self.name,
            "--hostname",
            &self.name,
            "--network",
            NETWORK,
            "--network-alias",
            &self.name,
            "--publish",
            &published,
            "--volume",
            &volume,
            "--restart=always",
        ]);
        command::run(run.args(&self.options).arg(image));
        self.wait_until_ready();
    }

    /// Waits until the registry answers from outside its container.
    pub(crate) fn wait_until_ready(&self) {
        command::wait_for(&format!("{} to answer", self.name), || {
            let mut catalog = self.podman.command("crane");
            command::output(catalog.args(["catalog", &self.host()])).status.success().then_some(())
        });
    }

    /// The registry's name for clients on this machine: `localhost:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The container's name, which is its name on the network too.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What the container has said so far.
    pub(crate) fn log(&self) -> String {
        command::words(&command::output(&mut self.podman.podman(["logs", &self.name])))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.name, self.log());
        }
        command::output(&mut self.podman.podman([
            "rm",
            "--force",
            "--time=0",
            "--volumes",
            &self.name,
        ]));
        command::output(&mut self.podman.podman(["volume", "rm", "--force", &self.volume]));
    }
}
