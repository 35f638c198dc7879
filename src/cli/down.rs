//! `wharf down`: takes away what `wharf up` made, and nothing else.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::cli::setup_args::SetupArgs;
use crate::failure::{Failure, told as told_of};
use crate::report::Report;
use crate::setup::config::Removal;
use crate::setup::receipt::Made;
use crate::setup::walk::take_down;
use crate::setup::{Config, steps};

const EXAMPLES: &str = "\
Examples:
  wharf down                          the registry and its wiring; its volume and the clusters stay
  wharf down --delete-cluster         the clusters that `wharf up` made, too
  wharf down --data                   the registry's volume, too, with all images in it
  wharf down --delete-cluster --data --image    everything, as if wharf had never been";

/// What to take down.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DownArgs {
    #[command(flatten)]
    setup: SetupArgs,

    /// Delete the registry's volume, too: all images in it are lost
    #[arg(long)]
    data: bool,

    /// Delete the clusters that `wharf up` made, too
    #[arg(long)]
    delete_cluster: bool,

    /// Remove wharf's own image, too: from the engine, and from nodes that got it with `up --in-cluster`
    #[arg(long)]
    image: bool,

    /// Print every command that would change something, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Takes down, last step first, and tells what went and what stays.
pub fn run(args: DownArgs, report: &Report) -> Result<(), Failure> {
    let removal = Removal { data: args.data, clusters: args.delete_cluster, image: args.image };
    let config = Config { removal, ..args.setup.config() };
    let _turn = (!args.dry_run).then(|| args.setup.turn(report));
    let site = args.setup.site(config, args.dry_run, report)?;
    let before = site.receipt.made();
    let failures = take_down(&site, &steps());
    if !args.dry_run {
        report.data(&TakenDown::of(&before, &site.receipt.made()))?;
    }
    let mut failures = failures.into_iter();
    let first = failures.next();
    failures.for_each(|failure| report.say(format_args!("wharf: {}", told_of(&failure))));
    first.map_or(Ok(()), |failure| Err(failure.into()))
}

/// What a run took down.
#[derive(Debug, Serialize)]
struct TakenDown {
    #[serde(serialize_with = "outlined")]
    removed: Vec<Made>,
    #[serde(serialize_with = "outlined")]
    kept: Vec<Made>,
}

/// Without the texts of files: containerd's configuration may hold passwords.
fn outlined<S: Serializer>(made: &[Made], serializer: S) -> Result<S::Ok, S::Error> {
    let outline = |made: &Made| {
        let mut made = serde_json::to_value(made)?;
        if let Some(fields) = made.as_object_mut() {
            fields.retain(|name, _| name != "before" && name != "after");
        }
        Ok(made)
    };
    let outlines: Result<Vec<_>, serde_json::Error> = made.iter().map(outline).collect();
    outlines.map_err(serde::ser::Error::custom)?.serialize(serializer)
}

impl TakenDown {
    fn of(before: &[Made], after: &[Made]) -> Self {
        let is_left = |made: &&Made| after.contains(made);
        let removed = before.iter().filter(|made| !is_left(made)).cloned().collect();
        Self { removed, kept: after.to_vec() }
    }
}

impl fmt::Display for TakenDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut removed: Vec<_> = self.removed.iter().filter_map(told).collect();
        removed.dedup();
        removed.iter().try_for_each(|what| writeln!(f, "removed  {what}"))?;
        let mut kept: Vec<_> = self.kept.iter().filter_map(told_with_flag).collect();
        kept.dedup();
        kept.iter().try_for_each(|what| writeln!(f, "kept     {what}"))?;
        match removed.is_empty() && kept.is_empty() {
            true => writeln!(f, "There is nothing that `wharf up` made."),
            false => Ok(()),
        }
    }
}

/// A thing that stays, with the flag that it goes with.
fn told_with_flag(made: &Made) -> Option<String> {
    let flag = match made {
        Made::Volume { .. } | Made::TakenOver { .. } | Made::Claim { .. } => "--data",
        Made::Image { .. } | Made::NodeImage { .. } => "--image",
        Made::Cluster { .. } => "--delete-cluster",
        _ => return told(made),
    };
    Some(format!("{}; {flag} removes it", told(made)?))
}

/// A thing as a person knows it; nothing for what is only the setup's own memory.
fn told(made: &Made) -> Option<String> {
    Some(match made {
        Made::Network { name } => format!("the network {name}"),
        Made::Volume { name } => format!("the volume {name}"),
        Made::TakenOver { source } => format!("the images in {source}"),
        Made::Registry { name } => format!("the container {name}"),
        Made::Image { name } => format!("the image {name}"),
        Made::Secret { name } => format!("the secret {name}"),
        Made::File { path, in_machine: false } => path.display().to_string(),
        Made::File { path, in_machine: true } => {
            format!("{} in the virtual machine", path.display())
        }
        Made::Cluster { name } => format!("the cluster {name}"),
        Made::Hosts { node, .. } => format!("hosts.toml on {node}"),
        Made::NodeFile { node, path, .. } => format!("the change of {path} on {node}"),
        Made::Hosting { cluster, .. } => {
            format!("the ConfigMap local-registry-hosting in {cluster}")
        }
        Made::NodeImage { node, .. } => format!("wharf's own image on {node}"),
        Made::InCluster { cluster } => format!("the registry in {cluster}"),
        Made::Claim { cluster } => format!("the volume claim in {cluster}"),
        Made::Unit { name, .. } => format!("{name}, which was enabled"),
        Made::Namespace { cluster } => format!("the namespace of the registry in {cluster}"),
        Made::Port { .. }
        | Made::ClusterBegun { .. }
        | Made::ClusterNode { .. }
        | Made::Unproven => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_and_what_stays_is_told_once() {
        let volume = Made::Volume { name: "data".into() };
        let hosts = |host: &str| Made::Hosts { node: "node".into(), host: host.into() };
        let before = [volume.clone(), hosts("a:5000"), hosts("b:5000"), Made::Unproven];
        let taken = TakenDown::of(&before, &[volume]);
        let expected = "removed  hosts.toml on node\nkept     the volume data; --data removes it\n";
        assert_eq!(taken.to_string(), expected);
        let nothing = TakenDown::of(&[], &[]).to_string();
        assert_eq!(nothing, "There is nothing that `wharf up` made.\n");
    }

    #[test]
    fn the_texts_of_files_are_nobodys_business() {
        let file = Made::NodeFile {
            node: "node".into(),
            container: "1".into(),
            path: "/etc/containerd/config.toml".into(),
            before: Some("password = \"hush\"".into()),
            after: "password = \"hush\"".into(),
        };
        let text = serde_json::to_string(&TakenDown::of(&[file], &[])).unwrap();
        assert!(text.contains("config.toml") && !text.contains("hush"), "{text}");
    }
}
