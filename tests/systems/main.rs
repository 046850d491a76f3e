//! The tests of the systems that coflight replaces, in our words, a file each.
