//! `wharf load`: images straight into the nodes, past any registry, under the names that pods write.
//! Finds an image where `wharf push` finds it.

mod error;
mod outcome;
mod tally;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use wharf_client::RegistryAddress;
use wharf_oci::{Descriptor, Digest, ImageReference};

use crate::cli::finder::name::names_of;
use crate::cli::finder::origin::Origin;
use crate::cli::finder::surroundings::Surroundings;
use crate::cli::finder::{FindError, Finder, Found, everything};
use crate::cli::progress::layers::{Layers, Shown};
use crate::cli::push::destination::Registries;
use crate::cli::push::new_name;
use crate::cli::setup_args::SetupArgs;
use crate::cli::voice::Voice;
use crate::failure::{Failure, told};
use crate::load::goods::Order;
use crate::load::names::in_pods;
use crate::load::stock::Stock;
use crate::load::{Goods, LoadError, Sent, each, look, send};
use crate::report::Report;
use crate::setup::node::{self, Node};
use crate::setup::{Config, Site};
use outcome::{ImageOutcome, NodeOutcome, Outcome};
use tally::Tally;

pub use error::LoadFailure;

const EXAMPLES: &str = "\
Examples:
  wharf load moon-server:v1.0.0        pods write `image: moon-server:v1.0.0`
  wharf load app:1 worker:1            layers that both have are sent once
  wharf load app:1 --name dev          to the nodes of one cluster
  wharf load app:1 --as app:test       under another name
  docker save app:1 | wharf load -     from an archive, here on standard input";

/// What to load, and where to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LoadArgs {
    #[command(flatten)]
    setup: SetupArgs,

    /// A name, id or digest of an image; a path or `oci:FOLDER[:NAME]`, `oci-archive:FILE[:NAME]`,
    /// `docker-archive:FILE[:NAME]`; or `-` for an archive on standard input
    #[arg(value_name = "IMAGE", required_unless_present = "archive")]
    images: Vec<String>,

    /// Only to the nodes of this cluster
    #[arg(long, value_name = "CLUSTER")]
    name: Option<String>,

    /// Load under another name; for one image
    #[arg(long = "as", value_name = "NAME:TAG", value_parser = new_name)]
    renamed: Option<ImageReference>,

    /// Take the images out of this archive, however it is called; without IMAGE, its only one
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,

    /// Podman's store, where it is not where its settings say
    #[arg(long, value_name = "FOLDER")]
    storage_root: Option<PathBuf>,

    /// Only show what would be sent
    #[arg(long)]
    dry_run: bool,

    /// Say nothing but the result
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
}

/// An image that was asked for.
#[derive(Debug)]
struct Wanted {
    typed: String,
    origin: Origin,
    renamed: Option<ImageReference>,
}

/// Everything that one command works with.
#[derive(Debug)]
struct Job {
    site: Site,
    wanted: Vec<Wanted>,
    nodes: Vec<Node>,
    shown: Shown,
    dry_run: bool,
}

/// Loads, and reports what came of it.
pub fn run(args: LoadArgs, report: &Report) -> Result<(), Failure> {
    Ok(load(args, report)?)
}

fn load(args: LoadArgs, report: &Report) -> Result<(), LoadFailure> {
    let verbose = args.setup.is_verbose();
    let voice = Voice { report: *report, quiet: args.quiet, verbose };
    let shown = Shown::of(report, args.quiet || args.dry_run);
    let wanted = wanted(args.images, args.archive, args.renamed)?;
    let site = args.setup.site(args.setup.config(), false, report)?;
    let finder = Finder {
        surroundings: Surroundings::read(),
        storage_root: args.storage_root,
        leaves_store: None,
        registries: registries(&site.config),
        runner: Arc::clone(site.hand().runner()),
        voice,
    };
    let nodes = nodes(&site, args.name.as_deref())?;
    let job = Job { site, wanted, nodes, shown, dry_run: args.dry_run };
    let origins: Vec<_> = job.wanted.iter().map(|wanted| &wanted.origin).collect();
    let (outcome, stopped) =
        finder.reading(&origins, |finder| job.run(finder), LoadFailure::of_finding)?;
    outcome.words().into_iter().for_each(|words| voice.say(words));
    report.data(&outcome).map_err(LoadFailure::Output)?;
    let failed = |node: &NodeOutcome| Some(format!("{}: {}", node.node, node.error.as_ref()?));
    let failed: Vec<_> = outcome.nodes.iter().filter_map(failed).collect();
    if failed.is_empty() { Ok(()) } else { Err(LoadFailure::Nodes { failed, stopped }) }
}

fn wanted(
    images: Vec<String>,
    archive: Option<PathBuf>,
    renamed: Option<ImageReference>,
) -> Result<Vec<Wanted>, LoadFailure> {
    let wanted = Origin::all(images, archive.as_deref());
    if let (Some(_), count @ 2..) = (&renamed, wanted.len()) {
        return Err(LoadFailure::OneName { count });
    }
    let one = |(typed, origin)| Wanted { typed, origin, renamed: renamed.clone() };
    Ok(wanted.into_iter().map(one).collect())
}

/// The names of the local registry, which may stand before those of images.
#[expect(clippy::expect_used, reason = "localhost and a port are an address")]
fn registries(config: &Config) -> Registries {
    let local: RegistryAddress = config.host_name().parse().expect("an address");
    Registries { local, forced: None, pods: config.pod_name() }
}

