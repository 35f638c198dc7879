//! Images straight into the containerds of Kind's nodes, past any registry: each node is asked what it
//! holds, is sent the layers that it lacks, and is asked again.
//!
//! Refuses to hold a layer in memory or in a file: what a node lacks goes from where the image lies into
//! `ctr images import` on the node, in one stream.

pub mod goods;
pub mod names;
mod pack;
pub mod packed;
pub mod stock;

use std::io;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;
use wharf_oci::Descriptor;

use crate::failure::told;
use crate::process::RunError;
use crate::setup::engine::{Engine, EngineError};
use crate::setup::node::Node;
pub use goods::Goods;
use goods::Order;
use stock::{NAMESPACE, Stock};

/// How many nodes are worked on at once: each has a disk and a processor to unpack with, which mostly
/// are the same.
const NODES_AT_ONCE: usize = 4;

/// Why a node does not have the images.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The engine or the node's containerd cannot be asked, or refuses.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The node is stopped.
    #[error("it is stopped")]
    Stopped,
    /// A layer cannot be read from where the image is.
    #[error("cannot read the layers of the images")]
    Read(#[source] io::Error),
    /// The index has no image for the node's processor.
    #[error("{image} has no image for linux/{architecture}")]
    Platform {
        /// The image.
        image: String,
        /// The processor.
        architecture: String,
    },
    /// It is not an image that could be run.
    #[error("{image} is nothing that could be run: it is no image of layers")]
    NoImage {
        /// What it was called.
        image: String,
    },
    /// containerd took all of it, and does not have it.
    #[error("containerd took {image} and does not have it under all of its names")]
    Vanished {
        /// The image.
        image: String,
    },
}

/// What a node was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes of layers, configs and manifests.
    pub bytes: u64,
    /// How many layers.
    pub layers: usize,
}

/// Looks at what each node holds, all at once.
pub fn look(engine: &Engine, nodes: &[Node]) -> Vec<Result<Stock, LoadError>> {
    each(nodes, |node| match node.container.is_running {
        true => Ok(Stock::read(engine, node)?),
        false => Err(LoadError::Stopped),
    })
}

/// Does the same work for several things at once, and gives its results in their order.
pub fn each<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(things.iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let (next, work) = (&next, &work);
        let hand = || std::iter::from_fn(|| next().map(|(at, thing)| (at, work(thing)))).collect();
        let hands = NODES_AT_ONCE.min(things.len());
        let hands: Vec<_> = (0..hands).map(|_| scope.spawn(move || -> Vec<_> { hand() })).collect();
        let joined = hands.into_iter().map(|hand| match hand.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.flatten().collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Sends a node what it needs, and looks whether it has it. `moved` is told how much of a layer went.
///
/// # Errors
/// [`LoadError`]; a node that did not get all of it has nothing under a new name that cannot be run, or
/// gets it by the next attempt.
pub fn send(
    engine: &Engine,
    node: &Node,
    goods: &[Goods],
    stock: &Stock,
    moved: &(dyn Fn(&Descriptor, u64) + Sync),
) -> Result<Sent, LoadError> {
    let order = Order::of(goods, stock)?;
    if order.pieces.is_empty() {
        return Ok(Sent::default());
    }
    let first = attempt(engine, node, &order, stock, moved);
    let whole = order.whole();
    // What was there when we looked may have been collected since.
    let sent = match first {
        Err(error) if error.is_of_missing_content() && whole.layers.len() > order.layers.len() => {
            attempt(engine, node, &whole, stock, moved)?;
            whole
        }
        done => done.map(|()| order)?,
    };
    Ok(Sent { bytes: sent.bytes(), layers: sent.layers.len() })
}

/// Has a node import an order, and looks whether it has all of it then.
fn attempt(
    engine: &Engine,
    node: &Node,
    order: &Order<'_>,
    stock: &Stock,
    moved: &(dyn Fn(&Descriptor, u64) + Sync),
) -> Result<(), LoadError> {
    import(engine, node, order, &stock.snapshotter, moved)?;
    if engine.hand().is_dry() {
        return Ok(());
    }
    let now = Stock::read(engine, node)?;
    match order.pieces.iter().find(|piece| !piece.is_in(&now)) {
        Some(piece) => Err(LoadError::Vanished { image: piece.goods.typed.clone() }),
        None => Ok(()),
    }
}

fn import(
    engine: &Engine,
    node: &Node,
    order: &Order<'_>,
    snapshotter: &str,
    moved: &(dyn Fn(&Descriptor, u64) + Sync),
) -> Result<(), LoadError> {
    let snapshotter = format!("--snapshotter={snapshotter}");
    // As Kind has it, but for the names by digest, which are ours to give.
    let import = ["images", "import", "--all-platforms", &snapshotter, "-"];
    let program =
        engine.program([&["exec", "-i", node.name(), "ctr", NAMESPACE][..], &import].concat());
    let images: Vec<_> = order.pieces.iter().map(|piece| &*piece.goods.typed).collect();
    let shown = format!(" # {}", images.join(" "));
    let mut unread = None;
    let fed = engine.hand().stream(&program, &shown, &mut |stdin| {
        let mut pipe = Pipe { stdin, broken: false };
        let written = pack::write(order, &mut pipe, &mut |layer, so_far| moved(layer, so_far));
        let broken = pipe.broken;
        written.map_err(|error| match broken {
            // Why it reads no further, the program says.
            true => error,
            false => {
                let copy = io::Error::new(error.kind(), told(&error));
                unread = Some(error);
                copy
            }
        })
    });
    match unread {
        Some(error) => Err(LoadError::Read(error)),
        None => Ok(fed.map_err(EngineError::Run)?),
    }
}

/// What a program reads, and whether it stopped reading.
struct Pipe<'a> {
    stdin: &'a mut dyn io::Write,
    broken: bool,
}

impl io::Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stdin.write(bytes).inspect_err(|_| self.broken = true)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdin.flush().inspect_err(|_| self.broken = true)
    }
}

