//! The input, cut into blocks and dealt to the lanes, with buffers that are used again.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// A block on its way to be compressed, and the one before it.
pub(super) struct Block {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) before: Option<Arc<Vec<u8>>>,
}

/// Cuts the input into blocks and deals them to the lanes in turn.
pub(super) fn deal(
    mut reader: impl Read,
    block_bytes: usize,
    lanes: &[SyncSender<Block>],
    to_hash: &SyncSender<Arc<Vec<u8>>>,
) -> io::Result<()> {
    let mut buffers = Buffers { ring: Vec::new(), next: 0, length: 2 * lanes.len() + 4 };
    let mut before = None;
    for lane in lanes.iter().cycle() {
        let mut buffer = buffers.take();
        // A buffer that came back is still as long as it was.
        buffer.resize(block_bytes, 0);
        let read = fill(&mut reader, &mut buffer)?;
        // Nothing at all is one empty block: zstd has no other way to say so.
        if read == 0 && before.is_some() {
            break;
        }
        buffer.truncate(read);
        let bytes = buffers.lend(buffer);
        let block = Block { bytes: Arc::clone(&bytes), before: before.replace(Arc::clone(&bytes)) };
        // Whoever does not take it any more has failed, and says so itself.
        if lane.send(block).is_err() || to_hash.send(bytes).is_err() {
            break;
        }
    }
    Ok(())
}

/// Reads until the buffer is full or the input ends.
pub(super) fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The buffers that were handed out, in turn, to be taken again when nobody reads them any more:
/// fresh memory of this size costs more than hashing it would.
struct Buffers {
    ring: Vec<Arc<Vec<u8>>>,
    next: usize,
    length: usize,
}

impl Buffers {
    fn take(&mut self) -> Vec<u8> {
        let oldest = self.ring.get_mut(self.next).and_then(Arc::get_mut);
        oldest.map(std::mem::take).unwrap_or_default()
    }

    fn lend(&mut self, buffer: Vec<u8>) -> Arc<Vec<u8>> {
        let buffer = Arc::new(buffer);
        match self.ring.get_mut(self.next) {
            Some(place) => *place = Arc::clone(&buffer),
            None => self.ring.push(Arc::clone(&buffer)),
        }
        self.next = (self.next + 1) % self.length;
        buffer
    }
}
