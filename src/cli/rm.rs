//! `wharf rm`: removes a tag, a manifest, or all that is tagged in a repository of a running
//! registry.
//!
//! The distribution API removes links; the bytes go when the registry collects its garbage.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead, IsTerminal};

use serde::Serialize;
use wharf_client::RegistryClient;
use wharf_oci::{Digest, ImageReference, Reference, RepositoryName, Tag};

use crate::cli::remote::{RemoteArgs, RemoteError, ask};
use crate::failure::Failure;
use crate::report::Report;

/// The most tags of a repository that are removed in one run.
const TAGS_MAX: usize = 100_000;

/// What to remove.
#[derive(Debug, clap::Args)]
pub struct RmArgs {
    /// `REPOSITORY:TAG` removes the tag and leaves the manifest; `REPOSITORY@DIGEST` removes the
    /// manifest with its tags; `REPOSITORY` removes every tag and every manifest behind them
    #[arg(value_name = "REPOSITORY[:TAG|@DIGEST]")]
    image: ImageReference,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    remote: RemoteArgs,
}

/// Removes, and says what was removed.
pub fn run(args: RmArgs, report: &Report) -> Result<(), Failure> {
    let client = args.remote.client(args.image.registry.as_deref())?;
    let name = args.image.name;
    let plan = match (args.image.digest, args.image.tag) {
        (Some(digest), _) => Plan { tags: Vec::new(), manifests: vec![digest] },
        (None, Some(tag)) => Plan { tags: vec![tag], manifests: Vec::new() },
        (None, None) => ask(Plan::of_repository(&client, &name))?,
    };
    if !args.yes && !is_agreed(&client, &name, &plan, report)? {
        report.say("Nothing was removed.");
        return Ok(());
    }
    let removed = ask(plan.carry_out(&client, name))?;
    if removed.tags.is_empty() && removed.manifests.is_empty() {
        report.say(format_args!("{} has no tags: nothing was removed.", removed.repository));
    }
    Ok(report.data(&removed)?)
}

/// Asks the person at the terminal; without one there is nobody to ask, and the command is meant.
fn is_agreed(
    client: &RegistryClient,
    name: &RepositoryName,
    plan: &Plan,
    report: &Report,
) -> io::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    report.say(format_args!(
        "Remove {plan} of {name} in the registry at {}? [y/N]",
        client.address()
    ));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// What is going to be removed.
#[derive(Debug)]
struct Plan {
    tags: Vec<Tag>,
    manifests: Vec<Digest>,
}

impl Plan {
    /// Every tag, and every manifest that a tag leads to.
    async fn of_repository(
        client: &RegistryClient,
        name: &RepositoryName,
    ) -> Result<Self, RemoteError> {
        let tags = client.tags(name, TAGS_MAX).await?.items;
        let mut manifests = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<Reference> = tags.iter().cloned().map(Reference::Tag).collect();
        while let Some(reference) = open.pop() {
            let pulled = match client.manifest(name, &reference).await {
                Err(error) if error.is_not_found() => continue,
                pulled => pulled?,
            };
            if seen.insert(pulled.digest) {
                manifests.push(pulled.digest);
                let children = pulled.manifest.children().iter();
                open.extend(children.map(|child| Reference::Digest(child.digest)));
            }
        }
        Ok(Self { tags, manifests })
    }

    async fn carry_out(
        self,
        client: &RegistryClient,
        name: RepositoryName,
    ) -> Result<Removed, RemoteError> {
        if self.manifests.is_empty() {
            for tag in &self.tags {
                client.delete_manifest(&name, &Reference::Tag(tag.clone())).await?;
            }
        }
        // A manifest takes its tags along (distribution spec, "Deleting Manifests").
        for digest in &self.manifests {
            client.delete_manifest(&name, &Reference::Digest(*digest)).await?;
        }
        let registry = client.address().to_string();
        Ok(Removed { registry, repository: name, tags: self.tags, manifests: self.manifests })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.tags[..], &self.manifests[..]) {
            ([tag], []) => write!(f, "the tag {tag}"),
            ([], [digest]) => write!(f, "the manifest {digest} and its tags"),
            (tags, manifests) => {
                let (tags, manifests) = (count(tags, "tag"), count(manifests, "manifest"));
                write!(f, "everything ({tags}, {manifests})")
            }
        }
    }
}

fn count<T>(things: &[T], noun: &str) -> String {
    match things.len() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// What was removed.
#[derive(Debug, Serialize)]
struct Removed {
    registry: String,
    repository: RepositoryName,
    tags: Vec<Tag>,
    manifests: Vec<Digest>,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, tags, manifests, .. } = self;
        tags.iter().try_for_each(|tag| writeln!(f, "removed {repository}:{tag}"))?;
        manifests.iter().try_for_each(|digest| writeln!(f, "removed {repository}@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::Algorithm;

    use super::*;

    #[test]
    fn a_plan_is_a_sentence() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let tag: Tag = "1.0".parse().unwrap();
        let plan = |tags: usize, manifests: usize| {
            let (tags, manifests) = (vec![tag.clone(); tags], vec![digest; manifests]);
            Plan { tags, manifests }.to_string()
        };
        assert_eq!(plan(1, 0), "the tag 1.0");
        assert_eq!(plan(0, 1), format!("the manifest {digest} and its tags"));
        assert_eq!(plan(1, 1), "everything (1 tag, 1 manifest)");
        assert_eq!(plan(3, 2), "everything (3 tags, 2 manifests)");
    }
}
