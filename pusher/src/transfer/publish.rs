//! Manifests: those below an index by their digests, and the references last, when everything else is
//! in its place.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Algorithm, Digest, Manifest, ManifestKind, Reference};

use crate::error::Error;
use crate::image::{Finished, Forms, Image};
use crate::layer::Compression;
use crate::progress::Event;
use crate::push::Order;
use crate::transfer::knowledge::to_compress;
use crate::transfer::{Delivery, Job, Knowledge, QUESTIONS_AT_ONCE, Target, Transfer};

impl Transfer<'_> {
    /// For each order, the manifest that its reference points at already, if that is the image's.
    pub(crate) async fn found_all(
        &self,
        orders: &[Order],
        knowledge: &Knowledge,
    ) -> Result<Vec<Option<Digest>>, Error> {
        let questions: Vec<_> = orders.iter().map(|order| self.found(order, knowledge)).collect();
        stream::iter(questions).buffered(QUESTIONS_AT_ONCE).try_collect().await
    }

    /// The manifest that the order's reference points at already, if that is the image's.
    pub(crate) async fn found(
        &self,
        order: &Order,
        knowledge: &Knowledge,
    ) -> Result<Option<Digest>, Error> {
        let image = order.source.image();
        let expected = expected(image, self.config.compression, knowledge);
        let Order { client, name, reference, .. } = order;
        let ask = || client.head_manifest(name, reference);
        let found = match self.again(None, ask).await {
            // The header that it lacks is no duty.
            Err(wharf_client::Error::Incomplete { .. }) => None,
            Err(source) => {
                return Err(Error::Ask { name: name.clone(), source: Box::new(source) });
            }
            Ok(found) => found.map(|manifest| manifest.digest),
        };
        Ok(found.filter(|digest| expected.contains(digest)))
    }

    /// For each job, its manifests.
    pub(crate) async fn finish_all(
        &self,
        jobs: &[Job<'_>],
        deliveries: &[Delivery],
    ) -> Result<Vec<Finished>, Error> {
        let mut all = Vec::new();
        for job in jobs {
            let registry = job.target().registry();
            let here = deliveries.iter().filter(|delivery| delivery.registry == registry);
            let forms = here.map(|delivery| (delivery.digest, delivery.form.clone())).collect();
            all.push(self.finish(job, &forms).await?);
        }
        Ok(all)
    }

    /// The manifests of a job, for layers in these forms.
    pub(crate) async fn finish(&self, job: &Job<'_>, forms: &Forms) -> Result<Finished, Error> {
        let target = job.target();
        let elsewhere = self.elsewhere(&job.image, &target).await?;
        let finished = job.image.finished(forms, &elsewhere);
        let finished = finished.map_err(|error| Error::Rewrite(Box::new(error)))?;
        if let (true, Some(entry)) =
            (finished.manifest.children().is_empty(), finished.left_out.first())
        {
            let (digest, origin) = (entry.digest, job.order.source.origin());
            return Err(Error::ChildMissing { digest, origin, name: target.name });
        }
        if let Reference::Digest(wanted) = job.order.reference {
            let found = Digest::of(wanted.algorithm(), finished.manifest.bytes());
            if found != wanted {
                let (wanted, found) = (Box::new(wanted), Box::new(found));
                return Err(Error::OtherDigest { wanted, found });
            }
        }
        Ok(finished)
    }

    /// The images of an index that its source does not hold, but the repository does.
    async fn elsewhere(&self, image: &Image, target: &Target) -> Result<Vec<Digest>, Error> {
        let questions: Vec<_> =
            not_held(image).into_iter().map(|digest| self.has_manifest(target, digest)).collect();
        let answers = stream::iter(questions).buffer_unordered(QUESTIONS_AT_ONCE);
        let found: Vec<_> = answers.try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn has_manifest(&self, target: &Target, digest: Digest) -> Result<Option<Digest>, Error> {
        let reference = Reference::Digest(digest);
        let ask = || target.client.head_manifest(&target.name, &reference);
        match self.again(None, ask).await {
            Ok(found) => Ok(found.map(|_| digest)),
            // It is there, however little is said of it.
            Err(wharf_client::Error::Incomplete { .. }) => Ok(Some(digest)),
            Err(error) => Err(target.unasked(error)),
        }
    }

    /// Stores what stands below a manifest, those without children first.
    pub(crate) async fn publish_children(
        &self,
        job: &Job<'_>,
        finished: &Finished,
    ) -> Result<(), Error> {
        let target = job.target();
        let below = below(finished);
        let (indexes, images): (Vec<&Manifest>, Vec<&Manifest>) =
            below.into_iter().partition(|manifest| manifest.kind() == ManifestKind::Index);
        let puts: Vec<_> =
            images.iter().map(|manifest| self.put_child(&target, manifest)).collect();
        stream::iter(puts).buffer_unordered(QUESTIONS_AT_ONCE).try_collect::<()>().await?;
        for manifest in indexes {
            self.put_child(&target, manifest).await?;
        }
        Ok(())
    }

    async fn put_child(&self, target: &Target, manifest: &Manifest) -> Result<(), Error> {
        let digest = Digest::of(Algorithm::Sha256, manifest.bytes());
        self.put(target, &Reference::Digest(digest), manifest).await.map(drop)
    }

    /// Stores the manifest under the order's reference.
    pub(crate) async fn publish(&self, job: &Job<'_>, finished: &Finished) -> Result<(), Error> {
        let (target, reference) = (job.target(), &job.order.reference);
        let digest = self.put(&target, reference, &finished.manifest).await?;
        let (name, reference) = (target.name, reference.clone());
        self.events.tell(Event::Tagged { name, reference, digest });
        Ok(())
    }

    async fn put(
        &self,
        target: &Target,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Digest, Error> {
        let ask = || target.client.put_manifest(&target.name, reference, manifest);
        self.again(None, ask).await.map_err(|source| Error::Manifest {
            name: target.name.clone(),
            reference: Box::new(reference.clone()),
            source: Box::new(source),
        })
    }
}

/// The digests under which the image may be there already: as it was pulled, and as it would go.
fn expected(image: &Image, compression: Compression, knowledge: &Knowledge) -> Vec<Digest> {
    let pulled = image.pulled.as_ref();
    let pulled = pulled.map(|manifest| Digest::of(Algorithm::Sha256, manifest.bytes()));
    let all = not_held(image);
    let finished = [&all[..], &[]].into_iter().filter_map(|elsewhere| {
        let forms = known_forms(image, compression, knowledge)?;
        image.finished(&forms, elsewhere).ok()
    });
    pulled.into_iter().chain(finished.map(|finished| finished.digest())).collect()
}

/// The forms of the layers of an image, if they are known before anything is compressed.
fn known_forms(image: &Image, compression: Compression, knowledge: &Knowledge) -> Option<Forms> {
    let mut forms = HashMap::new();
    for blob in image.leaves().into_iter().flat_map(|image| &image.blobs) {
        if let Some(diff_id) = to_compress(blob, compression) {
            forms.insert(blob.descriptor.digest, knowledge.compressed(&diff_id)?.clone());
        }
    }
    Some(forms)
}

/// What the indexes of an image name, and its source does not hold.
fn not_held(image: &Image) -> Vec<Digest> {
    let held = |digest: &Digest| {
        let mut children = image.children.iter();
        children.any(|it| Digest::of(digest.algorithm(), it.manifest.bytes()) == *digest)
    };
    let named = image.manifest.children().iter().map(|entry| entry.digest);
    let here = named.filter(|digest| !held(digest));
    here.chain(image.children.iter().flat_map(not_held)).collect()
}

/// Everything below a manifest, the lowest first.
fn below(finished: &Finished) -> Vec<&Manifest> {
    let below = finished.children.iter();
    below.flat_map(|child| below_and(child)).collect()
}

fn below_and(finished: &Finished) -> Vec<&Manifest> {
    let mut all = below(finished);
    all.push(&finished.manifest);
    all
}
