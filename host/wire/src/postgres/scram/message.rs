//! The grammar of SCRAM messages (RFC 5802, section 7).
//!
//! Attributes in their fixed order, nothing skipped, nothing repeated. An `m=`
//! anywhere is an extension we would have to understand, so it is refused.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{KEY_BYTES, ScramError};

/// Largest message of either side. Real ones have some 200 bytes; a long user
/// name (ignored) or certificate hash does not come near this.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Whether and how the client binds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gs2Flag<'a> {
    /// `n`: it cannot.
    Unsupported,
    /// `y`: it could, but believes the server cannot.
    NotOffered,
    /// `p=`: it does, in this way.
    Required(&'a str),
}

/// The client's first message.
pub(super) struct ClientFirst<'a> {
    pub(super) flag: Gs2Flag<'a>,
    /// With its closing comma.
    pub(super) gs2_header: &'a str,
    /// Everything behind the header.
    pub(super) bare: &'a str,
    pub(super) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, ScramError> {
        let text = text(message)?;
        let (flag, rest) = text.split_once(',').ok_or(SHAPE)?;
        let (authzid, bare) = rest.split_once(',').ok_or(SHAPE)?;
        if !authzid.is_empty() {
            return Err(ScramError::Malformed("it asks to act for another user"));
        }
        let flag = match flag {
            "n" => Gs2Flag::Unsupported,
            "y" => Gs2Flag::NotOffered,
            flag => Gs2Flag::Required(flag.strip_prefix("p=").ok_or(SHAPE)?),
        };
        let (_user, rest) = attribute(bare, "n=")?;
        let (nonce, rest) = attribute(rest, "r=")?;
        if !is_nonce(nonce.as_bytes()) {
            return Err(ScramError::Malformed("its nonce is empty or not printable"));
        }
        extensions(rest)?;
        Ok(Self {
            flag,
            gs2_header: text.strip_suffix(bare).ok_or(SHAPE)?,
            bare,
            nonce,
        })
    }
}

/// The client's final message.
pub(super) struct ClientFinal<'a> {
    pub(super) binding: Vec<u8>,
    pub(super) nonce: &'a str,
    pub(super) proof: [u8; KEY_BYTES],
    pub(super) without_proof: &'a str,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, ScramError> {
        let (without_proof, proof) = split_proof(text(message)?)?;
        let proof = STANDARD
            .decode(proof)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(ScramError::Malformed("its proof is not 32 bytes in base64"))?;
        let (binding, rest) = attribute(without_proof, "c=")?;
        let binding = STANDARD
            .decode(binding)
            .map_err(|_| ScramError::Malformed("its channel binding is not base64"))?;
        let (nonce, rest) = attribute(rest, "r=")?;
        extensions(rest)?;
        Ok(Self {
            binding,
            nonce,
            proof,
            without_proof,
        })
    }
}

/// Splits off the proof, which is always the last attribute.
fn split_proof(text: &str) -> Result<(&str, &str), ScramError> {
    let (rest, last) = text.rsplit_once(',').ok_or(SHAPE)?;
    Ok((rest, last.strip_prefix("p=").ok_or(SHAPE)?))
}

/// The value of the attribute `text` starts with, and what is behind it.
pub(crate) fn attribute<'a>(
    text: &'a str,
    name: &'static str,
) -> Result<(&'a str, &'a str), ScramError> {
    let (this, rest) = text.split_once(',').unwrap_or((text, ""));
    match this.strip_prefix(name) {
        Some(value) => Ok((value, rest)),
        None if this.starts_with("m=") => Err(MANDATORY),
        None => Err(SHAPE),
    }
}

/// Optional extensions are attributes with a letter each; unknown ones may be
/// ignored, the mandatory one (`m=`) may not.
pub(crate) fn extensions(text: &str) -> Result<(), ScramError> {
    if text.is_empty() {
        return Ok(());
    }
    for extension in text.split(',') {
        match extension.as_bytes() {
            [b'm', b'=', ..] => return Err(MANDATORY),
            [letter, b'=', _, ..] if letter.is_ascii_alphabetic() => {}
            _ => return Err(SHAPE),
        }
    }
    Ok(())
}

/// Printable ASCII without comma, at least one.
pub(crate) fn is_nonce(nonce: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_graphic() && *byte != b',';
    !nonce.is_empty() && nonce.iter().all(fits)
}

/// A message of either side as text.
pub(crate) fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(ScramError::Malformed("it is above 4,096 bytes"));
    }
    let text = str::from_utf8(message).map_err(|_| ScramError::Malformed("it is not UTF-8"))?;
    if text.contains('\0') {
        return Err(ScramError::Malformed("it holds a NUL"));
    }
    Ok(text)
}

const SHAPE: ScramError = ScramError::Malformed("its attributes are not in the required order");
const MANDATORY: ScramError = ScramError::Malformed("it demands an unknown extension");