impl LoadError {
    /// Whether containerd lacks something that it had: its own words, or ours.
    fn is_of_missing_content(&self) -> bool {
        match self {
            Self::Engine(EngineError::Run(RunError::Failed { words, .. })) => {
                words.contains("not found")
            }
            Self::Vanished { .. } => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::packed::Packed;
    use super::*;
    use crate::image::{Architecture, Image};
    use crate::process::recorded::{Answer, Recorded};
    use crate::report::Report;
    use crate::setup::engine::{Container, Kind};
    use crate::setup::hand::{Hand, Manner};
    use crate::setup::node::Role;

    const NAME: &str = "docker.io/library/app:1";

    fn image() -> Image {
        Image::holding(b"program", Architecture::Amd64)
    }

    fn goods() -> Vec<Goods> {
        let source = Arc::new(Packed::of(image()));
        vec![Goods { typed: "app:1".into(), source, names: vec![NAME.into()] }]
    }

    /// What a node says that has the layer, unpacked or as a blob, or all of the image.
    fn said(has_blob: bool, has_chain: bool, is_whole: bool) -> String {
        let (image, mut said) = (image(), "x86_64\n== config\n== blobs\n".to_owned());
        let (layer, digest) = (image.layer.descriptor.digest, image.digest());
        if is_whole {
            said += &format!("{digest}\n{}\n", image.config.descriptor.digest);
        }
        if has_blob {
            said += &format!("{layer}\n");
        }
        said += "== images\nREF TYPE DIGEST\n";
        if is_whole {
            said +=
                &format!("{NAME} type {digest}\ndocker.io/library/app@{digest} type {digest}\n");
        }
        said += "== snapshots overlayfs\n";
        if has_chain { said + &format!("{layer} Committed\n") } else { said }
    }

    fn served<const N: usize>(
        stock: &str,
        answers: [Answer; N],
    ) -> (Result<Sent, LoadError>, Arc<Recorded>) {
        let recorded = Arc::new(Recorded::new(answers));
        let hand = Hand::new(Arc::clone(&recorded) as _, Manner::Quiet, Report::new(false));
        let container = Container { name: "node".into(), is_running: true, ..Container::default() };
        let node = Node { cluster: "c".into(), role: Role::Worker, container };
        let engine = Engine::new(Kind::Podman, hand);
        let stock = Stock::parse(stock);
        (send(&engine, &node, &goods(), &stock, &|_, _| {}), recorded)
    }

    /// The blobs in an archive that was sent.
    fn blobs(archive: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| entry.unwrap());
        let paths = entries.map(|entry| entry.path().unwrap().display().to_string());
        paths.filter_map(|path| path.strip_prefix("blobs/sha256/").map(str::to_owned)).collect()
    }

    #[test]
    fn a_node_that_has_all_of_it_is_not_asked_again() {
        let (sent, recorded) = served(&said(true, true, true), []);
        assert_eq!(sent.unwrap(), Sent::default());
        assert_eq!(recorded.lines(), [""; 0]);
        // The layer's blob may be gone once it is unpacked.
        assert_eq!(served(&said(false, true, true), []).0.unwrap(), Sent::default());
    }

    #[test]
    fn an_image_goes_in_one_stream_and_is_looked_for() {
        let whole = said(true, true, true).into_bytes();
        let (sent, recorded) = served(&said(false, false, false), [Ok(Vec::new()), Ok(whole)]);
        let image = image();
        assert_eq!(sent.unwrap(), Sent { bytes: image.size(), layers: 1 });
        let import = "podman exec -i node ctr --namespace=k8s.io images import --all-platforms \
                      --snapshotter=overlayfs -";
        assert_eq!(recorded.lines()[0], import);
        let parts = [&image.layer, &image.config].map(|blob| blob.descriptor.digest.hex());
        let expected = [&parts[..], &[image.digest().hex()]].concat();
        assert_eq!(blobs(&recorded.inputs()[0]), expected);
    }

    #[test]
    fn what_was_collected_meanwhile_is_sent_after_all() {
        let whole = || Ok(said(true, true, true).into_bytes());
        let stock = said(true, false, false);
        let missing: Answer = Err("ctr: content digest sha256:00: not found".into());
        let refused = served(&stock, [missing, Ok(Vec::new()), whole()]);
        // Or it says that all is well, and it is not.
        let unpacked_not = Ok(said(true, false, true).into_bytes());
        let taken = served(&stock, [Ok(Vec::new()), unpacked_not, Ok(Vec::new()), whole()]);
        for (sent, recorded) in [refused, taken] {
            assert_eq!(sent.unwrap().layers, 1);
            let inputs = recorded.inputs();
            assert_eq!((blobs(&inputs[0]).len(), blobs(&inputs[1]).len()), (2, 3));
        }
    }

    #[test]
    fn another_failure_is_no_reason_to_send_more() {
        let full: Answer = Err("ctr: write: no space left on device".into());
        let (sent, recorded) = served(&said(true, false, false), [full]);
        assert!(sent.unwrap_err().to_string().contains("no space left"));
        assert_eq!(recorded.inputs().len(), 1);
    }

    #[test]
    fn a_layer_that_is_cut_short_is_the_reason_that_is_told() {
        #[derive(Debug)]
        struct Short(Packed);
        impl wharf_pusher::source::ImageSource for Short {
            fn origin(&self) -> String {
                self.0.origin()
            }
            fn image(&self) -> &wharf_pusher::image::Image {
                self.0.image()
            }
            fn open(&self, _: &wharf_oci::Digest) -> io::Result<Box<dyn io::Read + Send>> {
                Ok(Box::new(&b"short"[..]))
            }
        }
        let source = Arc::new(Short(Packed::of(image())));
        let goods = [Goods { typed: "app:1".into(), source, names: vec![NAME.into()] }];
        let order = Order::of(&goods, &Stock::default()).unwrap();
        let mut archive = Vec::new();
        let error = pack::write(&order, &mut archive, &mut |_, _| {}).unwrap_err();
        assert!(error.to_string().contains("bytes long"), "{error}");
        assert!(!String::from_utf8_lossy(&archive).contains("index.json"));
    }

    #[test]
    fn results_come_in_the_order_of_things() {
        let things: Vec<_> = (0..20).collect();
        assert_eq!(each(&things, |thing| thing * 2), (0..40).step_by(2).collect::<Vec<_>>());
        assert_eq!(each(&[], |(): &()| ()), []);
    }
}
