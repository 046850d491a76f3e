//! Which calls are for the same: the key, and its type.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, Path, Result, Type};

use crate::expand::mixed;
use crate::function::{Argument, Function, bare, find_borrow};
use crate::options::{Options, bare as bare_expr};

/// How a call finds its flight.
pub(crate) struct Key {
    /// Statements that make `key`.
    pub(crate) make: TokenStream,
    /// What they make it under.
    pub(crate) name: Ident,
    /// Of the owned key, where it can be written.
    pub(crate) ty: Option<TokenStream>,
    /// The arguments that lie in the key by value. The key is borrowed for as long as the call takes, so the work gets copies.
    pub(crate) borrowed: Vec<Ident>,
}

impl Key {
    pub(crate) fn new(options: &Options, function: &Function, arguments: &[Argument]) -> Result<Self> {
        check_skip(options, function, arguments)?;
        match &options.key {
            Some(key) => Ok(Self::of_expression(key.ty.as_ref(), &key.expr, &options.krate(), arguments)),
            None => Self::of_arguments(options, function, arguments),
        }
    }

    fn of_arguments(options: &Options, function: &Function, arguments: &[Argument]) -> Result<Self> {
        let is_skipped = |name: &Ident| options.skip.iter().any(|skipped| skipped == name);
        if let Some(receiver) = function.receiver() {
            if !options.skip.iter().any(|skipped| skipped == "self") {
                return Err(Error::new(
                    receiver.span(),
                    "which instances may share a result? If equal arguments mean the same to all of them, say `#[coalesce(skip(self))]`; \
                     if not, say what of them counts: `#[coalesce(key = (self.id, …))]`, with the arguments that count",
                ));
            }
        }
        let counting: Vec<_> = arguments.iter().filter(|argument| !is_skipped(&argument.name)).collect();
        if counting.len() > 12 {
            let message = "more than twelve arguments make no key; say what of them counts: `#[coalesce(key = …)]`";
            return Err(Error::new(counting[12].ty.span(), message));
        }
        let krate = options.krate();
        let mut parts = Vec::new();
        let mut types = Vec::new();
        for argument in &counting {
            check_counts(argument)?;
            let (name, ty) = (&argument.name, &argument.ty);
            parts.push(match argument.referent() {
                Some(_) => quote_spanned!(ty.span()=> #krate::__private::part(#name)),
                None => quote_spanned!(ty.span()=> #krate::__private::part(&#name)),
            });
            types.push(owned(argument));
        }
        let ty = if types.len() == 1 { quote!(#(#types)*) } else { quote!((#(#types,)*)) };
        let name = mixed("key");
        let key = if parts.len() == 1 {
            quote!(#krate::__private::Whole(#(#parts)*))
        } else {
            quote!(#krate::__private::Parts((#(#parts,)*)))
        };
        Ok(Self {
            make: quote!(let #name = #key;),
            name,
            ty: Some(ty),
            borrowed: counting
                .iter()
                .filter(|argument| argument.referent().is_none())
                .map(|argument| argument.name.clone())
                .collect(),
        })
    }

    fn of_expression(ty: Option<&Type>, expr: &Expr, krate: &Path, arguments: &[Argument]) -> Self {
        let name = mixed("key");
        let expr = bare_expr(expr);
        let elements: Vec<&Expr> = match expr {
            Expr::Tuple(tuple) => tuple.elems.iter().collect(),
            expr => vec![expr],
        };
        let mut make = TokenStream::new();
        let mut parts = Vec::new();
        let mut borrowed = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let part = mixed(&format!("part_{index}"));
            // An argument by its name is not moved into the key.
            let value = match by_value(element, arguments) {
                Some(name) => {
                    borrowed.push(name.clone());
                    quote!(&#name)
                }
                None => quote!(#element),
            };
            // First by itself, so that what it borrows from lives as long.
            let given = mixed(&format!("given_{index}"));
            make.extend(
                quote_spanned!(element.span()=> let #given = #value; let #part = #krate::__private::Part(#given);),
            );
            parts.push(quote_spanned!(element.span()=> #part.of()));
        }
        let key = match expr {
            Expr::Tuple(_) => quote!(#krate::__private::Parts((#(#parts,)*))),
            _ => quote!(#krate::__private::Whole(#(#parts)*)),
        };
        make.extend(quote!(let #name = #key;));
        Self { make, name, ty: ty.map(|ty| quote!(#ty)), borrowed }
    }
}

/// What `skip` names must be there, and must mean something.
fn check_skip(options: &Options, function: &Function, arguments: &[Argument]) -> Result<()> {
    for skipped in &options.skip {
        let known = if skipped == "self" {
            function.receiver().is_some()
        } else {
            arguments.iter().any(|it| it.name == *skipped)
        };
        if !known {
            let mut names: Vec<_> = arguments.iter().map(|argument| format!("`{}`", argument.name)).collect();
            names.extend(function.receiver().map(|_| "`self`".to_owned()));
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(Error::new(
                skipped.span(),
                format!("there is no argument `{skipped}` to leave out; there are: {names}"),
            ));
        }
        if options.key.is_some() {
            let message =
                "`key` already says what counts; an argument that it does not name does not, so `skip` says nothing";
            return Err(Error::new(skipped.span(), message));
        }
    }
    Ok(())
}

/// What counts is kept in the table by value, for as long as the flight takes.
fn check_counts(argument: &Argument) -> Result<()> {
    let inside = match bare(&argument.ty) {
        Type::Reference(reference) if reference.mutability.is_some() => {
            return Err(Error::new(
                argument.ty.span(),
                "an exclusive reference cannot be part of the key; leave it out: `#[coalesce(skip(…))]`, or take it by value",
            ));
        }
        Type::Reference(reference) => match bare(&reference.elem) {
            Type::TraitObject(object) => {
                return Err(Error::new(
                    object.span(),
                    "a trait object cannot be part of the key; leave it out: `#[coalesce(skip(…))]`, or say what of it counts: `#[coalesce(key = …)]`",
                ));
            }
            elem => elem,
        },
        ty => ty,
    };
    match find_borrow(inside) {
        Some(span) => Err(Error::new(
            span,
            "the key outlives this argument, so it cannot hold what borrows inside; say what to keep of it: `#[coalesce(key = …)]`, \
             or leave it out: `#[coalesce(skip(…))]`",
        )),
        None => Ok(()),
    }
}

/// What the table keeps of it.
fn owned(argument: &Argument) -> TokenStream {
    let Some(reference) = argument.referent() else {
        let ty = &argument.ty;
        return quote!(#ty);
    };
    match bare(&reference.elem) {
        Type::Path(path) if path.path.is_ident("str") => quote!(::std::string::String),
        Type::Slice(slice) => {
            let item = &slice.elem;
            quote!(::std::vec::Vec<#item>)
        }
        ty => quote!(<#ty as ::std::borrow::ToOwned>::Owned),
    }
}

/// The argument that `expr` is, if that is taken by value.
fn by_value<'a>(expr: &Expr, arguments: &'a [Argument]) -> Option<&'a Ident> {
    let Expr::Path(path) = bare_expr(expr) else { return None };
    let name = path.path.get_ident()?;
    arguments
        .iter()
        .find(|argument| argument.name == *name && argument.referent().is_none())
        .map(|argument| &argument.name)
}
