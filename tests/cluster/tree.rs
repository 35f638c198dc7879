//! An image full of what archives get wrong: whatever road it takes, the tree that a node unpacks is the
//! tree that was built.

use std::process::Command;

use crate::client;
use crate::cluster::Cluster;
use crate::command;
use crate::machine;

/// Hard and symbolic links, whiteouts of a file and of a whole folder, names that are long or no UTF-8,
/// attributes, a sparse and an empty file, a pipe, modes and owners.
const CONTAINERFILE: &str = r#"FROM localhost/debian:bookworm
RUN mkdir -p /tree/opaque && cd /tree \
 && echo first >first && ln first second && ln -s first link && chown 1234:5678 first \
 && : >empty && truncate -s 5M sparse && echo end >>sparse && mkfifo pipe \
 && long=$(printf 'l%.0s' $(seq 120)) && mkdir -p "$long/$long/$long" && echo deep >"$long/$long/$long/$long" \
 && echo x >"$(printf 'bytes-\377')" && cp /bin/true setuid && chmod 4755 setuid \
 && perl -e 'my @set = ("first", "user.note", "kept"); my $setxattr = `uname -m` =~ /x86/ ? 188 : 5; \
    syscall($setxattr, $set[0], $set[1], $set[2], 4, 0) == 0 or die $!' \
 && touch gone opaque/old
RUN cd /tree && rm gone && rm -r opaque && mkdir opaque && touch opaque/new
"#;

/// Every entry of the current folder with its mode, owner, links, attributes, content and its time in
/// seconds, which is all that a layer keeps of it; as one digest.
const SUMMARY: &str = "set -o pipefail; tar --sort=name --xattrs --xattrs-include=user.* \
    --xattrs-include=security.* --numeric-owner --pax-option=exthdr.name=%d/%f \
    --pax-option=delete=atime,delete=ctime,delete=mtime -cf - * | sha256sum";

pub(crate) fn an_awkward_tree_arrives_as_it_was_built(cluster: &Cluster) {
    for builder in ["podman", "buildah"] {
        let image = format!("localhost/awkward:{builder}");
        build(cluster, builder, &image);
        let built = summary_of_image(cluster, &image);

        let host = cluster.registry().host();
        let (pushed, copied) =
            (format!("awkward/pushed:{builder}"), format!("awkward/copied:{builder}"));
        push(cluster, &image, &pushed);
        copy(cluster, &image, &copied);
        // One digest for the manifest is one for every layer.
        assert_eq!(
            client::digest(cluster, &format!("{host}/{pushed}")),
            client::digest(cluster, &format!("{host}/{copied}")),
        );
        assert_eq!(
            summary_on_node(cluster, &format!("kind-registry:5000/{pushed}")),
            built,
            "{builder}"
        );
    }
}

fn build(cluster: &Cluster, builder: &str, image: &str) {
    let podman = cluster.podman();
    let context = tempfile::tempdir().unwrap();
    std::fs::write(context.path().join("Containerfile"), CONTAINERFILE).unwrap();
    let mut build = match builder {
        "buildah" => {
            let mut buildah = podman.command("buildah");
            buildah.arg("--root").arg(podman.folder().join("root"));
            buildah.arg("--runroot").arg(podman.folder().join("run"));
            buildah
        }
        _ => podman.podman([]),
    };
    build.args(["build", "--quiet", "--layers", "--isolation", "chroot", "--tag", image]);
    command::run(
        build.env("CONTAINERS_CONF", podman.folder().join("containers.conf")).arg(context.path()),
    );
}

fn push(cluster: &Cluster, image: &str, target: &str) {
    let podman = cluster.podman();
    let mut push = podman.command(machine::wharf());
    push.args(["push", "--quiet", "--registry", &cluster.registry().host(), "--as", target]);
    command::run(push.arg("--storage-root").arg(podman.folder().join("root")).arg(image));
}

fn copy(cluster: &Cluster, image: &str, target: &str) {
    let folder = cluster.podman().folder().display().to_string();
    let source = format!("containers-storage:[overlay@{folder}/root+{folder}/run]{image}");
    let target = format!("docker://{}/{target}", cluster.registry().host());
    let mut skopeo = cluster.podman().command("skopeo");
    command::run(skopeo.args(["copy", "--quiet", "--preserve-digests", &source, &target]));
}

fn summary_of_image(cluster: &Cluster, image: &str) -> String {
    let podman = cluster.podman();
    let tree = podman.run(["image", "mount", image]);
    let summary = command::run(Command::new("bash").args(["-c", SUMMARY]).current_dir(tree));
    podman.run(["image", "unmount", image]);
    summary
}

fn summary_on_node(cluster: &Cluster, image: &str) -> String {
    let node = cluster.node();
    node.pull(image).unwrap();
    let summary = node.within(image, SUMMARY);
    node.remove(image);
    summary
}
