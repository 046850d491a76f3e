pub(crate) async fn load<'a, T: Load + 'static, const N: usize>(
    id: T,
    at: &'a [u8; N],
) -> T::Value
where
    T::Value: Clone,
{
    #[allow(unused_imports)]
    use ::coflight::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
    ::coflight::__private::shareable::<T::Value>();
    let __coflight_key = ::coflight::__private::Parts((
        ::coflight::__private::part(&id),
        ::coflight::__private::part(at),
    ));
    let __coflight_group = load__stands_in_an_impl_block__mark_that_with_coalesce_as_well::<
        T,
        N,
    >();
    match __coflight_group
        .call()
        .run(
            &__coflight_key,
            || {
                let id = ::core::clone::Clone::clone(&id);
                async move {
                    #[allow(unreachable_code, clippy::all)]
                    {
                        let __coflight_never: ::core::option::Option<T::Value> = ::core::option::Option::None;
                        if let ::core::option::Option::Some(__coflight_value) = __coflight_never {
                            return __coflight_value;
                        }
                    }
                    T::load(id, at).await
                }
            },
        )
        .await
    {
        ::core::result::Result::Ok(__coflight_value) => __coflight_value,
        ::core::result::Result::Err(__coflight_error) => {
            ::coflight::__private::Returns::<T::Value>::new()
                .flight_error(__coflight_error)
        }
    }
}
///The flights of `load` in progress: to forget or cancel them, for their stats and for what is in flight.
#[must_use]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
pub(crate) fn load_flights<T: Load + 'static, const N: usize>() -> &'static ::coflight::Group<
    (T, <[u8; N] as ::std::borrow::ToOwned>::Owned),
    T::Value,
>
where
    T::Value: Clone,
{
    load__stands_in_an_impl_block__mark_that_with_coalesce_as_well::<T, N>()
}
#[doc(hidden)]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
fn load__stands_in_an_impl_block__mark_that_with_coalesce_as_well<
    T: Load + 'static,
    const N: usize,
>() -> &'static ::coflight::Group<
    (T, <[u8; N] as ::std::borrow::ToOwned>::Owned),
    T::Value,
>
where
    T::Value: Clone,
{
    #[allow(unused_imports)]
    use ::coflight::__private::NotJudged as _;
    static GROUPS: ::coflight::__private::Slot = ::coflight::__private::Slot::new();
    GROUPS
        .group(
            &|| (),
            || {
                ::coflight::__private::Returns::<T::Value>::new()
                    .judged(
                        ::coflight::Group::<
                            (T, <[u8; N] as ::std::borrow::ToOwned>::Owned),
                            T::Value,
                        >::builder(),
                    )
                    .name(::core::concat!(::core::module_path!(), "::", "load"))
                    .build()
            },
        )
}
