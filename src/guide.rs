//! The guide: one page for each question, in the order in which they come up.
//!
//! | page | |
//! |---|---|
//! | [choosing a verb](choosing_a_verb) | where the work runs, and what becomes of it when its caller leaves |
//! | [keys] | what identifies the work; borrowed keys, several parts, hashers |
//! | [errors] | of flights and of works; what is shared, and what is tried again |
//! | [leaving] | cancel safety, `forget`, `cancel`, panics |
//! | [limits] | how long, how many, how old |
//! | [observing] | accounts, events, metrics, spans, the board |
//! | [http] | a layer for servers and clients |
//! | [clusters] | one execution for several processes |
//! | [runtimes] | those with an adapter, none, in a library, and how to write an adapter |
//! | [no_std] | without `std`, in interrupts, on small chips |
//! | [testing] | paused time, and events instead of sleeps |
//!
//! It exists in the documentation alone; programs have no such module. The examples show what they need of `use` lines; most run on tokio, because its time
//! can stand still, and all of them are tests of this crate.

macro_rules! pages {
    ($($page:ident: $text:literal),* $(,)?) => {$(
        #[doc = include_str!($text)]
        pub mod $page {}
    )*};
}

pages! {
    choosing_a_verb: "guide/choosing_a_verb.md",
    keys: "guide/keys.md",
    errors: "guide/errors.md",
    leaving: "guide/leaving.md",
    limits: "guide/limits.md",
    observing: "guide/observing.md",
    http: "guide/http.md",
    clusters: "guide/clusters.md",
    runtimes: "guide/runtimes.md",
    no_std: "guide/no_std.md",
    testing: "guide/testing.md",
}
