//! What stands in the attribute's parentheses.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Ident, Lit, Path, Result, Token, Type, Visibility, parenthesized, parse_quote};

use crate::duration;

/// All of them. Those that were not given are none.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) verb: Option<(Verb, Span)>,
    pub(crate) key: Option<KeyOption>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) group: Option<Expr>,
    pub(crate) flights: Option<(Visibility, Ident)>,
    pub(crate) runtime: Option<(Type, Expr)>,
    pub(crate) hasher: Option<(Type, Expr)>,
    pub(crate) name: Option<Expr>,
    /// Those of the builder and of one call.
    pub(crate) limits: Vec<Choice>,
    /// Those of the builder alone.
    pub(crate) choices: Vec<Choice>,
    pub(crate) krate: Option<Path>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Run,
    Relay,
    Spawn,
}

impl Verb {
    const ALL: [Self; 3] = [Self::Run, Self::Relay, Self::Spawn];

    /// What it is called, as an option and as a method.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Relay => "relay",
            Self::Spawn => "spawn",
        }
    }

    /// The verb that `word` means.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// `key = EXPR`, `key: TYPE = EXPR`.
pub(crate) struct KeyOption {
    pub(crate) ty: Option<Type>,
    pub(crate) expr: Expr,
}

/// A method of the builder, and what it is given.
pub(crate) struct Choice {
    pub(crate) name: Ident,
    method: Ident,
    value: TokenStream,
}

impl Choice {
    pub(crate) fn call(&self) -> TokenStream {
        let Self { method, value, .. } = self;
        quote!(.#method(#value))
    }
}

/// All but the verbs.
pub(crate) const OPTIONS: [(&str, Kind); 22] = [
    ("key", Kind::Own),
    ("skip", Kind::Own),
    ("group", Kind::Own),
    ("flights", Kind::Own),
    ("runtime", Kind::Own),
    ("hasher", Kind::Own),
    ("name", Kind::Own),
    ("timeout", Kind::Limit(Given::Time)),
    ("overtake_after", Kind::Limit(Given::Time)),
    ("wait_timeout", Kind::Limit(Given::Time)),
    ("join_within", Kind::Limit(Given::Time)),
    ("linger", Kind::Limit(Given::Time)),
    ("linger_failures", Kind::Choice(Given::Flag)),
    ("max_flights", Kind::Limit(Given::Value)),
    ("max_callers", Kind::Limit(Given::Value)),
    ("detach", Kind::Limit(Given::Flag)),
    ("retry", Kind::Choice(Given::Retries)),
    ("failed_if", Kind::Choice(Given::Value)),
    ("shards", Kind::Choice(Given::Value)),
    ("observer", Kind::Choice(Given::Value)),
    ("show_keys", Kind::Choice(Given::Value)),
    ("crate", Kind::Own),
];

/// What an option is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One that is given in a way of its own.
    Own,
    /// A method of the builder, and of one call.
    Limit(Given),
    /// A method of the builder alone.
    Choice(Given),
}

/// What is given with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Value,
    Time,
    /// Whether it is so.
    Flag,
    /// How often to try again.
    Retries,
}

impl Kind {
    fn of(word: &str) -> Option<Self> {
        OPTIONS.iter().find(|(option, _)| *option == word).map(|(_, kind)| *kind)
    }
}

/// Of the limits, some end calls without a result.
const ENDING: [&str; 3] = ["timeout", "wait_timeout", "max_flights"];
const RUNTIMES: &str = "`tokio`, `smol`, `async_std` or `threads`, or say it as `runtime: TYPE = EXPRESSION`";

