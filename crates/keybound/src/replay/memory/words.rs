//! The memory of a store, in one piece.
//!
//! The place of a proof is one that nothing before has told of. With memory in pages of 4 KB the processor would
//! often have to look up first where its page is, so a large piece is asked for in huge pages, where the system gives
//! some (Linux, unless transparent huge pages are turned off). It is as good without them, and slower.

use std::sync::atomic::AtomicU64;

#[cfg(target_os = "linux")]
use self::mapped::Mapped;

/// Bytes of a huge page on most machines. On others it is memory as any.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 * 1024 * 1024;

pub(super) enum Words {
    Heap(Box<[AtomicU64]>),
    #[cfg(target_os = "linux")]
    Mapped(Mapped),
}

impl Words {
    /// So many words, all of them zero; `None` if there is no memory for them.
    pub(super) fn new(count: usize) -> Option<Self> {
        #[cfg(target_os = "linux")]
        if is_mapped(count) {
            return Mapped::new(Self::bytes(count)).map(Self::Mapped);
        }
        let mut words = Vec::new();
        words.try_reserve_exact(count).ok()?;
        words.resize_with(count, AtomicU64::default);
        Some(Self::Heap(words.into()))
    }

    /// All of them, and a few more if they are mapped.
    pub(super) fn all(&self) -> &[AtomicU64] {
        match self {
            Self::Heap(words) => words,
            #[cfg(target_os = "linux")]
            Self::Mapped(words) => words.all(),
        }
    }

    /// Bytes that so many words take.
    pub(super) fn bytes(count: usize) -> usize {
        let bytes = count.saturating_mul(size_of::<AtomicU64>());
        #[cfg(target_os = "linux")]
        if is_mapped(count) {
            return bytes.checked_next_multiple_of(HUGE_PAGE).unwrap_or(usize::MAX);
        }
        bytes
    }
}

/// Whether they fill a huge page, and so are mapped: whole pages.
#[cfg(target_os = "linux")]
fn is_mapped(count: usize) -> bool {
    count >= HUGE_PAGE / size_of::<AtomicU64>()
}

#[cfg(target_os = "linux")]
mod mapped {
    use std::sync::atomic::AtomicU64;

    use memmap2::{Advice, MmapMut};
    use self_cell::{MutBorrow, self_cell};
    use zerocopy::FromBytes as _;

    type Slice<'m> = &'m [AtomicU64];

    self_cell!(
        struct Lent {
            owner: MutBorrow<MmapMut>,
            #[covariant]
            dependent: Slice,
        }
    );

    /// Words in memory from the system itself, in huge pages if it gives some.
    pub(in super::super) struct Mapped(Lent);

    impl Mapped {
        pub(super) fn new(bytes: usize) -> Option<Self> {
            // What is not mapped is taken for no memory, as by the allocator.
            let memory = MmapMut::map_anon(bytes).ok()?;
            // Refused where the system is built without: pages are small then.
            let _ = memory.advise(Advice::HugePage);
            let lent = Lent::try_new(MutBorrow::new(memory), |memory| {
                <[AtomicU64]>::mut_from_bytes(memory.borrow_mut()).map(|words| &*words).map_err(drop)
            });
            lent.ok().map(Self)
        }

        pub(super) fn all(&self) -> &[AtomicU64] {
            self.0.borrow_dependent()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    /// Of a few tables, of less than a huge page, of one and of more than one.
    #[test]
    fn words_are_zero_and_as_many_as_asked_for_or_as_are_counted() {
        for count in [0, 1, 250, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3 << 18] {
            let words = Words::new(count).unwrap();
            let all = words.all();
            assert!(all.len() >= count, "{count}");
            assert_eq!(size_of_val(all), Words::bytes(count), "{count}");
            assert!(all.iter().all(|word| word.load(Ordering::Relaxed) == 0), "{count}");
            for word in all {
                word.store(u64::MAX, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn words_without_memory_for_them_are_not_made() {
        assert!(Words::new(usize::MAX).is_none());
        assert!(Words::new(usize::MAX / 64).is_none());
    }
}
