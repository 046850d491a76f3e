//! What is written, for one function of each kind. `UPDATE_EXPECT=1 cargo test -p coflight-macros` writes the expectations anew, to be read in the diff.

use expect_test::{ExpectFile, expect_file};
use proc_macro2::TokenStream;
use quote::quote;

use crate::options::{Given, Kind, OPTIONS, Options};

// `quote!` makes them to be given away.
#[allow(clippy::needless_pass_by_value)]
fn check(options: TokenStream, item: TokenStream, expected: ExpectFile) {
    let expanded = crate::expand::coalesce(options, item);
    let file = syn::parse2(expanded).expect("what is written is Rust");
    expected.assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn an_async_function() {
    let item = quote! {
        /// The user.
        #[tracing::instrument]
        pub async fn user(id: u64, name: &str) -> User {
            load(id, name).await
        }
    };
    check(quote!(), item, expect_file!["../expansions/async_function.rs"]);
}

#[test]
fn a_function_for_threads() {
    let item = quote! {
        fn report(mut year: u32, (from, to): (u32, u32)) -> String {
            year += 1;
            format!("{year} {from} {to}")
        }
    };
    check(quote!(), item, expect_file!["../expansions/function_for_threads.rs"]);
}

#[test]
fn errors_that_are_shared() {
    let item = quote! {
        async fn page(url: &str) -> Result<Page, TryError<io::Error>> {
            fetch(url).await
        }
    };
    check(quote!(), item, expect_file!["../expansions/shared_errors.rs"]);
}

#[test]
fn work_that_outlives_its_caller() {
    let item = quote! {
        async fn page(db: Arc<Db>, url: &str, depth: u8) -> Result<Page, Error> {
            db.fetch(url, depth).await
        }
    };
    let options =
        quote!(spawn, runtime = tokio, skip(db), timeout = "1m30s", max_callers = 5, retry = 2, name = "pages");
    check(options, item, expect_file!["../expansions/spawned.rs"]);
}

#[test]
fn a_group_of_somebody_elses() {
    let item = quote! {
        async fn page(&self, url: &str) -> Page {
            self.fetch(url).await
        }
    };
    let options = quote!(group = self.pages, key = (self.id, url), max_callers = 5);
    check(options, item, expect_file!["../expansions/group.rs"]);
}

#[test]
fn a_generic_function() {
    let item = quote! {
        pub(crate) async fn load<'a, T: Load + 'static, const N: usize>(id: T, at: &'a [u8; N]) -> T::Value
        where
            T::Value: Clone,
        {
            T::load(id, at).await
        }
    };
    check(quote!(), item, expect_file!["../expansions/generic.rs"]);
}

#[test]
fn a_key_without_a_type() {
    let item = quote! {
        async fn page(site: Site, number: u32) -> Page {
            site.page(number).await
        }
    };
    check(quote!(key = (site.host(), number)), item, expect_file!["../expansions/untyped_key.rs"]);
}

#[test]
fn a_marked_block() {
    let item = quote! {
        impl<D: Db> Store for Repo<D> {
            const LIMIT: usize = 3;

            #[coalesce(flights = pub user_flights, skip(self))]
            async fn user(&self, id: u64) -> User {
                self.db.user(id).await
            }

            #[coflight::coalesce]
            async fn count() -> u64 {
                D::count().await
            }

            fn plain(&self) {}
        }
    };
    check(quote!(), item, expect_file!["../expansions/marked_block.rs"]);
}

/// Each option that an error lists can be given, and is what the list says it is.
#[test]
fn every_option_that_is_listed_is_known() {
    for (option, kind) in OPTIONS {
        let value = match (option, kind) {
            ("skip", _) => "(db)",
            ("flights", _) => "= pub users",
            ("runtime", _) => "= tokio",
            ("hasher", _) => ": Hasher = hasher",
            ("name", _) => "= \"users\"",
            (_, Kind::Own) => "= of(id)",
            (_, Kind::Limit(Given::Time) | Kind::Choice(Given::Time)) => "= \"5s\"",
            (_, Kind::Limit(Given::Flag) | Kind::Choice(Given::Flag)) => "",
            (_, Kind::Limit(_) | Kind::Choice(_)) => "= 5",
        };
        let text = if option == "crate" { "crate = coflight".to_owned() } else { format!("{option} {value}") };
        let parsed = syn::parse_str::<Options>(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let counts = (parsed.limits.len(), parsed.choices.len());
        let expected = match kind {
            Kind::Own => (0, 0),
            Kind::Limit(_) => (1, 0),
            Kind::Choice(_) => (0, 1),
        };
        assert_eq!(counts, expected, "{text}");
    }
}
