//! The code that is written.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemImpl, Result, Type};

use crate::block;
use crate::function::{Argument, Function, Returned, Sharing, bare};
use crate::key::Key;
use crate::options::{Choice, Options, Verb};

/// Where a function stands, as far as that is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On its own: it may stand anywhere.
    Unknown,
    /// In a marked block of its type's own.
    Impl,
    /// In a marked block of a trait.
    TraitImpl,
}

pub(crate) fn coalesce(options: TokenStream, item: TokenStream) -> TokenStream {
    // What was there stays, so that nothing else is missed.
    let failed = |error: Error| {
        let error = error.into_compile_error();
        quote!(#item #error)
    };
    if let Ok(block) = syn::parse2::<ItemImpl>(item.clone()) {
        let message = "options go on each function of the block, not on the block";
        let error = (!options.is_empty()).then(|| Error::new_spanned(options, message).into_compile_error());
        let block = block::expand(block);
        return quote!(#block #error);
    }
    let expanded = syn::parse2::<Options>(options).and_then(|options| {
        let function = syn::parse2::<Function>(item.clone()).map_err(|error| match is_function(&item) {
            true => error,
            false => Error::new(error.span(), "`#[coalesce]` goes on a function, a method, or an `impl` block"),
        })?;
        self::function(options, function, Place::Unknown)
    });
    match expanded {
        Ok(Expanded { function, accessor }) => quote!(#function #accessor),
        Err(error) => failed(error),
    }
}

fn is_function(item: &TokenStream) -> bool {
    item.clone().into_iter().any(|token| matches!(token, proc_macro2::TokenTree::Ident(word) if word == "fn"))
}

/// What becomes of a function.
pub(crate) struct Expanded {
    pub(crate) function: TokenStream,
    /// Hands out its group.
    pub(crate) accessor: Option<TokenStream>,
}

pub(crate) fn function(options: Options, mut function: Function, place: Place) -> Result<Expanded> {
    function.check()?;
    options.check(function.is_async())?;
    let returned = function.returned()?;
    let outlives = options.verb() != Verb::Run;
    if let (true, Some(receiver)) = (outlives, function.receiver().filter(|receiver| receiver.reference.is_some())) {
        let verb = options.verb().word();
        let message = format!(
            "the work of `{verb}` can outlive its caller, so it cannot borrow `self`; take `self: Arc<Self>`, or use `run`"
        );
        return Err(Error::new(receiver.span(), message));
    }
    let arguments = function.arguments();
    if let Some(argument) = arguments.iter().find(|argument| outlives && !can_be_owned(argument)) {
        let verb = options.verb().word();
        let message = format!(
            "the work of `{verb}` can outlive its caller, so it cannot borrow this; take it by value or as an `Arc`, or use `run`"
        );
        return Err(Error::new(argument.ty.span(), message));
    }
    let key = Key::new(&options, &function, &arguments)?;
    let writer = Writer { options, function, place, returned, arguments, key };
    writer.check_flights()?;
    Ok(writer.write())
}

/// Owned by way of `ToOwned`, which trait objects have not, and exclusive references must not.
fn can_be_owned(argument: &Argument) -> bool {
    argument.referent().is_none_or(|reference| {
        let is_trait = matches!(bare(&reference.elem), Type::TraitObject(_) | Type::ImplTrait(_));
        reference.mutability.is_none() && !is_trait
    })
}

/// All that is known of a function.
pub(crate) struct Writer {
    pub(crate) options: Options,
    pub(crate) function: Function,
    pub(crate) place: Place,
    pub(crate) returned: Returned,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) key: Key,
}

impl Writer {
    fn write(&self) -> Expanded {
        let Function { attributes, visibility, default, signature, .. } = &self.function;
        let krate = self.options.krate();
        let accessor = self.accessor_name();
        let (checks, make, call) = (self.checks(), &self.key.make, self.call(accessor.as_ref()));
        Expanded {
            function: quote! {
                #(#attributes)*
                #visibility #default #signature {
                    // Few functions need all of them.
                    #[allow(unused_imports)]
                    use #krate::__private::{NotJudged as _, OrPanics as _, OwnedPart as _};
                    #checks
                    #make
                    #call
                }
            },
            accessor: accessor.map(|name| self.accessor(&name)),
        }
    }

    pub(crate) fn shares_errors(&self) -> bool {
        matches!(self.returned.sharing, Sharing::TryError(..))
    }

    pub(crate) fn is_associated(&self) -> bool {
        self.place != Place::Unknown || self.function.receiver().is_some() || self.function.says_self_type()
    }

    /// There must be something to hand out.
    fn check_flights(&self) -> Result<()> {
        let Some((_, name)) = &self.options.flights else { return Ok(()) };
        if let Some(hidden) = self.hidden_type() {
            let message = "each type that this may be has a group of its own, so `flights` cannot hand out one; make it a generic parameter, or use `group = …`";
            return Err(Error::new(hidden.span(), message));
        }
        if self.key.ty.is_none() {
            let message =
                "the group has to be written down to be handed out: say what the key is kept as, `key: TYPE = …`";
            return Err(Error::new(name.span(), message));
        }
        Ok(())
    }

    /// Code that does not compile if what the function returns cannot be shared, or cannot say what its limits do to a call; said where the type is written.
    fn checks(&self) -> TokenStream {
        let krate = self.options.krate();
        let returned = &self.returned.ty;
        let value = |ty: &Type| quote_spanned!(ty.span()=> #krate::__private::shareable::<#ty>(););
        let error = |ty: &Type| quote_spanned!(ty.span()=> #krate::__private::shareable_error::<#ty>(););
        let shareable = self.options.group.is_none().then(|| match &self.returned.sharing {
            Sharing::Value => value(returned),
            Sharing::Result(ok, err) => [value(ok), error(err)].into_iter().collect(),
            Sharing::TryError(ok, _) => value(ok),
        });
        let can_fail = self.options.ending().map(|_| match &self.returned.sharing {
            Sharing::Value => quote_spanned!(returned.span()=> #krate::__private::can_fail::<#returned>();),
            Sharing::Result(_, error) => quote_spanned!(error.span()=> #krate::__private::can_tell::<#error>();),
            Sharing::TryError(..) => TokenStream::new(),
        });
        quote!(#shareable #can_fail)
    }

    fn call(&self, accessor: Option<&Ident>) -> TokenStream {
        let krate = self.options.krate();
        let group = mixed("group");
        let key = &self.key.name;
        let find = match (&self.options.group, accessor) {
            (Some(path), _) => quote_spanned!(path.span()=> let #group = &#path;),
            (None, Some(name)) => {
                let place = self.is_associated().then(|| quote!(Self::));
                let (name, types) = (self.found_as(name), self.turbofish());
                quote!(let #group = #place #name #types();)
            }
            (None, None) => {
                let value = self.value();
                let written = self.key.ty.as_ref().filter(|_| self.hidden_type().is_none());
                let ty = self.group_type(written.cloned().unwrap_or_else(|| quote!(_)), &value);
                let builder = self.builder(match written {
                    Some(key) => quote!(#krate::Group::<#key, #value>::builder()),
                    None => quote!(#krate::__private::builder_for::<_, #value>(&#key)),
                });
                quote! {
                    static __COFLIGHT_GROUPS: #krate::__private::Slot = #krate::__private::Slot::new();
                    let #group: &'static #ty = __COFLIGHT_GROUPS.group(&|| (), || #builder);
                }
            }
        };
        // For its own group they are in the builder.
        let limits = self.options.limits.iter().filter(|_| self.options.group.is_some()).map(Choice::call);
        let call = quote!(#group.call() #(#limits)*);
        let tries = self.shares_errors();
        let verb = if self.function.is_async() { self.options.verb().word() } else { "run_blocking" };
        let method = if tries { format!("try_{verb}") } else { verb.to_owned() };
        let method = Ident::new(&method, self.function.signature.ident.span());
        let work = self.work();
        let waits = self.function.is_async().then(|| quote!(.await));
        let call = quote!(#call.#method(&#key, #work) #waits);
        if tries {
            return quote!(#find #call);
        }
        let returned = &self.returned.ty;
        let (value, error) = (mixed("value"), mixed("error"));
        quote! {
            #find
            match #call {
                ::core::result::Result::Ok(#value) => #value,
                ::core::result::Result::Err(#error) => #krate::__private::Returns::<#returned>::new().flight_error(#error),
            }
        }
    }

    /// The closure that a leader calls.
    fn work(&self) -> TokenStream {
        let owned = self.options.verb() != Verb::Run;
        let (mut copies, mut again) = (TokenStream::new(), TokenStream::new());
        for Argument { name, ty, pattern } in &self.arguments {
            let used = pattern.is_some() || self.function.mentions(name);
            match bare(ty) {
                Type::Reference(reference) if owned && used => {
                    let elem = &reference.elem;
                    copies.extend(quote!(let #name = ::std::borrow::ToOwned::to_owned(#name);));
                    again.extend(quote!(let #name: &#elem = ::core::borrow::Borrow::borrow(&#name);));
                }
                _ if self.key.borrowed.contains(name) && used => {
                    copies.extend(quote!(let #name = ::core::clone::Clone::clone(&#name);));
                }
                _ => {}
            }
            again.extend(pattern.as_ref().map(|pattern| quote!(let #pattern = #name;)));
        }
        // Without its braces: around a single expression they would be called needless, to somebody who cannot leave them out.
        let body = &self.function.body.stmts;
        let returned = match &self.returned {
            Returned { sharing: Sharing::TryError(value, error), .. } => quote!(::core::result::Result<#value, #error>),
            Returned { ty, .. } => quote!(#ty),
        };
        if !self.function.is_async() {
            return quote! {
                || -> #returned {
                    #copies
                    #again
                    #(#body)*
                }
            };
        }
        // Says what type the body has, which an async block cannot. It never runs, and need not be to anyone's taste.
        let (never, value) = (mixed("never"), mixed("value"));
        quote! {
            || {
                #copies
                async move {
                    #[allow(unreachable_code, clippy::all)]
                    {
                        let #never: ::core::option::Option<#returned> = ::core::option::Option::None;
                        if let ::core::option::Option::Some(#value) = #never {
                            return #value;
                        }
                    }
                    #again
                    #(#body)*
                }
            }
        }
    }
}

/// A name that nobody else's code can mean.
pub(crate) fn mixed(name: &str) -> Ident {
    format_ident!("__coflight_{name}", span = Span::mixed_site())
}
