async fn page(db: Arc<Db>, url: &str, depth: u8) -> Result<Page, Error> {
    #[allow(unused_imports)]
    use ::coflight::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
    ::coflight::__private::shareable::<Page>();
    ::coflight::__private::shareable_error::<Error>();
    ::coflight::__private::can_tell::<Error>();
    let __coflight_key = ::coflight::__private::Parts((
        ::coflight::__private::part(url),
        ::coflight::__private::part(&depth),
    ));
    let __coflight_group = page__stands_in_an_impl_block__mark_that_with_coalesce_as_well();
    match __coflight_group
        .call()
        .spawn(
            &__coflight_key,
            || {
                let url = ::std::borrow::ToOwned::to_owned(url);
                let depth = ::core::clone::Clone::clone(&depth);
                async move {
                    #[allow(unreachable_code, clippy::all)]
                    {
                        let __coflight_never: ::core::option::Option<
                            Result<Page, Error>,
                        > = ::core::option::Option::None;
                        if let ::core::option::Option::Some(__coflight_value) = __coflight_never {
                            return __coflight_value;
                        }
                    }
                    let url: &str = ::core::borrow::Borrow::borrow(&url);
                    db.fetch(url, depth).await
                }
            },
        )
        .await
    {
        ::core::result::Result::Ok(__coflight_value) => __coflight_value,
        ::core::result::Result::Err(__coflight_error) => {
            ::coflight::__private::Returns::<Result<Page, Error>>::new()
                .flight_error(__coflight_error)
        }
    }
}
///The flights of `page` in progress: to forget or cancel them, for their stats and for what is in flight.
#[must_use]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
fn page_flights() -> &'static ::coflight::Group<
    (::std::string::String, u8),
    Result<Page, Error>,
    ::coflight::Tokio,
> {
    page__stands_in_an_impl_block__mark_that_with_coalesce_as_well()
}
#[doc(hidden)]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
fn page__stands_in_an_impl_block__mark_that_with_coalesce_as_well() -> &'static ::coflight::Group<
    (::std::string::String, u8),
    Result<Page, Error>,
    ::coflight::Tokio,
> {
    #[allow(unused_imports)]
    use ::coflight::__private::NotJudged as _;
    static GROUPS: ::coflight::__private::Slot = ::coflight::__private::Slot::new();
    GROUPS
        .group(
            &|| (),
            || {
                ::coflight::__private::Returns::<Result<Page, Error>>::new()
                    .judged(
                        ::coflight::Group::<
                            (::std::string::String, u8),
                            Result<Page, Error>,
                        >::builder(),
                    )
                    .runtime(::coflight::Tokio::ambient())
                    .name("pages")
                    .timeout(::core::time::Duration::new(90u64, 0u32))
                    .max_callers(5)
                    .on_failure(::coflight::OnFailure::Retry {
                        limit: 2,
                    })
                    .build()
            },
        )
}
