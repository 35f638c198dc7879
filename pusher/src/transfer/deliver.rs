//! One parcel to its repositories: taken over from where the registry has it already, or sent once
//! and taken over from there.

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Descriptor, Digest, RepositoryName};

use crate::error::Error;
use crate::layer::DigestCache;
use crate::progress::Event;
use crate::transfer::knowledge::{Knowledge, remember};
use crate::transfer::parcel::Content;
use crate::transfer::send::Shipment;
use crate::transfer::session::Upload;
use crate::transfer::{Inventory, Parcel, Target, Transfer};

/// How many repositories are asked for a blob before it is sent.
const MOUNTS_MAX: usize = 2;

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Present,
    Mounted,
    Sent,
}

/// What became of a parcel.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) registry: String,
    /// The blob in the form of its source.
    pub(crate) digest: Digest,
    /// The form in which the repositories have it.
    pub(crate) form: Descriptor,
    pub(crate) places: Vec<(Target, How)>,
}

/// What stands between a plan and a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) inventory: &'a Inventory,
    pub(crate) knowledge: &'a Knowledge,
}

impl Transfer<'_> {
    /// Brings all parcels to their repositories, several at once, in their order.
    pub(crate) async fn deliver_all(
        &self,
        parcels: &[Parcel],
        known: Known<'_>,
    ) -> Result<Vec<Delivery>, Error> {
        let work: Vec<_> = parcels.iter().map(|parcel| self.deliver(parcel, known)).collect();
        let at_once = self.config.parallel.get();
        stream::iter(work).buffer_unordered(at_once).try_collect().await
    }

    async fn deliver(&self, parcel: &Parcel, known: Known<'_>) -> Result<Delivery, Error> {
        let has = |form: &Descriptor| -> Vec<bool> {
            let targets = parcel.targets.iter();
            targets.map(|target| known.inventory.has(target, &form.digest)).collect()
        };
        let Some(to_compress) = &parcel.to_compress else {
            let form = &parcel.descriptor;
            let found = has(form);
            return self.place(parcel, form, &parcel.content, &found, known.knowledge).await;
        };
        for form in &parcel.others {
            let places = self.take_over(parcel, form, &has(form), known.knowledge).await?;
            if let Some(places) = places {
                return Ok(self.delivered(parcel, form, places).await);
            }
        }
        let (form, file) = self.compress(&parcel.descriptor, to_compress).await?;
        let mut found = Vec::new();
        for target in &parcel.targets {
            found.push(self.has(target, &form).await?);
        }
        let content = Content::Spool(file);
        self.place(parcel, &form, &content, &found, known.knowledge).await
    }

    /// Brings a form whose bytes are at hand to every repository.
    async fn place(
        &self,
        parcel: &Parcel,
        form: &Descriptor,
        content: &Content,
        found: &[bool],
        knowledge: &Knowledge,
    ) -> Result<Delivery, Error> {
        let mut holders = holders(parcel, form, found, knowledge);
        let mut places = Vec::new();
        for (target, is_there) in parcel.targets.iter().zip(found) {
            let how = if *is_there {
                self.events.tell(Event::Present { digest: parcel.digest() });
                How::Present
            } else {
                let how = self.mount_or_send(parcel, form, content, target, &holders).await?;
                holders.insert(0, target.name.clone());
                how
            };
            places.push((target.clone(), how));
        }
        Ok(self.delivered(parcel, form, places).await)
    }

    async fn mount_or_send(
        &self,
        parcel: &Parcel,
        form: &Descriptor,
        content: &Content,
        target: &Target,
        holders: &[RepositoryName],
    ) -> Result<How, Error> {
        let named = holders.iter().filter(|name| **name != target.name).take(MOUNTS_MAX);
        // Without a repository, the registry chooses one, or none; the request is needed anyway.
        let mut begun = None;
        for from in named.map(Some).chain([None]) {
            match self.mount(parcel, form, target, from).await? {
                Mounting::Done => return Ok(How::Mounted),
                Mounting::Began(upload) => {
                    begun = Some(upload);
                    break;
                }
                Mounting::Refused => {}
            }
        }
        let shipment = Shipment { target, shown: parcel.digest(), form, content };
        self.send(shipment, begun).await.map(|()| How::Sent)
    }

    /// Has every repository take a form over from another one, for nobody has its bytes. None: one
    /// of them could not.
    async fn take_over(
        &self,
        parcel: &Parcel,
        form: &Descriptor,
        found: &[bool],
        knowledge: &Knowledge,
    ) -> Result<Option<Vec<(Target, How)>>, Error> {
        let holders = holders(parcel, form, found, knowledge);
        let mut places = Vec::new();
        for (target, is_there) in parcel.targets.iter().zip(found) {
            if *is_there {
                places.push((target.clone(), How::Present));
                continue;
            }
            let mut is_mounted = false;
            for from in holders.iter().filter(|name| **name != target.name).take(MOUNTS_MAX) {
                match self.mount(parcel, form, target, Some(from)).await? {
                    Mounting::Done => {
                        is_mounted = true;
                        break;
                    }
                    // Nobody is going to finish it.
                    Mounting::Began(upload) => self.sessions.cancel(&upload).await,
                    Mounting::Refused => {}
                }
            }
            if !is_mounted {
                return Ok(None);
            }
            places.push((target.clone(), How::Mounted));
        }
        if places.iter().any(|(_, how)| *how == How::Present) {
            self.events.tell(Event::Present { digest: parcel.digest() });
        }
        Ok(Some(places))
    }

    async fn mount(
        &self,
        parcel: &Parcel,
        form: &Descriptor,
        target: &Target,
        from: Option<&RepositoryName>,
    ) -> Result<Mounting, Error> {
        let Target { client, name } = target;
        let ask = || {
            let (client, name) = (client.clone(), name.clone());
            let (digest, from) = (form.digest, from.cloned());
            self.sessions
                .begin(async move { client.mount_or_begin(&name, &digest, from.as_ref()).await })
        };
        match self.again(Some(parcel.digest()), ask).await {
            Ok(None) => {
                self.events.tell(Event::Mounted { digest: parcel.digest(), from: from.cloned() });
                Ok(Mounting::Done)
            }
            Ok(Some(upload)) => {
                self.forget(target, form, from).await;
                Ok(Mounting::Began(upload))
            }
            // Harbor refuses to mount from a project that is not there or not ours, instead of
            // beginning an upload; a registry may not know of mounts at all.
            // And the login may not reach that far; if it does not reach here either, the upload
            // says so.
            Err(error) if error.is_denied() || is_of_client(&error) => {
                self.forget(target, form, from).await;
                Ok(Mounting::Refused)
            }
            Err(source) => {
                let (name, digest) = (name.clone(), parcel.digest());
                Err(Error::Send { name, digest, source: Box::new(source) })
            }
        }
    }

    /// A repository that did not give a blob does not have it.
    async fn forget(&self, target: &Target, form: &Descriptor, from: Option<&RepositoryName>) {
        let Some(from) = from.cloned() else { return };
        let (registry, digest) = (target.registry(), form.digest);
        let write = move |cache: &DigestCache| cache.forget_holder(&registry, &digest, &from);
        remember(&self.config.cache, write).await;
    }

    /// Writes down what was learnt: this form is stored, in these repositories.
    async fn delivered(
        &self,
        parcel: &Parcel,
        form: &Descriptor,
        places: Vec<(Target, How)>,
    ) -> Delivery {
        let registry = parcel.targets.first().map(Target::registry).unwrap_or_default();
        let delivery = Delivery { registry, digest: parcel.digest(), form: form.clone(), places };
        let is_new = delivery.places.iter().any(|(_, how)| *how != How::Present);
        // What was known before is not news; what had to be compressed to be known is, even if the
        // registry then has it.
        let is_news = parcel.others.iter().all(|other| other.digest != form.digest);
        let diff_id = parcel.to_compress.as_ref().map(|it| it.diff_id).filter(|_| is_news);
        if parcel.is_layer() && (is_new || diff_id.is_some()) {
            let (registry, digest, size) = (delivery.registry.clone(), form.digest, form.size);
            let names: Vec<_> = delivery.places.iter().map(|(it, _)| it.name.clone()).collect();
            let compression = self.config.compression;
            let write = move |cache: &DigestCache| {
                if let Some(diff_id) = diff_id {
                    cache.note_compressed(&diff_id, compression, (digest, size))?;
                }
                names.iter().try_for_each(|name| cache.note_holder(&registry, &digest, name))
            };
            remember(&self.config.cache, write).await;
        }
        delivery
    }
}

/// What came of a request to mount.
enum Mounting {
    Done,
    Began(Box<Upload>),
    Refused,
}

/// Whether the registry found fault with the request itself.
fn is_of_client(error: &wharf_client::Error) -> bool {
    matches!(error, wharf_client::Error::Refused { status, .. } if status.is_client_error())
}

/// The repositories that have a form: those found, and those of earlier pushes.
fn holders(
    parcel: &Parcel,
    form: &Descriptor,
    found: &[bool],
    knowledge: &Knowledge,
) -> Vec<RepositoryName> {
    let found = parcel.targets.iter().zip(found).filter(|(_, is_there)| **is_there);
    let mut holders: Vec<_> = found.map(|(target, _)| target.name.clone()).collect();
    if let Some(target) = parcel.targets.first() {
        holders.extend_from_slice(knowledge.holders(&target.registry(), &form.digest));
    }
    holders
}
