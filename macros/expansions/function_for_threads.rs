fn report(year: u32, __argument_1: (u32, u32)) -> String {
    #[allow(unused_imports)]
    use ::coflight::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
    ::coflight::__private::shareable::<String>();
    let __coflight_key = ::coflight::__private::Parts((
        ::coflight::__private::part(&year),
        ::coflight::__private::part(&__argument_1),
    ));
    let __coflight_group = report__stands_in_an_impl_block__mark_that_with_coalesce_as_well();
    match __coflight_group
        .call()
        .run_blocking(
            &__coflight_key,
            || -> String {
                let year = ::core::clone::Clone::clone(&year);
                let __argument_1 = ::core::clone::Clone::clone(&__argument_1);
                let mut year = year;
                let (from, to) = __argument_1;
                year += 1;
                format!("{year} {from} {to}")
            },
        )
    {
        ::core::result::Result::Ok(__coflight_value) => __coflight_value,
        ::core::result::Result::Err(__coflight_error) => {
            ::coflight::__private::Returns::<String>::new()
                .flight_error(__coflight_error)
        }
    }
}
///The flights of `report` in progress: to forget or cancel them, for their stats and for what is in flight.
#[must_use]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
fn report_flights() -> &'static ::coflight::Group<(u32, (u32, u32)), String> {
    report__stands_in_an_impl_block__mark_that_with_coalesce_as_well()
}
#[doc(hidden)]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
fn report__stands_in_an_impl_block__mark_that_with_coalesce_as_well() -> &'static ::coflight::Group<
    (u32, (u32, u32)),
    String,
> {
    #[allow(unused_imports)]
    use ::coflight::__private::NotJudged as _;
    static GROUPS: ::coflight::__private::Slot = ::coflight::__private::Slot::new();
    GROUPS
        .group(
            &|| (),
            || {
                ::coflight::__private::Returns::<String>::new()
                    .judged(::coflight::Group::<(u32, (u32, u32)), String>::builder())
                    .name(::core::concat!(::core::module_path!(), "::", "report"))
                    .build()
            },
        )
}
