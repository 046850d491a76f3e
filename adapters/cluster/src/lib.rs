#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod across;
mod attend;
mod builder;
mod call;
mod carried;
mod changes;
mod codec;
pub mod conformance;
mod duty;
mod engine;
mod enter;
mod envelope;
mod error;
mod following;
mod group;
mod guarded;
mod health;
mod in_process;
mod inner;
mod keeping;
mod landing;
mod leads;
mod lease;
mod link;
#[cfg(feature = "metrics")]
mod metrics;
mod naming;
mod propagation;
mod renewing;
mod served;
mod settle;
mod watch;

pub use builder::Builder;
pub use call::Call;
pub use changes::{Changed, Changes};
pub use codec::{Codec, MessagePack, MessagePackError};
pub use engine::{Engine, EngineError, Joined, Keep, Lead, Name, Nonce, Renewed, Seen, Token};
pub use enter::{Leader, Turn};
pub use error::{Error, KeyError, PanicElsewhere, TryError};
pub use group::{Cluster, TryCluster};
pub use in_process::{InProcess, Outage};
pub use lease::Lease;
pub use link::OnOutage;
#[cfg(feature = "metrics")]
pub use metrics::ClusterMetrics;
pub use propagation::Propagation;
pub use served::{Answer, Place, Served, Trip};
pub use watch::{ClusterEvent, ClusterEventKind, ClusterObserver, ClusterStats};
