/// The user.
#[tracing::instrument]
pub async fn user(id: u64, name: &str) -> User {
    #[allow(unused_imports)]
    use ::coflight::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
    ::coflight::__private::shareable::<User>();
    let __coflight_key = ::coflight::__private::Parts((
        ::coflight::__private::part(&id),
        ::coflight::__private::part(name),
    ));
    let __coflight_group = user__stands_in_an_impl_block__mark_that_with_coalesce_as_well();
    match __coflight_group
        .call()
        .run(
            &__coflight_key,
            || {
                let id = ::core::clone::Clone::clone(&id);
                async move {
                    #[allow(unreachable_code, clippy::all)]
                    {
                        let __coflight_never: ::core::option::Option<User> = ::core::option::Option::None;
                        if let ::core::option::Option::Some(__coflight_value) = __coflight_never {
                            return __coflight_value;
                        }
                    }
                    load(id, name).await
                }
            },
        )
        .await
    {
        ::core::result::Result::Ok(__coflight_value) => __coflight_value,
        ::core::result::Result::Err(__coflight_error) => {
            ::coflight::__private::Returns::<User>::new().flight_error(__coflight_error)
        }
    }
}
///The flights of `user` in progress: to forget or cancel them, for their stats and for what is in flight.
#[must_use]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
pub fn user_flights() -> &'static ::coflight::Group<(u64, ::std::string::String), User> {
    user__stands_in_an_impl_block__mark_that_with_coalesce_as_well()
}
#[doc(hidden)]
#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]
fn user__stands_in_an_impl_block__mark_that_with_coalesce_as_well() -> &'static ::coflight::Group<
    (u64, ::std::string::String),
    User,
> {
    #[allow(unused_imports)]
    use ::coflight::__private::NotJudged as _;
    static GROUPS: ::coflight::__private::Slot = ::coflight::__private::Slot::new();
    GROUPS
        .group(
            &|| (),
            || {
                ::coflight::__private::Returns::<User>::new()
                    .judged(
                        ::coflight::Group::<
                            (u64, ::std::string::String),
                            User,
                        >::builder(),
                    )
                    .name(::core::concat!(::core::module_path!(), "::", "user"))
                    .build()
            },
        )
}
