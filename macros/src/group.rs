//! A function's own group: its type, how it is built, and who hands it out.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{GenericParam, Ident, TypeImplTrait, Visibility};

use crate::expand::{Place, Writer};
use crate::function::{Function, Returned, Sharing, find_impl};
use crate::options::Choice;

impl Writer {
    /// The sibling that hands out the group, if the group has a type that can be written, and a place where it cannot be in the way.
    pub(crate) fn accessor_name(&self) -> Option<Ident> {
        let Function { signature, visibility, .. } = &self.function;
        if self.options.group.is_some() || self.key.ty.is_none() || self.hidden_type().is_some() {
            return None;
        }
        if let Some((_, name)) = &self.options.flights {
            return Some(name.clone());
        }
        // A function of a trait, and what is private, can be either; in the block of a trait nothing else may stand.
        let may_be_a_traits = match self.place {
            Place::Unknown => self.is_associated() && matches!(visibility, Visibility::Inherited),
            Place::Impl => false,
            Place::TraitImpl => true,
        };
        (!may_be_a_traits).then(|| format_ident!("{}_flights", signature.ident.unraw(), span = signature.ident.span()))
    }

    /// An argument of a type that has no name. Each of these types has a group of its own, even if it does not count.
    pub(crate) fn hidden_type(&self) -> Option<TypeImplTrait> {
        self.arguments.iter().find_map(|argument| find_impl(&argument.ty))
    }

    pub(crate) fn accessor(&self, name: &Ident) -> TokenStream {
        let krate = self.options.krate();
        let function = &self.function.signature.ident;
        let visibility = match &self.options.flights {
            Some((visibility @ (Visibility::Public(_) | Visibility::Restricted(_)), _)) => visibility,
            _ => &self.function.visibility,
        };
        let generics = self.function.group_generics();
        let (parameters, _, clause) = generics.split_for_impl();
        let (key, value) = (&self.key.ty, self.value());
        let ty = self.group_type(quote!(#key), &value);
        let builder = self.builder(quote!(#krate::Group::<#key, #value>::builder()));
        let doc = format!(
            "The flights of `{}` in progress: to forget or cancel them, for their stats and for what is in flight.",
            function.unraw()
        );
        // Nobody wrote it who could be told to do so otherwise: it may not be called, is named after the function, and shows what the function's signature shows.
        let allow = quote!(#[allow(dead_code, non_snake_case, private_bounds, private_interfaces, unreachable_pub)]);
        let make = quote! {
            // Not needed for a `Result`.
            #[allow(unused_imports)]
            use #krate::__private::NotJudged as _;
            static GROUPS: #krate::__private::Slot = #krate::__private::Slot::new();
            GROUPS.group(&|| (), || #builder)
        };
        let (body, found) = match self.found_as(name) {
            found if found == *name => (make, None),
            found => {
                let types = self.turbofish();
                let found_as = quote! {
                    #[doc(hidden)]
                    #allow
                    fn #found #parameters () -> &'static #ty #clause { #make }
                };
                (quote!(#found #types ()), Some(found_as))
            }
        };
        quote_spanned! {function.span()=>
            #[doc = #doc]
            #[must_use]
            #allow
            #visibility fn #name #parameters () -> &'static #ty #clause { #body }
            #found
        }
    }

    /// By which name the function finds its group. One that may stand anywhere finds it only if it does not stand in a block; if it does, the compiler says that it
    /// does not find this.
    pub(crate) fn found_as(&self, accessor: &Ident) -> Ident {
        if self.is_associated() {
            return accessor.clone();
        }
        let function = &self.function.signature.ident;
        format_ident!(
            "{}__stands_in_an_impl_block__mark_that_with_coalesce_as_well",
            function.unraw(),
            span = function.span()
        )
    }

    /// What its generic parameters are.
    pub(crate) fn turbofish(&self) -> Option<TokenStream> {
        let generics = self.function.group_generics();
        let types = generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(ty) => Some(&ty.ident),
            GenericParam::Const(number) => Some(&number.ident),
            GenericParam::Lifetime(_) => None,
        });
        (!generics.params.is_empty()).then(|| quote!(::<#(#types),*>))
    }

    /// What a flight's result is.
    pub(crate) fn value(&self) -> TokenStream {
        let krate = self.options.krate();
        match &self.returned {
            Returned { sharing: Sharing::TryError(value, error), .. } => {
                quote!(::core::result::Result<#value, #krate::SharedError<#error>>)
            }
            Returned { ty, .. } => quote!(#ty),
        }
    }

    pub(crate) fn group_type(&self, key: TokenStream, value: &TokenStream) -> TokenStream {
        let krate = self.options.krate();
        let runtime = match &self.options.runtime {
            Some((ty, _)) => quote!(#ty),
            None => quote!(#krate::NoRuntime),
        };
        match &self.options.hasher {
            Some((hasher, _)) => quote!(#krate::Group<#key, #value, #runtime, #hasher>),
            None if self.options.runtime.is_some() => quote!(#krate::Group<#key, #value, #runtime>),
            None => quote!(#krate::Group<#key, #value>),
        }
    }

    /// The group, made of `builder`.
    pub(crate) fn builder(&self, builder: TokenStream) -> TokenStream {
        let krate = self.options.krate();
        let options = &self.options;
        let value = self.value();
        // The errors of the `try_` verbs always count as failures.
        let judged = if self.shares_errors() || options.has_choice("failed_if") {
            builder
        } else {
            quote!(#krate::__private::Returns::<#value>::new().judged(#builder))
        };
        let runtime = options.runtime.as_ref().map(|(_, runtime)| quote!(.runtime(#runtime)));
        let hasher = options.hasher.as_ref().map(|(_, hasher)| quote!(.hasher(#hasher)));
        let function = self.function.signature.ident.unraw().to_string();
        let name = match &options.name {
            Some(name) => quote!(#name),
            None if self.is_associated() => {
                quote!(::std::format!("{}::{}", ::core::any::type_name::<Self>(), #function))
            }
            None => quote!(::core::concat!(::core::module_path!(), "::", #function)),
        };
        let chosen = options.limits.iter().chain(&options.choices).map(Choice::call);
        quote!(#judged #runtime #hasher .name(#name) #(#chosen)* .build())
    }
}
