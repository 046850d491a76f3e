//! The tests of the systems that coflight replaces, in our words, a file each. What they count in stats is counted here by the works
//! themselves, and by what each caller learns of how it was served.

mod apifrom;
mod cacheflight;
mod common;
mod concurrent_coalesce;
mod go_singleflight;
mod shared_call;
mod singleflight_py;
mod untested_elsewhere;
