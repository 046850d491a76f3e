//! How values become bytes.

use std::error::Error as StdError;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A way to turn values into bytes and back, for [`Builder::codec`](crate::Builder::codec).
///
/// All processes of a cluster must use the same. Changing it is a change of [schema](crate::Builder::schema).
///
/// ```
/// use coflight::cluster::Codec;
/// use serde::{Serialize, de::DeserializeOwned};
///
/// /// For those who like to read what lies in their engine.
/// struct Json;
///
/// impl Codec for Json {
///     type Error = serde_json::Error;
///
///     fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, Self::Error> {
///         serde_json::to_vec(value)
///     }
///
///     fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Self::Error> {
///         serde_json::from_slice(bytes)
///     }
/// }
/// # assert_eq!(Json.decode::<Vec<u8>>(&Json.encode(&[1, 2]).unwrap()).unwrap(), [1, 2]);
/// ```
pub trait Codec: Send + Sync + 'static {
    /// Why a value cannot be encoded, or bytes cannot be decoded.
    type Error: StdError + Send + Sync + 'static;

    /// The value as bytes.
    ///
    /// # Errors
    ///
    /// If this value cannot be written in this way. Then it is not shared beyond its own process.
    fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, Self::Error>;

    /// The value that `bytes` are.
    ///
    /// # Errors
    ///
    /// If they are not. Then the process that got them does the work itself.
    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Self::Error>;
}

/// The default: [MessagePack](https://msgpack.org), with the names of fields.
///
/// Binary, and compact but for those names. They are there because without them a type that skips a field, or has grown one, can be read as something
/// else without an error.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use coflight::cluster::{Codec, MessagePack};
///
/// let bytes = MessagePack.encode(&("Ada", 1815))?;
/// assert_eq!(bytes, b"\x92\xa3Ada\xcd\x07\x17");
/// assert_eq!(MessagePack.decode::<(String, u16)>(&bytes)?, ("Ada".to_owned(), 1815));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagePack;

/// Why MessagePack could not be written or read.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use coflight::cluster::{Codec, MessagePack, MessagePackError};
///
/// let bytes = MessagePack.encode(&1815)?;
/// let error: MessagePackError = MessagePack.decode::<String>(&bytes).unwrap_err();
/// assert!(error.to_string().contains("expected a string"), "{error}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MessagePackError(Box<dyn StdError + Send + Sync>);

impl Codec for MessagePack {
    type Error = MessagePackError;

    fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, MessagePackError> {
        rmp_serde::to_vec_named(value).map_err(|error| MessagePackError(error.into()))
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, MessagePackError> {
        // From a reader, so that what is left over is seen.
        let mut rest = bytes;
        let value = rmp_serde::from_read(&mut rest).map_err(|error| MessagePackError(error.into()))?;
        match rest.len() {
            0 => Ok(value),
            1 => Err(MessagePackError("one byte too many".into())),
            more => Err(MessagePackError(format!("{more} bytes too many").into())),
        }
    }
}

impl std::fmt::Display for MessagePackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for MessagePackError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_over_is_an_error_that_counts_it() {
        let read =
            |rest: &[u8]| MessagePack.decode::<u8>(&[&[7][..], rest].concat()).map_err(|error| error.to_string());
        assert_eq!(read(&[]), Ok(7));
        assert_eq!(read(&[0]), Err("one byte too many".to_owned()));
        assert_eq!(read(&[0, 0]), Err("2 bytes too many".to_owned()));
    }
}
