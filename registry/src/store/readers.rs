//! Many small files, read by a few threads at once: each of them mostly waits, for the disk or for the
//! system to find a name.

use std::sync::Mutex;
use std::thread;

/// Threads that read; more than processors, since they wait for the disk.
const THREADS: usize = 8;

/// Items that are read where the caller is: to start a thread takes as long as to read a few files.
const ALONE_MAX: usize = 64;

/// Held by who reads with threads: there are never more of them than one list takes, however many are asked
/// for at once.
static TURN: Mutex<()> = Mutex::new(());

/// What `read` makes of each item, in their order; the first error, if there is one.
pub(crate) fn read_each<T: Sync, R: Send, E: Send>(
    items: &[T],
    read: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let turn = (items.len() > ALONE_MAX).then(|| TURN.try_lock().ok()).flatten();
    if turn.is_none() {
        return items.iter().map(read).collect();
    }
    let read = &read;
    thread::scope(|scope| {
        let shares = items.chunks(items.len().div_ceil(THREADS));
        let readers: Vec<_> = shares
            .map(|share| scope.spawn(move || share.iter().map(read).collect::<Result<Vec<R>, E>>()))
            .collect();
        let mut found = Vec::with_capacity(items.len());
        for reader in readers {
            found.extend(reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        for count in [0, 1, ALONE_MAX, ALONE_MAX + 1, 1000, 1003] {
            let items: Vec<usize> = (0..count).collect();
            let doubled = read_each(&items, |item| Ok::<_, ()>(item * 2)).unwrap();
            assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_is_given() {
        for count in [10, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let read = |item: &usize| if *item % 10 == 7 { Err(*item) } else { Ok(()) };
            assert_eq!(read_each(&items, read), Err(7));
        }
    }
}
