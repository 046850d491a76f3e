//! What a function takes, returns, and calls its own.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Error, FnArg, GenericArgument, GenericParam, Generics, Ident, Lifetime, Pat, PatIdent,
    PathArguments, PathSegment, Receiver, Result, ReturnType, Signature, Token, Type, TypeImplTrait, TypePath,
    TypeReference, Visibility, WherePredicate, parse_quote,
};

/// A function or method with a body.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) default: Option<Token![default]>,
    pub(crate) signature: Signature,
    pub(crate) body: Block,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let default = input.parse()?;
        let signature: Signature = input.parse()?;
        if input.peek(Token![;]) {
            let message = "there is no body whose calls could be coalesced; put `#[coalesce]` on the implementation";
            return Err(Error::new(signature.span(), message));
        }
        Ok(Self { attributes, visibility, default, signature, body: input.parse()? })
    }
}

/// One that is no `self`.
pub(crate) struct Argument {
    /// The name by which the key and the work know it.
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    /// What the body takes it apart with.
    pub(crate) pattern: Option<Pat>,
}

impl Argument {
    /// What it refers to, if it is a reference.
    pub(crate) fn referent(&self) -> Option<&TypeReference> {
        match bare(&self.ty) {
            Type::Reference(reference) => Some(reference),
            _ => None,
        }
    }
}

/// What a function returns.
pub(crate) struct Returned {
    pub(crate) ty: Type,
    pub(crate) sharing: Sharing,
}

/// How callers share it, as far as can be read.
pub(crate) enum Sharing {
    /// Each gets a clone.
    Value,
    /// Each gets a clone: it is written as `Result<T, E>`.
    Result(Type, Type),
    /// The error as it is, `E`, which is that of the body: it is written as `Result<T, TryError<E>>`.
    TryError(Type, Type),
}

impl Function {
    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.signature.receiver()
    }

    pub(crate) fn is_async(&self) -> bool {
        self.signature.asyncness.is_some()
    }

    /// Takes the arguments' patterns out of the signature, so that each argument has one name.
    pub(crate) fn arguments(&mut self) -> Vec<Argument> {
        let mut arguments = Vec::new();
        for (index, input) in self.signature.inputs.iter_mut().enumerate() {
            let FnArg::Typed(argument) = input else { continue };
            let (name, pattern) = match &*argument.pat {
                Pat::Ident(PatIdent { by_ref: None, mutability: None, ident, subpat: None, .. }) => {
                    (ident.clone(), None)
                }
                Pat::Ident(PatIdent { by_ref: None, mutability: Some(_), ident, subpat: None, .. }) => {
                    (ident.clone(), Some((*argument.pat).clone()))
                }
                pattern => (format_ident!("__argument_{index}", span = pattern.span()), Some(pattern.clone())),
            };
            *argument.pat = parse_quote!(#name);
            arguments.push(Argument { name, ty: (*argument.ty).clone(), pattern });
        }
        arguments
    }

    /// Whether the body names `name`, perhaps inside a macro or a string.
    pub(crate) fn mentions(&self, name: &Ident) -> bool {
        let text = name.unraw().to_string();
        mentions(self.body.to_token_stream(), &text)
    }

    /// Whether the signature says `Self`, as only that of an associated function can.
    pub(crate) fn says_self_type(&self) -> bool {
        says(self.signature.to_token_stream(), "Self")
    }

    /// What cannot be coalesced, whatever the options.
    pub(crate) fn check(&self) -> Result<()> {
        let signature = &self.signature;
        if let Some(token) = &signature.constness {
            return Err(Error::new(
                token.span(),
                "a `const fn` has nobody to share its result with: there are no groups at compile time",
            ));
        }
        if let Some(token) = &signature.unsafety {
            return Err(Error::new(
                token.span(),
                "an `unsafe fn` cannot be coalesced: callers would rely on what others promised; coalesce a safe function that calls it",
            ));
        }
        if let Some(variadic) = &signature.variadic {
            return Err(Error::new(variadic.span(), "a function with any number of arguments has no key"));
        }
        Ok(())
    }

    pub(crate) fn returned(&self) -> Result<Returned> {
        let ty = match &self.signature.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        if !self.is_async() {
            let words = ty.to_token_stream().to_string();
            if words.starts_with("Pin <") || words.contains(":: Pin <") {
                let message = "this returns a boxed future, which many callers cannot share; if `#[async_trait]` made it, put \
                               `#[coalesce]` on the `impl` block as well, above `#[async_trait]`";
                return Err(Error::new(ty.span(), message));
            }
            if words.starts_with("impl ") && words.contains("Future") {
                return Err(Error::new(
                    ty.span(),
                    "this returns a future, which many callers cannot share; write `async fn`",
                ));
            }
        }
        if let Some(hidden) = find_impl(&ty) {
            return Err(Error::new(
                hidden.span(),
                "the result is kept for many callers, so its type must be named; write it in full, or box it",
            ));
        }
        if let Some(borrow) = find_borrow(&ty) {
            return Err(Error::new(
                borrow,
                "the result is shared with callers who have arguments of their own, so it cannot borrow from one's; return what is owned, or an `Arc`",
            ));
        }
        let sharing = sharing(&ty);
        Ok(Returned { ty, sharing })
    }

    /// What a sibling that hands out the group is generic over: types and numbers, not lifetimes.
    pub(crate) fn group_generics(&self) -> Generics {
        let mut generics = self.signature.generics.clone();
        let lifetimes: Vec<_> = generics.lifetimes().map(|parameter| parameter.lifetime.clone()).collect();
        generics.params = (generics.params.into_iter())
            .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
            .map(|mut parameter| {
                if let GenericParam::Type(ty) = &mut parameter {
                    ty.bounds = std::mem::take(&mut ty.bounds)
                        .into_iter()
                        .filter(|bound| !names(&lifetimes, |find| find.visit_type_param_bound(bound)))
                        .collect();
                    ty.default = None;
                }
                parameter
            })
            .collect();
        if let Some(clause) = &mut generics.where_clause {
            let of_types = |predicate: &WherePredicate| {
                matches!(predicate, WherePredicate::Type(_))
                    && !names(&lifetimes, |find| find.visit_where_predicate(predicate))
            };
            clause.predicates = std::mem::take(&mut clause.predicates).into_iter().filter(of_types).collect();
        }
        generics
    }
}

