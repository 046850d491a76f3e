//! Functions of a marked `impl` block. The block says what a function cannot know of itself: whether it is a trait's.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Error, ImplItem, ItemImpl, Meta, Result};

use crate::expand::{self, Place};
use crate::function::Function;
use crate::options::Options;

pub(crate) fn expand(mut block: ItemImpl) -> TokenStream {
    let place = if block.trait_.is_some() { Place::TraitImpl } else { Place::Impl };
    let mut marked = 0;
    // Those of a trait's methods, which cannot stand beside them.
    let mut beside = TokenStream::new();
    let mut errors: Option<Error> = None;
    let mut items = Vec::new();
    for item in std::mem::take(&mut block.items) {
        let attribute = match &item {
            ImplItem::Fn(function) => function.attrs.iter().position(is_coalesce),
            _ => None,
        };
        let (ImplItem::Fn(mut function), Some(attribute)) = (item.clone(), attribute) else {
            items.push(item);
            continue;
        };
        marked += 1;
        let attribute = function.attrs.remove(attribute);
        let expanded = options(&attribute).and_then(|options| {
            let function: Function = syn::parse2(function.to_token_stream())?;
            expand::function(options, function, place)
        });
        match expanded {
            Ok(expanded) => {
                items.push(ImplItem::Verbatim(expanded.function));
                match place {
                    Place::TraitImpl => beside.extend(expanded.accessor),
                    _ => items.extend(expanded.accessor.map(ImplItem::Verbatim)),
                }
            }
            Err(error) => {
                items.push(ImplItem::Fn(function));
                match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                }
            }
        }
    }
    if marked == 0 {
        let message = "no function of this block is marked; mark each that is to be coalesced with `#[coalesce]`, too";
        errors = Some(Error::new_spanned(&block.self_ty, message));
    }
    block.items = items;
    let (generics, ty) = (&block.generics, &block.self_ty);
    let (parameters, _, clause) = generics.split_for_impl();
    let beside = (!beside.is_empty()).then(|| quote!(impl #parameters #ty #clause { #beside }));
    let errors = errors.map(Error::into_compile_error);
    quote!(#block #beside #errors)
}

fn is_coalesce(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "coalesce")
}

fn options(attribute: &Attribute) -> Result<Options> {
    match &attribute.meta {
        Meta::Path(_) => Ok(Options::default()),
        _ => attribute.parse_args(),
    }
}
