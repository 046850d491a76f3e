//! See `main.rs`: a package needs a library or a program, and an example is neither.
