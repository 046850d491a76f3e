//! Counted references to a value that a table lists.
//!
//! As with `Arc` the count lies beside the value. What is different is the table's part: under the lock of the table, which whoever looks for the
//! value must take in any case, references are handed out by adding to a number that the lock protects, and whoever takes the value out can see
//! that nobody else knows it. A value that one owner makes, lists, takes out and drops costs no atomic read-modify-write at all, and one
//! that is found costs one, when the reference goes.
//!
//! Two numbers make up the count. `owners` begins at one. While the value is listed it holds [`LISTED`] besides, so that it cannot come to nothing. References
//! that the table hands out are counted in `given`, and are missing in `owners`, which goes down by one for each that is dropped. So while the value is
//! listed `owners + given - LISTED` references exist; when it is taken out, `given` is added, and `owners` is all there is to know.

use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;

use alloc::boxed::Box;

use crate::panics;
use crate::sync::{AtomicUsize, Ordering, UnsafeCell};

/// More than there can be references, and few enough that as many again do not overflow.
const LISTED: usize = 1 << (usize::BITS - 2);
/// Beyond so many references, which only leaking can make, the program ends, before the count overflows.
const MOST: usize = LISTED + LISTED / 2;
/// When so many were given they are added to `owners`.
const FOLD: usize = LISTED / 4;

// A quarter of what `owners` can hold says that the value is listed, half as much again is for references, and the rest for those that come before that is
// noticed.
const _: () = assert!(usize::MAX / LISTED == 3 && usize::MAX % LISTED == LISTED - 1);
const _: () = assert!(MOST - LISTED == LISTED / 2 && FOLD * 4 == LISTED);

/// A value and its count.
#[repr(C)]
pub(crate) struct Owned<T> {
    owners: AtomicUsize,
    /// Only touched through the table's reference.
    given: UnsafeCell<usize>,
    #[cfg(loom)]
    _leaks: loom::sync::Arc<()>,
    value: T,
}

/// A counted reference.
pub(crate) struct Ref<T> {
    owned: NonNull<Owned<T>>,
    _owns: PhantomData<Owned<T>>,
}

// SAFETY: as for `Arc`: the value is shared by the threads that hold references (`Sync`), and dropped by any one of them (`Send`). `owners` is atomic, and
// `given` is never touched through a `Ref`.
unsafe impl<T: Send + Sync> Send for Ref<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Ref<T> {}

impl<T> Ref<T> {
    pub(crate) fn new(value: T) -> Self {
        let owned = Owned {
            owners: AtomicUsize::new(1),
            given: UnsafeCell::new(0),
            #[cfg(loom)]
            _leaks: loom::sync::Arc::new(()),
            value,
        };
        Self { owned: NonNull::from(Box::leak(Box::new(owned))), _owns: PhantomData }
    }

    #[inline]
    fn owned(&self) -> &Owned<T> {
        // SAFETY: it lives while there is a reference.
        unsafe { self.owned.as_ref() }
    }

    /// Whether both refer to one value.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.owned == other.owned
    }

    pub(crate) fn as_ptr(&self) -> *const Owned<T> {
        self.owned.as_ptr()
    }

    /// # Safety
    ///
    /// `owned` is from [`as_ptr`](Self::as_ptr), and the caller hands over one count of it.
    pub(crate) unsafe fn from_ptr(owned: *const Owned<T>) -> Self {
        // SAFETY: `as_ptr` gives no null.
        Self { owned: unsafe { NonNull::new_unchecked(owned.cast_mut()) }, _owns: PhantomData }
    }

    /// The table's reference, for a value that is not listed. Under the table's lock.
    #[inline]
    pub(crate) fn list(&self) -> Listed<T> {
        let owners = &self.owned().owners;
        if owners.load(Ordering::Relaxed) == 1 {
            // Nobody else has a reference, and whoever is to find it here has to take the lock, which orders this.
            owners.store(1 + LISTED, Ordering::Relaxed);
        } else {
            owners.fetch_add(LISTED, Ordering::Relaxed);
        }
        Listed { owned: self.owned, _owns: PhantomData }
    }
}

impl<T> Clone for Ref<T> {
    #[inline]
    fn clone(&self) -> Self {
        // As for `Arc`: whoever has a reference can make another without ordering anything.
        check(self.owned().owners.fetch_add(1, Ordering::Relaxed));
        Self { owned: self.owned, _owns: PhantomData }
    }
}

