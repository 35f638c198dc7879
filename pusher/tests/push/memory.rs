//! A push of a gigabyte in a process of its own, whose memory is looked at when it is over.

#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};
use std::sync::Arc;

use wharf_client::RegistryClient;
use wharf_oci::{Descriptor, media_type};

use crate::made::{Layer, Made, of};
use crate::push_one;
use crate::registry::{Kind, Registry};

/// Tells the process that it is the one that pushes, and where to.
const REGISTRY: &str = "WHARF_TEST_PUSHES_TO";
const LAYERS: u8 = 6;
const LAYER_BYTES: u64 = 180 << 20;
/// What the whole pusher may take for itself.
const PRIVATE_BYTES_MAX: u64 = 64 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_goes_through_little_memory() {
    if let Ok(address) = std::env::var(REGISTRY) {
        return pusher(&RegistryClient::new(address.parse().unwrap())).await;
    }
    // What comes is thrown away: the digests are made up.
    let registry = Registry::sink().await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "memory::a_gigabyte_goes_through_little_memory", "--nocapture"]);
    command.env(REGISTRY, registry.client().address().to_string()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let (_, after) = text.split_once("peak: ").unwrap();
    let peak: u64 = after.split_whitespace().next().unwrap().parse().unwrap();
    assert!(peak < PRIVATE_BYTES_MAX, "{} MiB", peak >> 20);
    let sent: usize = registry.of_kind(Kind::Put).iter().map(|put| put.length).sum();
    assert!(sent as u64 > LAYER_BYTES * u64::from(LAYERS));
}

#[expect(clippy::print_stdout, reason = "the process that started this one reads it")]
async fn pusher(client: &RegistryClient) {
    let layers = (0..LAYERS).map(|layer| {
        let layer = Descriptor::new(media_type::OCI_LAYER, of(&[layer]), LAYER_BYTES);
        (layer, Layer::Zeros(LAYER_BYTES))
    });
    push_one(&Arc::new(Made::with(layers.collect())), client).await.unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    println!("peak: {}", kib << 10);
}
