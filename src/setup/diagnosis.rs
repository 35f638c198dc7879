//! What `wharf doctor` knows beyond the steps: why things that look right do not work. Each is a
//! [`Step`] whose `apply` mends what it can. Nothing here makes anything: that is for the steps.

pub mod catalog;
pub mod connections;
pub mod containerd_log;
pub mod greeting;
pub mod holdings;
pub mod inotify;
pub mod kind_version;
pub mod localhost;
pub mod node_images;
pub mod pods;
pub mod pull;
pub mod question;
pub mod reach;
pub mod rivals;
pub mod room;

use super::Step;

/// Every diagnosis, in the order in which they are told: from the machine, over the way from host and
/// nodes to the registry, to what is in it and on the nodes.
pub fn all() -> Vec<Box<dyn Step>> {
    vec![
        Box::new(connections::Connections),
        Box::new(kind_version::KindVersion),
        Box::new(inotify::Inotify),
        Box::new(rivals::Rivals),
        Box::new(localhost::Localhost),
        Box::new(reach::Reach),
        Box::new(containerd_log::ContainerdLog),
        Box::new(room::Room),
        Box::new(catalog::Catalog),
        Box::new(node_images::NodeImages),
        Box::new(pods::Pods),
    ]
}
