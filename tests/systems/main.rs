//! The tests of the systems that coflight replaces, in our words. What they count in stats is counted here by ours, by the works themselves, and
//! by what each caller learns of how it was served.

mod apifrom;
mod cacheflight;
mod cacheflight_limits;
mod cacheflight_observed;
mod common;
mod concurrent_coalesce;
mod go_singleflight;
mod shared_call;
mod singleflight_py;
mod untested_elsewhere;
