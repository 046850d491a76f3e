//! What several promises need.

use std::sync::{Arc, Weak};

pub(crate) use coflight_tests::works::*;

/// A value, and a way to see that it is gone.
pub(crate) fn mortal() -> (Arc<u32>, Weak<u32>) {
    let value = Arc::new(1);
    let seen = Arc::downgrade(&value);
    (value, seen)
}
