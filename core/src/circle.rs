//! Refusing to wait in a circle.
//!
//! While a thread runs the work of a flight it keeps that flight on a stack of its own. A call made inside is an edge, "the
//! flight on top waits for the one called", kept for as long as the call lives. A call that would close a circle of edges
//! can never end, and gets [`Error::Circular`](crate::Error::Circular) instead.
//!
//! A call made outside any work pays one look at a thread-local. Calls inside share one lock, which is never held while user code runs.
//! Without `std` there are no thread-locals, and nothing is detected; nor under loom and shuttle, whose threads share those of one thread.

#[cfg(all(feature = "std", not(any(loom, shuttle))))]
pub(crate) use detect::{Edge, Node, is_outside, name_to_note, within};
#[cfg(any(not(feature = "std"), loom, shuttle))]
pub(crate) use ignore::{Edge, Node, is_outside, within};

/// The wait that was refused.
pub(crate) struct Circular;

#[cfg(all(feature = "std", not(any(loom, shuttle))))]
mod detect {
    use alloc::collections::{BTreeMap, BTreeSet};
    use core::cell::Cell;
    use core::ptr;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::Circular;
    use crate::note;
    use crate::sync::Lock;

    /// A flight's name in the graph: zero until somebody needs it. And, beside it, whether there is a place for a note.
    pub(crate) struct Node(AtomicUsize);

    /// In a name: there is a place for a [note].
    const NOTED: usize = 1 << (usize::BITS - 1);

    impl Node {
        pub(crate) fn new() -> Self {
            Self(AtomicUsize::new(0))
        }

        /// Zero: it has none yet.
        #[inline]
        pub(crate) fn name(&self) -> usize {
            self.0.load(Ordering::Relaxed) & !NOTED
        }
    }

    impl Drop for Node {
        #[inline]
        fn drop(&mut self) {
            let name = *self.0.get_mut();
            if name & NOTED != 0 {
                note::forget(name & !NOTED);
            }
        }
    }

    /// One flight whose work this thread is running.
    struct Frame {
        node: *const Node,
        below: *const Frame,
    }

    std::thread_local! {
        static TOP: Cell<*const Frame> = const { Cell::new(ptr::null()) };
    }

    /// Runs `work`, the work of the flight at `node`.
    #[inline]
    pub(crate) fn within<R>(node: &Node, work: impl FnOnce() -> R) -> R {
        struct Reset(*const Frame);
        impl Drop for Reset {
            fn drop(&mut self) {
                TOP.set(self.0);
            }
        }

        let below = TOP.get();
        let frame = Frame { node, below };
        let _reset = Reset(below);
        TOP.set(&raw const frame);
        work()
    }

    /// Whether this thread runs no flight's work, so that a call made here waits on nobody's behalf.
    #[inline]
    pub(crate) fn is_outside() -> bool {
        TOP.get().is_null()
    }

    /// The name of the flight whose work this thread runs, which has a [note] from now on.
    pub(crate) fn name_to_note() -> Option<usize> {
        // SAFETY: as in `Edge::link`.
        let node = unsafe { TOP.get().as_ref().map(|top| &*top.node) }?;
        let name = GRAPH.with(|graph| graph.name(node));
        // A name does not change any more once it is there.
        node.0.fetch_or(NOTED, Ordering::Relaxed);
        Some(name)
    }

    /// "The flight that made this call waits for the one it called", until dropped.
    pub(crate) struct Edge(Option<Link>);

    struct Link {
        /// The waiting flight's name.
        from: usize,
        /// The edge's number.
        number: usize,
    }

    impl Edge {
        pub(crate) const fn none() -> Self {
            Self(None)
        }

        /// Notes that the work this thread is running, if any, waits for the flight at `to`. To be called whenever the call is polled:
        /// it may have moved to another work, or out of all of them, since.
        #[inline]
        pub(crate) fn link(&mut self, to: &Node) -> Result<(), Circular> {
            let top = TOP.get();
            match (&self.0, top.is_null()) {
                (None, true) => Ok(()),
                (Some(_), true) => {
                    *self = Self::none();
                    Ok(())
                }
                // SAFETY: frames lie on this thread's stack in calls of `within` that have not returned: each takes its
                // frame off when it does. Their nodes outlive those calls.
                (Some(link), false) if unsafe { (*(*top).node).name() } == link.from => Ok(()),
                _ => self.link_below(top, to),
            }
        }

        #[cold]
        fn link_below(&mut self, top: *const Frame, to: &Node) -> Result<(), Circular> {
            *self = Self::none();
            let mut frame = top;
            while !frame.is_null() {
                // SAFETY: as in `link`.
                let (node, below) = unsafe { ((*frame).node, (*frame).below) };
                if ptr::eq(node, to) {
                    return Err(Circular);
                }
                frame = below;
            }
            // SAFETY: as in `link`.
            let from = unsafe { &*(*top).node };
            self.0 = Some(GRAPH.with(|graph| graph.add(from, to))?);
            Ok(())
        }
    }

    impl Drop for Edge {
        fn drop(&mut self) {
            if let Some(link) = self.0.take() {
                GRAPH.with(|graph| graph.edges.remove(&(link.from, link.number)));
            }
        }
    }

    /// Who waits for whom, over all groups of the process.
    struct Graph {
        last_name: usize,
        last_edge: usize,
        /// From the waiting flight and the edge's number to the flight waited for.
        edges: BTreeMap<(usize, usize), usize>,
    }

    static GRAPH: Lock<Graph> = Lock::new(Graph { last_name: 0, last_edge: 0, edges: BTreeMap::new() });

    impl Graph {
        fn name(&mut self, node: &Node) -> usize {
            // Names are given under the lock of the graph.
            match node.name() {
                0 => {
                    self.last_name += 1;
                    node.0.store(self.last_name, Ordering::Relaxed);
                    self.last_name
                }
                name => name,
            }
        }

        fn add(&mut self, from: &Node, to: &Node) -> Result<Link, Circular> {
            let (from, to) = (self.name(from), self.name(to));
            if self.reaches(to, from) {
                return Err(Circular);
            }
            self.last_edge += 1;
            self.edges.insert((from, self.last_edge), to);
            Ok(Link { from, number: self.last_edge })
        }

        fn reaches(&self, from: usize, to: usize) -> bool {
            let mut seen = BTreeSet::new();
            let mut open = alloc::vec![from];
            while let Some(next) = open.pop() {
                if next == to {
                    return true;
                }
                if seen.insert(next) {
                    open.extend(self.edges.range((next, 0)..=(next, usize::MAX)).map(|(_, to)| to));
                }
            }
            false
        }
    }
}

#[cfg(any(not(feature = "std"), loom, shuttle))]
mod ignore {
    use super::Circular;

    pub(crate) struct Node;

    impl Node {
        pub(crate) fn new() -> Self {
            Self
        }
    }

    #[inline]
    pub(crate) fn within<R>(_node: &Node, work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline]
    pub(crate) fn is_outside() -> bool {
        true
    }

    pub(crate) struct Edge;

    impl Edge {
        pub(crate) const fn none() -> Self {
            Self
        }

        #[inline]
        pub(crate) fn link(&mut self, _to: &Node) -> Result<(), Circular> {
            Ok(())
        }
    }
}