impl<T> Deref for Ref<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.owned().value
    }
}

impl<T> Drop for Ref<T> {
    #[inline]
    fn drop(&mut self) {
        let owners = &self.owned().owners;
        // The last one, if alone, needs no atomic step: nobody is left to make another. Acquires what all others released.
        if owners.load(Ordering::Acquire) != 1 {
            // Releases what was done by this reference to whoever frees the value.
            if owners.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            owners.load(Ordering::Acquire);
        }
        // SAFETY: this was the last reference, and the value is not listed, or its count would not be one.
        unsafe { free(self.owned) };
    }
}

/// The table's reference, of which a value has one at a time. All its methods, and its drop, under the table's lock, or once it was taken out under it.
pub(crate) struct Listed<T> {
    owned: NonNull<Owned<T>>,
    _owns: PhantomData<Owned<T>>,
}

// SAFETY: as for `Ref`. It is not `Sync`, so only one thread at a time can use it, and nothing else touches `given`.
unsafe impl<T: Send + Sync> Send for Listed<T> {}

impl<T> Listed<T> {
    #[inline]
    fn owned(&self) -> &Owned<T> {
        // SAFETY: it lives while it is listed.
        unsafe { self.owned.as_ref() }
    }

    #[inline]
    pub(crate) fn is(&self, other: &Ref<T>) -> bool {
        self.owned == other.owned
    }

    /// Hands out a reference.
    #[inline]
    pub(crate) fn give(&self) -> Ref<T> {
        let given = self.given() + 1;
        self.set_given(if given < FOLD { given } else { self.fold(given) });
        Ref { owned: self.owned, _owns: PhantomData }
    }

    /// Whether there is just one reference besides this one. If that is the caller's own, nobody can touch the value while the lock is held.
    #[inline]
    pub(crate) fn is_known_to_one(&self) -> bool {
        // Acquires what those released whose references are gone.
        self.owned().owners.load(Ordering::Acquire) + self.given() == LISTED + 1
    }

    /// The value, which is known to one, is not listed any more.
    ///
    /// # Safety
    ///
    /// [`is_known_to_one`](Self::is_known_to_one) said so since the lock was taken, and the one reference is the caller's own, which nobody else can clone or
    /// drop meanwhile.
    #[inline]
    pub(crate) unsafe fn unlist_unseen(self) {
        let this = ManuallyDrop::new(self);
        this.set_given(0);
        this.owned().owners.store(1, Ordering::Relaxed);
    }

    #[inline]
    fn given(&self) -> usize {
        // SAFETY: there is one `Listed` of a value at a time, and it is not `Sync`, so nobody else is here: whoever has it holds the table's lock, or has taken it
        // out of the table under that.
        self.owned().given.with(|given| unsafe { *given })
    }

    #[inline]
    fn set_given(&self, to: usize) {
        // SAFETY: as in `given`.
        self.owned().given.with_mut(|given| unsafe { *given = to });
    }

    /// So that a value that is listed for very long does not use up what `owners` can hold. Returns what is left of `given`.
    #[cold]
    fn fold(&self, given: usize) -> usize {
        check(self.owned().owners.fetch_add(given, Ordering::Relaxed));
        0
    }
}

impl<T> Deref for Listed<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.owned().value
    }
}

impl<T> Drop for Listed<T> {
    /// The value is not listed any more.
    #[inline]
    fn drop(&mut self) {
        let given = self.given();
        self.set_given(0);
        // Releases, like any reference, though the table never touches the value but for its hash.
        if self.owned().owners.fetch_sub(LISTED - given, Ordering::Release) == LISTED - given {
            self.owned().owners.load(Ordering::Acquire);
            // SAFETY: there are no references, and this was the table's.
            unsafe { free(self.owned) };
        }
    }
}

/// # Safety
///
/// There is no reference left.
unsafe fn free<T>(owned: NonNull<Owned<T>>) {
    // SAFETY: made by `Ref::new` from a box, and nobody has it any more.
    drop(unsafe { Box::from_raw(owned.as_ptr()) });
}

#[inline]
fn check(owners: usize) {
    if is_beyond(owners) {
        too_many();
    }
}