impl Options {
    /// The path by which the code finds coflight.
    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(|| parse_quote!(::coflight))
    }

    pub(crate) fn verb(&self) -> Verb {
        self.verb.map_or(Verb::Run, |(verb, _)| verb)
    }

    /// A limit that can end a call without a result.
    pub(crate) fn ending(&self) -> Option<&Choice> {
        self.limit(&ENDING)
    }

    /// The first that is one of `names`.
    fn limit(&self, names: &[&str]) -> Option<&Choice> {
        self.limits.iter().find(|limit| names.iter().any(|name| limit.name == name))
    }

    pub(crate) fn has_choice(&self, name: &str) -> bool {
        self.choices.iter().any(|choice| choice.name == name)
    }

    /// What does not go together.
    pub(crate) fn check(&self, is_async: bool) -> Result<()> {
        if let (Some((verb, span)), false) = (self.verb, is_async) {
            let verb = verb.word();
            return Err(Error::new(
                span,
                format!("`{verb}` is for `async fn`; a plain `fn` runs on its caller's thread"),
            ));
        }
        self.check_key()?;
        let spawns = self.verb() == Verb::Spawn;
        if let (Some(detach), false) = (self.limit(&["detach"]), spawns) {
            return Err(Error::new(detach.name.span(), "`detach` is for work that is spawned: add `spawn`"));
        }
        if self.group.is_some() {
            return self.check_beside_group();
        }
        if self.runtime.is_some() {
            return Ok(());
        }
        if let Some((Verb::Spawn, span)) = self.verb {
            return Err(Error::new(
                span,
                format!(
                    "`spawn` needs a runtime: add `runtime = …`, with {RUNTIMES}; or use `relay`, which needs none"
                ),
            ));
        }
        match self.limits.iter().find(|limit| Kind::of(&limit.name.to_string()) == Some(Kind::Limit(Given::Time))) {
            Some(Choice { name, .. }) => Err(Error::new(
                name.span(),
                format!("`{name}` needs a runtime to keep time: add `runtime = …`, with {RUNTIMES}"),
            )),
            None => Ok(()),
        }
    }

    /// A key that is the same for all calls is a mistake, unless functions share a group, whose keys tell them apart. A string with braces is one there, too.
    fn check_key(&self) -> Result<()> {
        let Some(KeyOption { expr, .. }) = &self.key else { return Ok(()) };
        let is_wrong = if self.group.is_some() { has_braces(expr) } else { is_literal(expr) };
        if !is_wrong {
            return Ok(());
        }
        let message = "this key is the same for all calls: write an expression of the arguments, such as `(tenant, id)` or `format!(\"user:{id}\")`";
        Err(Error::new_spanned(expr, format!("{message}; if they do not count, `skip(…)` them")))
    }

    fn check_beside_group(&self) -> Result<()> {
        let built = |span, what: &str| {
            Err(Error::new(span, format!("`{what}` is chosen where the group is built, not beside `group = …`")))
        };
        if let Some((_, name)) = &self.flights {
            return Err(Error::new(
                name.span(),
                "`flights` names the function's own group; this one has a group already",
            ));
        }
        if let Some((ty, _)) = &self.runtime {
            return built(ty.span(), "runtime");
        }
        if let Some((ty, _)) = &self.hasher {
            return built(ty.span(), "hasher");
        }
        if let Some(name) = &self.name {
            return built(name.span(), "name");
        }
        match self.choices.first() {
            Some(choice) => built(choice.name.span(), &choice.name.to_string()),
            None => Ok(()),
        }
    }

    fn parse_one(&mut self, input: ParseStream<'_>) -> Result<()> {
        let expected = "an option was expected, such as `timeout = \"5s\"`; what the group is called is one of them, `name = \"…\"`";
        let name = input.call(Ident::parse_any).map_err(|error| Error::new(error.span(), expected))?;
        let word = name.to_string();
        if let Some(verb) = Verb::of(&word) {
            if self.verb.is_some() {
                return Err(Error::new(name.span(), "one verb is enough: `run`, `relay` or `spawn`"));
            }
            self.verb = Some((verb, name.span()));
            return Ok(());
        }
        match Kind::of(&word) {
            Some(Kind::Own) => self.parse_own(input, &name),
            Some(Kind::Limit(given)) => {
                let limit = self.parse_choice(input, name, given)?;
                self.limits.push(limit);
                Ok(())
            }
            Some(Kind::Choice(given)) => {
                let choice = self.parse_choice(input, name, given)?;
                self.choices.push(choice);
                Ok(())
            }
            None => {
                let options = OPTIONS.iter().map(|(option, _)| *option);
                let all: Vec<_> = Verb::ALL.into_iter().map(Verb::word).chain(options).collect();
                let message = format!("there is no option `{word}`; there are: {}", all.join(", "));
                Err(Error::new(name.span(), message))
            }
        }
    }

    fn parse_own(&mut self, input: ParseStream<'_>, name: &Ident) -> Result<()> {
        match &*name.to_string() {
            "key" => {
                once(name, self.key.is_some())?;
                let ty = typed(input)?;
                self.key = Some(KeyOption { ty, expr: value(input, name)? });
            }
            "skip" => {
                let names;
                if !input.peek(syn::token::Paren) {
                    return Err(Error::new(name.span(), "say which arguments do not count: `skip(db, ctx)`"));
                }
                parenthesized!(names in input);
                self.skip.extend(Punctuated::<Ident, Token![,]>::parse_terminated_with(&names, Ident::parse_any)?);
            }
            "group" => {
                once(name, self.group.is_some())?;
                self.group = Some(value(input, name)?);
            }
            "flights" => {
                once(name, self.flights.is_some())?;
                input.parse::<Token![=]>()?;
                self.flights = Some((input.parse()?, input.parse()?));
            }
            "runtime" => {
                once(name, self.runtime.is_some())?;
                self.runtime = Some(self.parse_runtime(input, name)?);
            }
            "hasher" => {
                once(name, self.hasher.is_some())?;
                let message = "say its type, too: `hasher: TYPE = EXPRESSION`";
                let ty = typed(input)?.ok_or_else(|| Error::new(name.span(), message))?;
                self.hasher = Some((ty, value(input, name)?));
            }
            "name" => {
                once(name, self.name.is_some())?;
                self.name = Some(value(input, name)?);
            }
            "crate" => {
                once(name, self.krate.is_some())?;
                if self.runtime.is_some() || !self.choices.is_empty() {
                    return Err(Error::new(name.span(), "`crate` comes before what it is needed for: put it first"));
                }
                input.parse::<Token![=]>()?;
                self.krate = Some(input.parse()?);
            }
            _ => unreachable!("these are all that are given in a way of their own"),
        }
        Ok(())
    }

    /// What becomes the call of a method.
    fn parse_choice(&self, input: ParseStream<'_>, name: Ident, given: Given) -> Result<Choice> {
        let word = &*name.to_string();
        // Of observers there may be any number.
        once(&name, word != "observer" && (self.limit(&[word]).is_some() || self.has_choice(word)))?;
        let mut method = name.clone();
        let value = match given {
            Given::Value => value::<Expr>(input, &name)?.into_token_stream(),
            Given::Time => time(value(input, &name)?)?,
            Given::Flag => flag(input, &name)?,
            Given::Retries => {
                let limit: Expr = value(input, &name)?;
                let krate = self.krate();
                method = Ident::new("on_failure", name.span());
                quote_spanned!(limit.span()=> #krate::OnFailure::Retry { limit: #limit })
            }
        };
        Ok(Choice { name, method, value })
    }

    fn parse_runtime(&self, input: ParseStream<'_>, name: &Ident) -> Result<(Type, Expr)> {
        if let Some(ty) = typed(input)? {
            return Ok((ty, value(input, name)?));
        }
        input.parse::<Token![=]>()?;
        let expr: Expr = input.parse()?;
        let known = match bare(&expr) {
            Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
            _ => None,
        };
        let krate = self.krate();
        let span = expr.span();
        let (ty, make) = match known.as_deref() {
            Some("tokio") => ("Tokio", quote!(ambient)),
            Some("smol") => ("Smol", quote!(global)),
            Some("async_std") => ("AsyncStd", quote!(new)),
            Some("threads") => ("Threads", quote!(new)),
            _ => return Err(Error::new(span, format!("which runtime: {RUNTIMES}"))),
        };
        // At the word, so that a feature that is missing is missed there.
        let ty = Ident::new(ty, span);
        Ok((syn::parse2(quote!(#krate::#ty))?, syn::parse2(quote!(#krate::#ty::#make()))?))
    }
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            options.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

/// That an option is not given twice.
fn once(name: &Ident, given: bool) -> Result<()> {
    match given {
        true => Err(Error::new(name.span(), format!("`{name}` is given twice"))),
        false => Ok(()),
    }
}

/// `: TYPE`, if that is what follows.
fn typed(input: ParseStream<'_>) -> Result<Option<Type>> {
    if !input.peek(Token![:]) {
        return Ok(None);
    }
    input.parse::<Token![:]>()?;
    input.parse().map(Some)
}

/// `= VALUE`.
fn value<T: Parse>(input: ParseStream<'_>, name: &Ident) -> Result<T> {
    if !input.peek(Token![=]) {
        return Err(Error::new(name.span(), format!("give it a value: `{name} = …`")));
    }
    input.parse::<Token![=]>()?;
    input.parse()
}

/// Whether it is a literal, or made of nothing else.
fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) => true,
        Expr::Reference(reference) => is_literal(&reference.expr),
        Expr::Unary(unary) => is_literal(&unary.expr),
        Expr::Paren(inner) => is_literal(&inner.expr),
        // What a macro makes of a literal that it was given.
        Expr::Group(inner) => is_literal(&inner.expr),
        Expr::Tuple(tuple) => !tuple.elems.is_empty() && tuple.elems.iter().all(is_literal),
        _ => false,
    }
}

/// Whether it is a string that is meant as a pattern, which there is not.
fn has_braces(expr: &Expr) -> bool {
    matches!(expr, Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value().contains('{'))
}

/// `true`, if no value follows.
fn flag(input: ParseStream<'_>, name: &Ident) -> Result<TokenStream> {
    if input.peek(Token![=]) { value::<Expr>(input, name).map(Expr::into_token_stream) } else { Ok(quote!(true)) }
}

/// A string, or an expression for a `Duration`.
fn time(value: Expr) -> Result<TokenStream> {
    match bare(&value) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            let duration = duration::parse(&text.value()).map_err(|message| Error::new(text.span(), message))?;
            let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
            Ok(quote!(::core::time::Duration::new(#seconds, #nanos)))
        }
        Expr::Lit(number) => Err(Error::new(number.span(), "a time has a unit: write \"5s\", \"250ms\", …")),
        _ => Ok(value.into_token_stream()),
    }
}

/// Without what a macro, or a pair of parentheses, put around it.
pub(crate) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(inner) => bare(&inner.expr),
        Expr::Paren(inner) => bare(&inner.expr),
        expr => expr,
    }
}
