//! One blob into one repository, through failures: asked where it stands, the registry gets the rest;
//! what refuses a body for its size gets it in chunks; what is not worth another try is told.

use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use wharf_client::{Begun, BlobSource, Error as ClientError};
use wharf_oci::{Descriptor, Digest, ErrorCode};

use crate::error::Error;
use crate::progress::Event;
use crate::transfer::parcel::Content;
use crate::transfer::session::Upload;
use crate::transfer::steps::Steps;
use crate::transfer::{Target, Transfer};

/// How often a connection may break with nothing kept of a large blob before it goes in chunks: what
/// stands before a registry may close it at a size of its own.
const BREAKS_MAX: u32 = 2;

/// A blob, where it comes from, and where it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shipment<'a> {
    pub(crate) target: &'a Target,
    /// The digest that events name: that of the source's form.
    pub(crate) shown: Digest,
    pub(crate) form: &'a Descriptor,
    pub(crate) content: &'a Content,
}

/// How far sending has come.
#[derive(Debug, Default)]
struct State {
    upload: Option<Box<Upload>>,
    tries: u32,
    /// How often the connection broke in the body.
    breaks: u32,
    /// The most bytes that the registry had.
    reached: u64,
    in_chunks: bool,
    /// The registry refused a chunk as such: no more of that either.
    takes_no_chunks: bool,
    is_resumed: bool,
    /// A resumed blob came out wrong once: no more of that.
    from_the_start: bool,
    /// The failure is one of the request that carried bytes.
    is_in_body: bool,
}

impl Transfer<'_> {
    /// Sends a blob, into an upload that has begun or a new one.
    pub(crate) async fn send(
        &self,
        shipment: Shipment<'_>,
        begun: Option<Box<Upload>>,
    ) -> Result<(), Error> {
        let mut state = State { upload: begun, ..State::default() };
        loop {
            state.is_in_body = false;
            match self.attempt(shipment, &mut state).await {
                Ok(()) => break,
                Err(error) => self.judge(shipment, &mut state, error).await?,
            }
        }
        self.events.tell(Event::Stored { digest: shipment.shown });
        Ok(())
    }

    async fn attempt(&self, shipment: Shipment<'_>, state: &mut State) -> Result<(), ClientError> {
        let Some((mut upload, from)) = self.stand(shipment, state).await? else { return Ok(()) };
        state.is_in_body = true;
        let sent = self.transmit(shipment, state.in_chunks, &mut upload, from).await;
        match sent {
            Ok(()) => self.sessions.ended(&upload),
            Err(_) => state.upload = Some(upload),
        }
        sent
    }

    /// The upload to continue, and where; none if the registry turns out to have the blob.
    async fn stand(
        &self,
        shipment: Shipment<'_>,
        state: &mut State,
    ) -> Result<Option<(Box<Upload>, u64)>, ClientError> {
        let Target { client, name } = shipment.target;
        let Descriptor { digest, size, .. } = shipment.form;
        if let Some(upload) = &mut state.upload
            && !upload.is_fresh
        {
            let held = match upload.session.status().await {
                Err(error) if error.is_passing() => return Err(error),
                held => held.ok().filter(|held| (1..=*size).contains(held)),
            };
            self.sessions.update(upload);
            if let Some(held) = held.filter(|_| !state.from_the_start) {
                if held > state.reached {
                    // It gets on: tries are counted from here.
                    (state.reached, state.tries, state.breaks) = (held, 0, 0);
                }
                state.is_resumed = true;
                return Ok(state.upload.take().map(|upload| (upload, held)));
            }
            self.sessions.cancel(upload).await;
            state.upload = None;
            // The answer that said so may be what got lost.
            if client.has_blob(name, digest, *size).await? {
                return Ok(None);
            }
        }
        state.is_resumed = false;
        let mut upload = match state.upload.take() {
            Some(upload) => upload,
            None => match self.begin(shipment).await? {
                Some(upload) => upload,
                None => return Ok(None),
            },
        };
        upload.is_fresh = false;
        Ok(Some((upload, 0)))
    }

    async fn begin(&self, shipment: Shipment<'_>) -> Result<Option<Box<Upload>>, ClientError> {
        let Target { client, name } = shipment.target.clone();
        let digest = shipment.form.digest;
        let request = async move {
            let session = client.begin_upload(&name, &digest).await?;
            Ok(Begun::Session(Box::new(session)))
        };
        self.sessions.begin(request).await
    }

    /// Sends everything from `from` on, and closes the upload.
    async fn transmit(
        &self,
        shipment: Shipment<'_>,
        in_chunks: bool,
        upload: &mut Upload,
        mut from: u64,
    ) -> Result<(), ClientError> {
        let mut source = self.counted(shipment, from);
        let chunk = self.config.chunk_bytes.get().max(upload.session.chunk_bytes_min());
        while in_chunks && source.size() > chunk {
            upload.session.patch(source.split_to(chunk), from).await?;
            self.sessions.update(upload);
            from += chunk;
        }
        upload.session.put(&shipment.form.digest, source, from).await
    }

    /// The bytes from `from` on, which tell how many of them have gone.
    fn counted(&self, shipment: Shipment<'_>, from: u64) -> BlobSource {
        let (digest, of) = (shipment.shown, shipment.form.size);
        let events = self.events.clone();
        let count = Mutex::new((from, Steps::of(of)));
        let tell = move |more| {
            let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
            count.0 += more;
            let sent = count.0;
            if count.1.is_due(sent) {
                events.tell(Event::Sent { digest, sent, of });
            }
        };
        tell(0);
        shipment.content.from(from, of).counted(tell)
    }

    /// Makes the next attempt ready, or says why there is none.
    async fn judge(
        &self,
        shipment: Shipment<'_>,
        state: &mut State,
        error: ClientError,
    ) -> Result<(), Error> {
        let is_large = shipment.form.size > self.config.chunk_bytes.get();
        let broke = matches!(error, ClientError::Interrupted { .. });
        state.breaks += u32::from(state.is_in_body && broke);
        let is_cut = status_of(&error) == Some(StatusCode::PAYLOAD_TOO_LARGE)
            || state.breaks >= BREAKS_MAX && state.reached == 0;
        if is_cut && is_large && !state.in_chunks && !state.takes_no_chunks {
            state.in_chunks = true;
            self.tell_retry(shipment, &error);
            self.start_over(state).await;
            return Ok(());
        }
        if is_mismatch(&error) {
            if !state.is_resumed || state.from_the_start {
                return Err(shipment.damaged(error));
            }
            // The parts may not have fitted: whole, it may be right.
            state.from_the_start = true;
            self.tell_retry(shipment, &error);
            return Ok(());
        }
        if state.refuses_chunks(&error) {
            (state.in_chunks, state.takes_no_chunks) = (false, true);
            self.tell_retry(shipment, &error);
            self.start_over(state).await;
            return Ok(());
        }
        state.tries += 1;
        if state.is_lost(&error) && state.tries < self.config.retry.tries_max {
            self.tell_retry(shipment, &error);
            self.start_over(state).await;
            return Ok(());
        }
        let paused = self.pause(Some(shipment.shown), state.tries, error).await;
        paused.map_err(|error| shipment.failed(error))
    }

    fn tell_retry(&self, shipment: Shipment<'_>, error: &ClientError) {
        let reason = error.to_string();
        self.events.tell(Event::Retrying { digest: Some(shipment.shown), reason });
    }

    async fn start_over(&self, state: &mut State) {
        if let Some(upload) = state.upload.take() {
            self.sessions.cancel(&upload).await;
        }
    }
}

