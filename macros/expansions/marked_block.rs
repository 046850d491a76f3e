impl<D: Db> Store for Repo<D> {
    const LIMIT: usize = 3;
    async fn user(&self, id: u64) -> User {
        #[allow(unused_imports)]
        use ::coflight::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
        ::coflight::__private::shareable::<User>();
        let __coflight_key = ::coflight::__private::Whole(
            ::coflight::__private::part(&id),
        );
        let __coflight_group = Self::user_flights();
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
                        self.db.user(id).await
                    }
                },
            )
            .await
        {
            ::core::result::Result::Ok(__coflight_value) => __coflight_value,
            ::core::result::Result::Err(__coflight_error) => {
                ::coflight::__private::Returns::<User>::new()
                    .flight_error(__coflight_error)
            }
        }
    }
    async fn count() -> u64 {
        #[allow(unused_imports)]
        use ::coflight::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
        ::coflight::__private::shareable::<u64>();
        let __coflight_key = ::coflight::__private::Parts(());
        static __COFLIGHT_GROUPS: ::coflight::__private::Slot = ::coflight::__private::Slot::new();
        let __coflight_group: &'static ::coflight::Group<(), u64> = __COFLIGHT_GROUPS
            .group(
                &|| (),
                || {
                    ::coflight::__private::Returns::<u64>::new()
                        .judged(::coflight::Group::<(), u64>::builder())
                        .name(
                            ::std::format!(
                                "{}::{}", ::core::any::type_name:: < Self > (), "count"
                            ),
                        )
                        .build()
                },
            );
        match __coflight_group
            .call()
            .run(
                &__coflight_key,
                || {
                    async move {
                        #[allow(unreachable_code, clippy::all)]
                        {
                            let __coflight_never: ::core::option::Option<u64> = ::core::option::Option::None;
                            if let ::core::option::Option::Some(__coflight_value) = __coflight_never {
                                return __coflight_value;
                            }
                        }
                        D::count().await
                    }
                },
            )
            .await
        {
            ::core::result::Result::Ok(__coflight_value) => __coflight_value,
            ::core::result::Result::Err(__coflight_error) => {
                ::coflight::__private::Returns::<u64>::new()
                    .flight_error(__coflight_error)
            }
        }
    }
    fn plain(&self) {}
}
impl<D: Db> Repo<D> {
    ///The flights of `user` in progress: to forget or cancel them, for their stats and for what is in flight.
    #[must_use]
    #[allow(
        dead_code,
        non_snake_case,
        private_bounds,
        private_interfaces,
        unreachable_pub
    )]
    pub fn user_flights() -> &'static ::coflight::Group<u64, User> {
        #[allow(unused_imports)]
        use ::coflight::__private::NotJudged as _;
        static GROUPS: ::coflight::__private::Slot = ::coflight::__private::Slot::new();
        GROUPS
            .group(
                &|| (),
                || {
                    ::coflight::__private::Returns::<User>::new()
                        .judged(::coflight::Group::<u64, User>::builder())
                        .name(
                            ::std::format!(
                                "{}::{}", ::core::any::type_name:: < Self > (), "user"
                            ),
                        )
                        .build()
                },
            )
    }
}
