//! What was done, and what would be, in numbers: nothing here asks or moves anything.

use std::collections::HashSet;

use wharf_oci::{Descriptor, Digest, Reference, RepositoryName};

use crate::image::{Finished, Forms};
use crate::push::{Order, Planned, Pushed, Step};
use crate::transfer::{Delivery, How, Inventory, Job, Knowledge, Parcel, Target};

/// One receipt for each order: `found` was there, and the others were jobs.
pub(crate) fn write(
    orders: &[Order],
    found: &[Option<Digest>],
    jobs: &[Job<'_>],
    finished: &[Finished],
    deliveries: &[Delivery],
) -> Vec<Pushed> {
    let mut done = jobs.iter().zip(finished);
    let mut counted = HashSet::new();
    let receipts = orders.iter().zip(found).filter_map(|(order, found)| match found {
        Some(digest) => Some(unchanged(order, *digest)),
        None => done.next().map(|(job, finished)| one(job, finished, deliveries, &mut counted)),
    });
    receipts.collect()
}

fn unchanged(order: &Order, digest: Digest) -> Pushed {
    let mut blobs = HashSet::new();
    let leaves = order.source.image().leaves();
    let all = leaves.into_iter().flat_map(|image| &image.blobs).map(|blob| &blob.descriptor);
    let each_once = all.filter(|blob| blobs.insert(blob.digest));
    Pushed {
        name: order.name.clone(),
        reference: order.reference.clone(),
        digest,
        is_original: is_original(order, &digest),
        was_there: true,
        left_out: Vec::new(),
        sent_bytes: 0,
        reused_bytes: each_once.map(|blob| blob.size).sum(),
        mounted_bytes: 0,
    }
}

fn one(
    job: &Job<'_>,
    finished: &Finished,
    deliveries: &[Delivery],
    counted: &mut HashSet<(String, RepositoryName, Digest)>,
) -> Pushed {
    let (target, order) = (job.target(), job.order);
    let registry = target.registry();
    let digest = match order.reference {
        Reference::Digest(digest) => digest,
        Reference::Tag(_) => finished.digest(),
    };
    let mut pushed = Pushed {
        digest,
        is_original: is_original(order, &digest),
        was_there: false,
        left_out: finished.left_out.clone(),
        reused_bytes: 0,
        ..unchanged(order, digest)
    };
    for blob in job.blobs() {
        let is_it = |it: &&Delivery| it.registry == registry && it.digest == blob.descriptor.digest;
        let Some(delivery) = deliveries.iter().find(is_it) else { continue };
        let how = delivery.places.iter().find(|(place, _)| place.is(&target)).map(|(_, how)| *how);
        let key = (registry.clone(), target.name.clone(), delivery.digest);
        let bytes = match how.filter(|_| counted.insert(key)) {
            Some(How::Sent) => &mut pushed.sent_bytes,
            Some(How::Mounted) => &mut pushed.mounted_bytes,
            Some(How::Present) | None => &mut pushed.reused_bytes,
        };
        *bytes += delivery.form.size;
    }
    pushed
}

fn is_original(order: &Order, digest: &Digest) -> bool {
    let image = order.source.image();
    let bytes = image.pulled.as_ref().unwrap_or(&image.manifest).bytes();
    Digest::of(digest.algorithm(), bytes) == *digest
}

/// What would be done with the blobs of a job, and the forms in which the registry would have them:
/// none if that is known only after compressing.
pub(crate) fn steps(
    job: &Job<'_>,
    parcels: &[Parcel],
    inventory: &Inventory,
    knowledge: &Knowledge,
) -> (Vec<Planned>, Option<Forms>) {
    let target = job.target();
    let (mut blobs, mut forms) = (Vec::new(), Some(Forms::new()));
    for digest in job.blobs().into_iter().map(|blob| blob.descriptor.digest) {
        let Some(parcel) = parcels.iter().find(|it| it.digest() == digest) else { continue };
        let (blob, step) = step(parcel, &target, inventory, knowledge);
        forms = forms.filter(|_| step != Step::Compress);
        if let Some(forms) = &mut forms {
            forms.insert(digest, blob.clone());
        }
        blobs.push(Planned { blob, is_layer: parcel.is_layer(), step });
    }
    (blobs, forms)
}

fn step(
    parcel: &Parcel,
    target: &Target,
    inventory: &Inventory,
    knowledge: &Knowledge,
) -> (Descriptor, Step) {
    if let Some(form) = parcel.forms().find(|form| inventory.has(target, &form.digest)) {
        return (form.clone(), Step::Present);
    }
    for form in parcel.forms() {
        let mut holders = knowledge.holders(&target.registry(), &form.digest).iter();
        if let Some(from) = holders.find(|name| **name != target.name) {
            return (form.clone(), Step::Mount(from.clone()));
        }
    }
    let step = if parcel.to_compress.is_some() { Step::Compress } else { Step::Send };
    (parcel.descriptor.clone(), step)
}