/// Finds lifetimes, which other things may be called as.
struct FindLifetime<'l> {
    any_of: &'l [Lifetime],
    found: bool,
}

impl<'t> Visit<'t> for FindLifetime<'_> {
    fn visit_lifetime(&mut self, lifetime: &'t Lifetime) {
        self.found |= self.any_of.contains(lifetime);
    }
}

/// Whether what is looked at names any of `lifetimes`.
fn names<'l>(lifetimes: &'l [Lifetime], look: impl FnOnce(&mut FindLifetime<'l>)) -> bool {
    let mut find = FindLifetime { any_of: lifetimes, found: false };
    look(&mut find);
    find.found
}

fn says(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => says(group.stream(), word),
        TokenTree::Ident(ident) => ident == word,
        _ => false,
    })
}

fn mentions(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(group.stream(), word),
        TokenTree::Ident(ident) => ident.unraw() == word,
        // `"{name}"`
        TokenTree::Literal(literal) => literal.to_string().contains(word),
        TokenTree::Punct(_) => false,
    })
}

/// The first `impl Trait` in a type.
pub(crate) fn find_impl(ty: &Type) -> Option<TypeImplTrait> {
    struct Find(Option<TypeImplTrait>);
    impl<'t> Visit<'t> for Find {
        fn visit_type_impl_trait(&mut self, ty: &'t TypeImplTrait) {
            self.0.get_or_insert_with(|| ty.clone());
        }
    }
    let mut find = Find(None);
    find.visit_type(ty);
    find.0
}

/// The first thing in a type that says that it borrows.
pub(crate) fn find_borrow(ty: &Type) -> Option<proc_macro2::Span> {
    struct Find(Option<proc_macro2::Span>);
    impl<'t> Visit<'t> for Find {
        fn visit_type_reference(&mut self, reference: &'t TypeReference) {
            if reference.lifetime.is_none() {
                self.0.get_or_insert(reference.span());
            }
            visit::visit_type_reference(self, reference);
        }
        fn visit_lifetime(&mut self, lifetime: &'t Lifetime) {
            if lifetime.ident != "static" {
                self.0.get_or_insert(lifetime.span());
            }
        }
        // `for<'a> fn(&'a T)` borrows when it is called.
        fn visit_type_bare_fn(&mut self, _: &'t syn::TypeBareFn) {}
    }
    let mut find = Find(None);
    find.visit_type(ty);
    find.0
}

fn sharing(ty: &Type) -> Sharing {
    let parts = last(ty, "Result").map(types).unwrap_or_default();
    let [value, error] = &parts[..] else { return Sharing::Value };
    match &last(error, "TryError").map(types).unwrap_or_default()[..] {
        [work] => Sharing::TryError(value.clone(), work.clone()),
        _ => Sharing::Result(value.clone(), error.clone()),
    }
}

/// Without parentheses around it.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => bare(&inner.elem),
        Type::Group(inner) => bare(&inner.elem),
        ty => ty,
    }
}

/// The last segment of a path, if it is called `name`.
fn last<'t>(ty: &'t Type, name: &str) -> Option<&'t PathSegment> {
    match bare(ty) {
        Type::Path(TypePath { qself: None, path }) => path.segments.last().filter(|segment| segment.ident == name),
        _ => None,
    }
}

fn types(segment: &PathSegment) -> Vec<Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    types.collect()
}