/// The nodes of a cluster, or of all, running or not.
fn nodes(site: &Site, cluster: Option<&str>) -> Result<Vec<Node>, LoadFailure> {
    let all = node::all(site).map_err(crate::setup::SetupError::from)?;
    let clusters: BTreeSet<_> = all.iter().map(|node| node.cluster.clone()).collect();
    let meant = |node: &Node| cluster.is_none_or(|name| node.cluster == name);
    let nodes: Vec<_> = all.into_iter().filter(meant).collect();
    if nodes.is_empty() {
        let (named, others) = (cluster.map(str::to_owned), clusters.into_iter().collect());
        return Err(LoadFailure::NoCluster { named, others });
    }
    Ok(nodes)
}

impl Job {
    /// Does it. Also tells whether a node is stopped.
    fn run(&self, finder: &Finder) -> Result<(Outcome, bool), LoadFailure> {
        let began = Instant::now();
        // That an image is unknown is known before a node is asked.
        let found = self.wanted.iter().map(|wanted| finder.find(&wanted.origin));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let stocks = look(&self.site.engine, &self.nodes);
        let lacks = |digest: &Digest| {
            stocks.iter().flatten().any(|stock: &Stock| !stock.blobs.contains(digest))
        };
        let goods = self.wanted.iter().zip(found);
        let goods = goods.map(|(wanted, found)| goods_of(wanted, found, finder, &lacks));
        let goods = goods.collect::<Result<Vec<_>, FindError>>()?;
        self.warn_of_strangers(&goods, &stocks, &finder.voice);
        let layers = Layers::show(self.shown, finder.voice.report);
        let tally = Tally::begin(layers.events(), &lacking(&goods, &stocks));
        let works: Vec<_> = self.nodes.iter().zip(&stocks).collect();
        let nodes = each(&works, |(node, stock)| match stock {
            Ok(stock) => self.serve(node, stock, &goods, &tally),
            Err(error) => outcome_of(node, 0, Err(error)),
        });
        tally.end();
        layers.end(nodes.iter().all(|node| node.error.is_none()));
        let images = goods.into_iter().map(ImageOutcome::of).collect();
        let stopped = stocks.iter().any(|stock| matches!(stock, Err(LoadError::Stopped)));
        let outcome = Outcome { images, nodes, dry_run: self.dry_run, time: began.elapsed() };
        Ok((outcome, stopped))
    }

    /// Sends a node what it needs.
    fn serve(&self, node: &Node, stock: &Stock, goods: &[Goods], tally: &Tally<'_>) -> NodeOutcome {
        let order = match Order::of(goods, stock) {
            Ok(order) => order,
            Err(error) => return outcome_of(node, 0, Err(&error)),
        };
        let layers = order.all_layers().len();
        let would_be = || Sent { bytes: order.bytes(), layers: order.layers.len() };
        let sent = match self.dry_run {
            true => Ok(would_be()),
            false => send(&self.site.engine, node, goods, stock, &|layer, so_far| {
                tally.moved(node.name(), layer, so_far);
            }),
        };
        outcome_of(node, layers, sent.as_ref().copied())
    }

    fn warn_of_strangers(
        &self,
        goods: &[Goods],
        stocks: &[Result<Stock, LoadError>],
        voice: &Voice,
    ) {
        let mut words = BTreeSet::new();
        for stock in stocks.iter().flatten() {
            for piece in goods.iter().filter_map(|goods| goods.piece(&stock.architecture).ok()) {
                if let Some(other) = piece.stranger(stock) {
                    words.insert(format!(
                        "{} is for {other}, and the nodes are {}: its pods may not start",
                        piece.goods.typed, stock.architecture
                    ));
                }
            }
        }
        words.iter().for_each(|words| voice.warn(words));
    }
}

/// An image that was found, read from now on, with the names that it gets.
fn goods_of(
    wanted: &Wanted,
    found: Found,
    finder: &Finder,
    lacks: &dyn Fn(&Digest) -> bool,
) -> Result<Goods, FindError> {
    let spool = &finder.surroundings.spool;
    let source = match found.place.is_open() {
        true => found.place.open(everything, spool)?,
        false => found.place.open(lacks, spool)?,
    };
    let mut described = found.described;
    if described.names.is_empty() {
        described.names = source.names().to_vec();
    }
    let names = match &wanted.renamed {
        Some(name) => vec![name.clone()],
        None => names_of(&wanted.typed, &wanted.origin, &described)?,
    };
    let mut all = Vec::new();
    for name in names.iter().flat_map(in_pods) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    Ok(Goods { typed: wanted.typed.clone(), source, names: all })
}

/// Every layer, with the number of nodes that lack it.
fn lacking(
    goods: &[Goods],
    stocks: &[Result<Stock, LoadError>],
) -> HashMap<Digest, (Descriptor, u64)> {
    let mut all = HashMap::new();
    for stock in stocks.iter().flatten() {
        let Ok(order) = Order::of(goods, stock) else { continue };
        for layer in order.all_layers() {
            all.entry(layer.digest).or_insert_with(|| (layer.clone(), 0));
        }
        for layer in &order.layers {
            all.entry(layer.digest).and_modify(|(_, nodes)| *nodes += 1);
        }
    }
    all
}

fn outcome_of(node: &Node, layers: usize, sent: Result<Sent, &LoadError>) -> NodeOutcome {
    let done = sent.unwrap_or_default();
    NodeOutcome {
        node: node.name().to_owned(),
        cluster: node.cluster.clone(),
        unchanged: sent.is_ok_and(|sent| sent == Sent::default()),
        sent_bytes: done.bytes,
        sent_layers: done.layers,
        layers,
        error: sent.err().map(|error| told(error)),
    }
}

impl ImageOutcome {
    fn of(goods: Goods) -> Self {
        Self {
            id: goods.source.image().id,
            source: goods.source.origin(),
            reference: goods.typed,
            pod_references: goods.names,
        }
    }
}