impl State {
    /// Whether the registry takes no chunks at all.
    fn refuses_chunks(&self, error: &ClientError) -> bool {
        let ClientError::Refused { status, code, .. } = error else { return false };
        let refusals = [StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED];
        let is_unsupported = code.as_deref() == Some(ErrorCode::Unsupported.as_str());
        self.in_chunks && (refusals.contains(status) || is_unsupported)
    }

    /// Whether the registry does not know the upload any more, or counts it otherwise.
    fn is_lost(&self, error: &ClientError) -> bool {
        let is_in_parts = self.is_resumed || self.in_chunks;
        self.is_in_body
            && match status_of(error) {
                Some(StatusCode::NOT_FOUND | StatusCode::CONFLICT) => true,
                Some(StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::BAD_REQUEST) => is_in_parts,
                _ => false,
            }
    }
}

impl Shipment<'_> {
    fn failed(&self, error: ClientError) -> Error {
        let digest = self.shown;
        match (error, self.content) {
            (ClientError::Source { source: failure }, Content::Layer(source, _)) => {
                let failure = std::io::Error::new(failure.kind(), failure);
                Error::LayerGone { digest, origin: source.origin(), source: failure }
            }
            (error, _) => {
                let name = self.target.name.clone();
                Error::Send { name, digest, source: Box::new(error) }
            }
        }
    }

    fn damaged(&self, error: ClientError) -> Error {
        let Content::Layer(source, _) = self.content else { return self.failed(error) };
        let (digest, origin) = (self.shown, source.origin());
        Error::LayerDamaged { digest, origin, source: Some(Box::new(error)) }
    }
}

fn status_of(error: &ClientError) -> Option<StatusCode> {
    match error {
        ClientError::Refused { status, .. } => Some(*status),
        _ => None,
    }
}

fn is_mismatch(error: &ClientError) -> bool {
    match error {
        ClientError::DigestMismatch { .. } => true,
        ClientError::Refused { code: Some(code), .. } => code == ErrorCode::DigestInvalid.as_str(),
        _ => false,
    }
}
