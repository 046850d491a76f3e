async fn page(&self, url: &str) -> Page {
    #[allow(unused_imports)]
    use ::coflight::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
    let __coflight_given_0 = self.id;
    let __coflight_part_0 = ::coflight::__private::Part(__coflight_given_0);
    let __coflight_given_1 = url;
    let __coflight_part_1 = ::coflight::__private::Part(__coflight_given_1);
    let __coflight_key = ::coflight::__private::Parts((
        __coflight_part_0.of(),
        __coflight_part_1.of(),
    ));
    let __coflight_group = &self.pages;
    match __coflight_group
        .call()
        .max_callers(5)
        .run(
            &__coflight_key,
            || {
                async move {
                    #[allow(unreachable_code, clippy::all)]
                    {
                        let __coflight_never: ::core::option::Option<Page> = ::core::option::Option::None;
                        if let ::core::option::Option::Some(__coflight_value) = __coflight_never {
                            return __coflight_value;
                        }
                    }
                    self.fetch(url).await
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
