//! What a registry has already: one question for each blob and repository, all at once.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Descriptor, Digest, RepositoryName};

use crate::error::Error;
use crate::layer::Compression;
use crate::push::Order;
use crate::transfer::{Job, Parcel, QUESTIONS_AT_ONCE, Target, Transfer};

/// Which repositories have which blobs.
#[derive(Debug, Default)]
pub(crate) struct Inventory(HashSet<(String, RepositoryName, Digest)>);

impl Inventory {
    pub(crate) fn has(&self, target: &Target, digest: &Digest) -> bool {
        self.0.contains(&(target.registry(), target.name.clone(), *digest))
    }
}

impl Transfer<'_> {
    /// The order, with its image in the form in which it goes: as it was pulled, if all that was
    /// pulled is in the repository, since then nothing moves and the digest is the known one.
    pub(crate) async fn job<'o>(&self, order: &'o Order) -> Result<Job<'o>, Error> {
        let image = order.source.image();
        let pulled = image.as_pulled().filter(|_| self.config.compression == Compression::None);
        if let Some(pulled) = pulled {
            let job = Job { order, image: pulled };
            let blobs = job.blobs().into_iter().map(|blob| &blob.descriptor);
            if self.has_all(&job.target(), blobs).await? {
                return Ok(job);
            }
        }
        Ok(Job { order, image: image.clone() })
    }

    /// Asks for every form of every parcel in each of its repositories.
    pub(crate) async fn inventory(&self, parcels: &[Parcel]) -> Result<Inventory, Error> {
        let mut questions = Vec::new();
        for parcel in parcels {
            for target in &parcel.targets {
                questions.extend(parcel.forms().map(|form| self.look_up(target, form)));
            }
        }
        let answers = stream::iter(questions).buffer_unordered(QUESTIONS_AT_ONCE);
        let found: Vec<_> = answers.try_collect().await?;
        Ok(Inventory(found.into_iter().flatten().collect()))
    }

    async fn look_up(
        &self,
        target: &Target,
        form: &Descriptor,
    ) -> Result<Option<(String, RepositoryName, Digest)>, Error> {
        let has = self.has(target, form).await?;
        Ok(has.then(|| (target.registry(), target.name.clone(), form.digest)))
    }

    /// Whether a repository has a blob.
    pub(crate) async fn has(&self, target: &Target, form: &Descriptor) -> Result<bool, Error> {
        let ask = || target.client.has_blob(&target.name, &form.digest, form.size);
        self.again(Some(form.digest), ask).await.map_err(|error| target.unasked(error))
    }

    /// Whether a repository has all of these.
    pub(crate) async fn has_all<'b>(
        &self,
        target: &Target,
        forms: impl Iterator<Item = &'b Descriptor>,
    ) -> Result<bool, Error> {
        let questions: Vec<_> = forms.map(|form| self.has(target, form)).collect();
        let mut answers = stream::iter(questions).buffer_unordered(QUESTIONS_AT_ONCE);
        while let Some(has) = answers.try_next().await? {
            if !has {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
