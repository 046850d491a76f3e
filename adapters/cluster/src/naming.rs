//! What a key is called outside of its process.

use std::fmt::Write;

use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;

use crate::codec::{Codec, MessagePack, MessagePackError};
use crate::engine::Name;

/// Bytes of the hash that are used: enough that nobody finds two keys with one name.
const LENGTH: usize = 20;
/// Of a key that is shown.
const SHOWN: usize = 100;

/// Makes names: the same in every process that was given the same.
pub(crate) struct Naming<K> {
    namespace: String,
    /// What has hashed everything but the key.
    hash: Hmac<Sha256>,
    show: Option<fn(&K) -> String>,
}

impl<K> Naming<K> {
    pub(crate) fn new(namespace: &str, schema: &str, secret: &[u8], show: Option<fn(&K) -> String>) -> Self {
        // An HMAC takes a key of any length.
        let Ok(mut hash) = Hmac::<Sha256>::new_from_slice(secret) else { unreachable!("any length will do") };
        for part in [namespace, schema] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self { namespace: plain(namespace), hash, show }
    }

    /// The name of a key. Its bytes are those of MessagePack, whatever codec the values have: they are the same on every machine.
    pub(crate) fn name<Q: ?Sized + Serialize>(&self, key: &Q, owned: &K) -> Result<Name, MessagePackError> {
        let mut hash = self.hash.clone();
        hash.update(&MessagePack.encode(&key)?);
        let digest = hash.finalize().into_bytes();
        let mut name = format!("{}:", self.namespace);
        for byte in &digest[..LENGTH] {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        if let Some(show) = self.show {
            name.push(':');
            name.push_str(&plain(&show(owned)));
        }
        Ok(Name::new(&name))
    }
}

/// What an engine can have in its names without a thought, and no more of it than is of use.
fn plain(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    text.chars().map(allowed).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(namespace: &str, schema: &str, secret: &[u8]) -> Naming<String> {
        Naming::new(namespace, schema, secret, None)
    }

    fn name(naming: &Naming<String>, key: &str) -> String {
        naming.name(key, &key.to_owned()).unwrap().as_str().to_owned()
    }

    #[test]
    fn names_are_the_same_on_every_machine() {
        // From another implementation: HMAC-SHA256 of lengths, name, schema and the MessagePack of the key, by Python's hmac.
        assert_eq!(name(&naming("users", "", b""), "user:42"), "users:8ad7c37011cb5b9c4717cb8833eeda69a7856f84");
    }

    #[test]
    fn whatever_differs_gives_another_name() {
        let names = [
            name(&naming("users", "", b""), "a"),
            name(&naming("users", "", b""), "b"),
            name(&naming("users", "1", b""), "a"),
            name(&naming("users1", "", b""), "a"),
            name(&naming("users", "", b"secret"), "a"),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{names:?}");
        }
    }

    #[test]
    fn borrowed_and_owned_keys_have_one_name() {
        let naming: Naming<String> = naming("users", "", b"");
        assert_eq!(naming.name("a", &"a".to_owned()).unwrap(), naming.name(&"a".to_owned(), &"a".to_owned()).unwrap());
        let bytes: Naming<Vec<u8>> = Naming::new("users", "", b"", None);
        let key = vec![1_u8, 200];
        assert_eq!(bytes.name(&key[..], &key).unwrap(), bytes.name(&key, &key).unwrap());
    }

    #[test]
    fn a_shown_key_is_harmless() {
        let shown: Naming<String> = Naming::new("a b", "", b"", Some(String::clone));
        let name = name(&shown, "x y\r\n{z}é");
        assert!(name.starts_with("a_b:") && name.ends_with(":x_y___z__"), "{name}");
    }
}
