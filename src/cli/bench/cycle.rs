//! `wharf bench loop`: how long a developer waits for a changed layer. (`loop` is a word of Rust's own, so
//! that the module has another name.)

use std::sync::{Arc, Mutex, PoisonError};

use wharf_load::Size;

use super::shared::SharedArgs;
use crate::bench::cycle::{Cycle, Node, Puller, STEP_BYTES};
use crate::bench::{BenchError, Trial};
use crate::cli::finder::surroundings::Surroundings;
use crate::failure::Failure;
use crate::process::Machine;
use crate::report::Report;
use crate::setup::engine::Engine;
use crate::setup::hand::{Hand, Manner};
use crate::setup::site::kind_of_engine;

/// Which image, and who pulls it.
#[derive(Debug, clap::Args)]
pub struct CycleArgs {
    /// The layer that changes
    #[arg(long, value_name = "SIZE", default_value = "48MiB", value_parser = size)]
    layer_size: u64,

    /// The whole image, with that layer
    #[arg(long, value_name = "SIZE", default_value = "228MiB", value_parser = size)]
    image_size: u64,

    /// Have this node's own containerd pull, as a kubelet has it
    #[arg(long, value_name = "NAME")]
    node: Option<String>,

    #[command(flatten)]
    shared: SharedArgs,
}

/// Changes, pushes and pulls, and shows what it took.
pub fn run(args: CycleArgs, report: &Report) -> Result<(), Failure> {
    let limits = args.shared.limits();
    let puller = match args.node {
        None => Puller::here(),
        Some(name) => {
            let kind = kind_of_engine().ok_or(BenchError::NoEngine)?;
            let hand = Hand::new(Arc::new(Machine), Manner::Quiet, *report);
            Puller::Node(Node::new(Engine::new(kind, hand), name, limits.time_max))
        }
    };
    let puller = Arc::new(Mutex::new(puller));
    let spool = Surroundings::read().spool;
    let (whole, layer) = (args.image_size, args.layer_size);
    let cycle = Cycle::new(&spool, whole, layer, limits, Arc::clone(&puller))?;
    let done = args.shared.run(vec![Box::new(cycle) as Box<dyn Trial>], report);
    if let Puller::Node(node) = &mut *puller.lock().unwrap_or_else(PoisonError::into_inner) {
        for image in node.leave() {
            report.say(format_args!("{}: {image} stays on it", node.name()));
        }
    }
    done
}

/// The size of a layer or an image, in what it is made of.
fn size(text: &str) -> Result<u64, String> {
    let Size(bytes) = text.parse()?;
    match bytes {
        STEP_BYTES..=SIZE_MAX => Ok(bytes.next_multiple_of(STEP_BYTES)),
        _ => Err("give at least 4KiB and at most 16GiB".to_owned()),
    }
}

/// The largest layer and the largest image, in bytes.
const SIZE_MAX: u64 = 16 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_and_bounds() {
        assert_eq!(size("48MiB"), Ok(48 << 20));
        assert_eq!(size("4097"), Ok(8192));
        for bad in ["", "MiB", "1", "4 KiB", "1MB", "17GiB", "99999999999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
