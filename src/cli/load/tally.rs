//! How much of each layer is on its way to the nodes, all of them together, told as the events of a push
//! are.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wharf_oci::{Descriptor, Digest};
use wharf_pusher::progress::{Event, Events};

/// A layer's movement is told so many times at most.
const TELLINGS: u64 = 500;

/// Counts what goes to all nodes.
#[derive(Debug)]
pub struct Tally<'a> {
    events: &'a Events,
    layers: Mutex<HashMap<Digest, Layer>>,
}

#[derive(Debug, Default)]
struct Layer {
    /// To all nodes that lack it, in bytes.
    of: u64,
    /// What went to each node.
    sent: HashMap<String, u64>,
    told: u64,
}

impl<'a> Tally<'a> {
    /// Tells of the layers in `all`, each with the number of nodes that lack it.
    pub fn begin(events: &'a Events, all: &HashMap<Digest, (Descriptor, u64)>) -> Self {
        let mut layers = HashMap::new();
        for (digest, (descriptor, nodes)) in all {
            let (digest, size) = (*digest, descriptor.size * (*nodes).max(1));
            events.tell(Event::Found { digest, size, is_layer: true });
            match nodes {
                0 => events.tell(Event::Present { digest }),
                _ => drop(layers.insert(digest, Layer { of: size, ..Layer::default() })),
            }
        }
        Self { events, layers: Mutex::new(layers) }
    }

    /// So much of a layer went to a node.
    pub fn moved(&self, node: &str, layer: &Descriptor, so_far: u64) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = layers.get_mut(&layer.digest) else { return };
        known.sent.insert(node.to_owned(), so_far);
        let sent = known.sent.values().sum::<u64>().min(known.of);
        let part = sent * TELLINGS / known.of.max(1);
        if part != known.told {
            known.told = part;
            self.events.tell(Event::Sent { digest: layer.digest, sent, of: known.of });
        }
    }

    /// Everything went that was going to.
    pub fn end(self) {
        for (digest, layer) in self.layers.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if layer.sent.values().sum::<u64>() >= layer.of {
                self.events.tell(Event::Stored { digest });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;
    use wharf_oci::{Algorithm, media_type};

    use super::*;

    #[test]
    fn nodes_are_counted_together() {
        let (sender, mut told) = unbounded_channel();
        let events = Events::to(sender);
        let layer = |bytes: &[u8]| {
            let digest = Digest::of(Algorithm::Sha256, bytes);
            Descriptor::new(media_type::OCI_LAYER, digest, 100)
        };
        let (new, old) = (layer(b"new"), layer(b"old"));
        let all = [(new.clone(), 2), (old.clone(), 0)].map(|it| (it.0.digest, it));
        let tally = Tally::begin(&events, &HashMap::from(all));
        tally.moved("a", &new, 100);
        tally.moved("a", &new, 100);
        tally.moved("b", &new, 50);
        tally.moved("b", &new, 100);
        tally.end();
        drop(events);
        let mut sent = Vec::new();
        while let Ok(event) = told.try_recv() {
            match event {
                Event::Sent { sent: so_far, of, .. } => sent.push((so_far, of)),
                Event::Present { digest } => assert_eq!(digest, old.digest),
                Event::Stored { digest } => assert_eq!((digest, sent.len()), (new.digest, 3)),
                _ => {}
            }
        }
        assert_eq!(sent, [(100, 200), (150, 200), (200, 200)]);
    }
}
