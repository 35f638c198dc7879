//! The registries that every push has to succeed at, and what every push has to bring there.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use tempfile::TempDir;

use super::{digest, folder, push, told_one};
use crate::content::sha256;
use crate::engine::Engine;
use crate::harness::{Process, Server, has_program};

/// A registry that runs until it is dropped.
#[derive(Debug)]
pub(crate) enum Registry {
    /// Wharf's own.
    Wharf(Server),
    /// `registry:2`, as Debian packs it.
    Docker(DockerRegistry),
}

/// A docker-registry, with its process and its store.
#[derive(Debug)]
pub(crate) struct DockerRegistry {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Registry {
    /// One of each kind that there is here.
    pub(super) fn each(what: &str) -> Vec<Self> {
        let mut registries = vec![Self::Wharf(Server::start())];
        if has_program("docker-registry", what) {
            registries.push(Self::docker(""));
        }
        registries
    }

    /// A docker-registry with further settings.
    pub(crate) fn docker(settings: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path().display();
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nhttp: {{addr: '127.0.0.1:0'}}\n\
             storage: {{filesystem: {{rootdirectory: '{root}'}}}}\n{settings}"
        );
        let path = folder.path().join("config.yml");
        fs::write(&path, config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(path).env("OTEL_TRACES_EXPORTER", "none");
        let mut process = Process::spawn(command);
        let address = process.address();
        Self::Docker(DockerRegistry { address, _process: process, _folder: folder })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Wharf(server) => server.address(),
            Self::Docker(registry) => registry.address,
        }
    }
}

/// What is hard to put into an archive, and to get out of one.
fn write_hard_tree(root: &Path) -> io::Result<()> {
    let long = root.join("long".repeat(30)).join("name".repeat(40));
    fs::create_dir_all(&long)?;
    fs::write(long.join("ünïcödé".repeat(12)), "deep")?;
    fs::write(root.join("empty"), "")?;
    fs::write(root.join("removed"), "in the layer above")?;
    fs::create_dir(root.join("emptied"))?;
    fs::write(root.join("emptied/gone"), "in the layer above")?;
    fs::write(root.join("first"), "one file with two names")?;
    fs::hard_link(root.join("first"), root.join("second"))?;
    symlink("first", root.join("link"))?;
    fs::File::create(root.join("sparse"))?.set_len(3 << 20)?;
    rustix::fs::setxattr(root.join("first"), "user.note", b"kept", rustix::fs::XattrFlags::empty())
        .or_else(|error| if error == rustix::io::Errno::NOTSUP { Ok(()) } else { Err(error) })?;
    Ok(())
}

#[test]
fn an_image_arrives_as_it_was_built() {
    let what = "images of podman and buildah, pushed to both kinds of registry";
    let Some(engine) = Engine::new(what) else { return };
    engine.build("scratch", "localhost/hard:1", |root| write_hard_tree(root).unwrap());
    engine.build("localhost/hard:1", "localhost/hard:2", |root| {
        fs::remove_file(root.join("removed")).unwrap();
        fs::remove_dir_all(root.join("emptied")).unwrap();
        fs::create_dir(root.join("emptied")).unwrap();
    });
    engine.file("Containerfile", "FROM localhost/hard:2\nCOPY Containerfile /\nENV A=b\n");
    engine.podman(&["build", "--quiet", "--tag", "localhost/hard:3", &path(&folder(&engine))]);

    for name in ["hard:2", "hard:3"] {
        let copied = folder(&engine).join(format!("copied-{name}"));
        let (from, to) = (engine.transport(&format!("localhost/{name}")), copied.display());
        engine.skopeo(&["copy", "--quiet", "--preserve-digests", &from, &format!("dir:{to}")]);
        let expected = serde_json::json!(sha256(&fs::read(copied.join("manifest.json")).unwrap()));
        for registry in Registry::each(what) {
            let address = registry.address();
            let image = told_one(&mut push(&engine, address, [name]));
            assert_eq!((&image["digest"], &image["same_manifest"]), (&expected, &true.into()));
            let (repository, tag) = name.split_once(':').unwrap();
            assert_eq!(image["digest"], digest(address, repository, tag));

            // Another client pulls it, and checks every digest on the way.
            let pulled = folder(&engine).join(format!("pulled-{}-{name}", address.port()));
            let (from, to) =
                (format!("docker://{address}/{name}"), format!("dir:{}", path(&pulled)));
            engine.skopeo(&["copy", "--quiet", "--src-tls-verify=false", &from, &to]);
            assert_eq!(files(&pulled), files(&copied));
        }
    }
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The files of a folder, with the digests of what is in them.
fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, sha256(&fs::read(entry.path()).unwrap()))
        })
        .collect();
    files.sort();
    files
}
