//! The in-process engine keeps the promises of an engine.

coflight_cluster::conformance_tests!(coflight_cluster::InProcess::new());
