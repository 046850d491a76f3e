async fn page(url: &str) -> Result<Page, TryError<io::Error>> {
    #[allow(unused_imports)]
    use ::coflight::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
    ::coflight::__private::shareable::<Page>();
    let __coflight_key = ::coflight::__private::Whole(::coflight::__private::part(url));
    let __coflight_group = page__stands_in_an_impl_block__mark_that_with_coalesce_as_well();
    __coflight_group
        .call()
        .try_run(
            &__coflight_key,
            || {
                async move {
                    #[allow(unreachable_code, clippy::all)]
                    {
                        let __coflight_never: ::core::option::Option<
                            ::core::result::Result<Page, io::Error>,
                        > = ::core::option::Option::None;
                        if let ::core::option::Option::Some(__coflight_value) = __coflight_never {
                            return __coflight_value;
                        }
                    }
                    fetch(url).await
                }
            },
        )
        .await
}
///The flights of `page` in progress: to forget or cancel them, for their stats and for what is in flight.
#[must_use]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
fn page_flights() -> &'static ::coflight::Group<
    ::std::string::String,
    ::core::result::Result<Page, ::coflight::SharedError<io::Error>>,
> {
    page__stands_in_an_impl_block__mark_that_with_coalesce_as_well()
}
#[doc(hidden)]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
fn page__stands_in_an_impl_block__mark_that_with_coalesce_as_well() -> &'static ::coflight::Group<
    ::std::string::String,
    ::core::result::Result<Page, ::coflight::SharedError<io::Error>>,
> {
    #[allow(unused_imports)]
    use ::coflight::__private::NotJudged as _;
    static GROUPS: ::coflight::__private::Slot = ::coflight::__private::Slot::new();
    GROUPS
        .group(
            &|| (),
            || {
                ::coflight::Group::<
                    ::std::string::String,
                    ::core::result::Result<Page, ::coflight::SharedError<io::Error>>,
                >::builder()
                    .name(::core::concat!(::core::module_path!(), "::", "page"))
                    .build()
            },
        )
}
