//! What does not compile says what to write instead.
//!
//! Messages of the compiler's own are those of the version that CI has; `TRYBUILD=overwrite` writes them anew.

#[test]
fn each_error_stands_where_it_belongs_and_says_what_to_write() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