/// With this, so many more can be made by threads that have not looked yet that the count still does not overflow.
#[inline]
fn is_beyond(owners: usize) -> bool {
    owners > MOST
}

#[cold]
fn too_many() -> ! {
    panics::abort("too many references to a flight")
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use alloc::rc::Rc;

    /// A value, and whether it is still there.
    fn watched() -> (Ref<Rc<()>>, impl Fn() -> usize) {
        let witness = Rc::new(());
        let value = Ref::new(Rc::clone(&witness));
        (value, move || Rc::strong_count(&witness) - 1)
    }

    #[test]
    fn a_value_lives_as_long_as_anybody_refers_to_it() {
        let (value, alive) = watched();
        let other = value.clone();
        drop(value);
        assert_eq!(alive(), 1);
        drop(other);
        assert_eq!(alive(), 0);
    }

    #[test]
    fn who_referred_to_it_before_it_was_listed_still_counts() {
        let (value, alive) = watched();
        let other = value.clone();
        let listed = value.list();
        drop(value);
        drop(listed);
        assert_eq!(alive(), 1, "there is the other");
        drop(other);
        assert_eq!(alive(), 0);
    }

    #[test]
    fn the_table_keeps_it_and_knows_who_else_does() {
        let (value, alive) = watched();
        let listed = value.list();
        assert!(listed.is_known_to_one());
        let found = listed.give();
        assert!(!listed.is_known_to_one());
        drop(value);
        assert!(listed.is_known_to_one(), "to whoever found it");
        let again = found.clone();
        assert!(!listed.is_known_to_one());
        drop((found, again));
        assert_eq!(alive(), 1, "it is listed");
        assert!(!listed.is_known_to_one());
        drop(listed);
        assert_eq!(alive(), 0);
    }

    #[test]
    fn what_nobody_else_saw_is_taken_out_without_a_trace() {
        let (value, alive) = watched();
        let listed = value.list();
        drop(listed.give());
        assert!(listed.is_known_to_one());
        // SAFETY: it was just said, and `value` is that one reference.
        unsafe { listed.unlist_unseen() };
        assert_eq!(value.owned().owners.load(Ordering::Relaxed), 1);
        drop(value);
        assert_eq!(alive(), 0);
    }

    #[test]
    fn what_is_found_very_often_is_counted_elsewhere() {
        let (value, alive) = watched();
        let listed = value.list();
        let found = listed.give();
        assert_eq!(listed.given(), 1);
        // As if all those before had been found, and let go of.
        listed.set_given(FOLD - 2);
        listed.owned().owners.fetch_sub(FOLD - 3, Ordering::Relaxed);
        let last = listed.give();
        assert_eq!(listed.given(), FOLD - 1);
        let owners = listed.owned().owners.load(Ordering::Relaxed);
        let next = listed.give();
        assert_eq!((listed.given(), listed.owned().owners.load(Ordering::Relaxed)), (0, owners + FOLD));
        assert!(!listed.is_known_to_one());
        drop((found, last, next));
        assert!(listed.is_known_to_one());
        drop((value, listed));
        assert_eq!(alive(), 0);
    }

    #[test]
    fn too_many_are_noticed_before_the_count_overflows() {
        assert!(!is_beyond(1) && !is_beyond(MOST));
        assert!(is_beyond(MOST + 1));
    }

    /// Tried by a process of its own, which ends by it.
    #[cfg(feature = "std")]
    #[test]
    fn too_many_end_the_program() {
        const TRIED: &str = "COFLIGHT_TOO_MANY_REFERENCES";
        if std::env::var_os(TRIED).is_some() {
            let (value, _) = watched();
            value.owned().owners.store(MOST + 1, Ordering::Relaxed);
            core::mem::forget((value.clone(), value));
            std::process::exit(0);
        }
        let mut this = std::process::Command::new(std::env::current_exe().unwrap());
        let name = concat!(module_path!(), "::too_many_end_the_program");
        let name = name.split_once("::").unwrap().1;
        let tried = this.args(["--exact", name, "--nocapture"]).env(TRIED, "1").output().unwrap();
        assert!(!tried.status.success());
        let said = alloc::string::String::from_utf8_lossy(&tried.stderr).into_owned();
        assert!(said.contains("too many references to a flight"), "{said}");
    }
}
