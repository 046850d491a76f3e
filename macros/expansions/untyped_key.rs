async fn page(site: Site, number: u32) -> Page {
    #[allow(unused_imports)]
    use ::coflight::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
    ::coflight::__private::shareable::<Page>();
    let __coflight_given_0 = site.host();
    let __coflight_part_0 = ::coflight::__private::Part(__coflight_given_0);
    let __coflight_given_1 = &number;
    let __coflight_part_1 = ::coflight::__private::Part(__coflight_given_1);
    let __coflight_key = ::coflight::__private::Parts((
        __coflight_part_0.of(),
        __coflight_part_1.of(),
    ));
    static __COFLIGHT_GROUPS: ::coflight::__private::Slot = ::coflight::__private::Slot::new();
    let __coflight_group: &'static ::coflight::Group<_, Page> = __COFLIGHT_GROUPS
        .group(
            &|| (),
            || {
                ::coflight::__private::Returns::<Page>::new()
                    .judged(
                        ::coflight::__private::builder_for::<_, Page>(&__coflight_key),
                    )
                    .name(::core::concat!(::core::module_path!(), "::", "page"))
                    .build()
            },
        );
    match __coflight_group
        .call()
        .run(
            &__coflight_key,
            || {
                let number = ::core::clone::Clone::clone(&number);
                async move {
                    #[allow(unreachable_code, clippy::all)]
                    {
                        let __coflight_never: ::core::option::Option<Page> = ::core::option::Option::None;
                        if let ::core::option::Option::Some(__coflight_value) = __coflight_never {
                            return __coflight_value;
                        }
                    }
                    site.page(number).await
                }
            },
        )
        .await
    {
        ::core::result::Result::Ok(__coflight_value) => __coflight_value,
        ::core::result::Result::Err(__coflight_error) => {
            ::coflight::__private::Returns::<Page>::new().flight_error(__coflight_error)
        }
    }
}
