//! Content codings (RFC 9110, 8.4): bodies that come compressed are made plain within bounds, because what
//! cannot be read cannot be judged or masked. A body that is cut off, is followed by something else, or
//! grows beyond what is allowed is none at all.

use std::io::{self, Read};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use hyper::header::{self, HeaderMap};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

/// Codings one upon the other. Nobody needs two; more are a way to make much of little.
const CODINGS_MAX: usize = 2;
/// What Brotli writes in one go.
const BROTLI_STEP: usize = 16 << 10;

/// One content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    /// RFC 1950, or what some servers send under its name: RFC 1951.
    Deflate,
    Brotli,
    Zstd,
}

/// The codings of a body, in the order in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Codings(Vec<Coding>);

/// Why a body cannot be made plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotPlain {
    /// It is not what its codings say.
    Malformed,
    /// It would be larger than allowed.
    Large,
}

impl From<io::Error> for NotPlain {
    fn from(_: io::Error) -> Self {
        Self::Malformed
    }
}

impl Codings {
    /// What the headers say; `None` if nobody here knows it.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut codings = Vec::new();
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for name in value.to_str().ok()?.split(',') {
                codings.push(match name.trim().to_ascii_lowercase().as_str() {
                    "identity" => continue,
                    "gzip" | "x-gzip" => Coding::Gzip,
                    "deflate" => Coding::Deflate,
                    "br" => Coding::Brotli,
                    "zstd" => Coding::Zstd,
                    _ => return None,
                });
            }
        }
        (codings.len() <= CODINGS_MAX).then_some(Self(codings))
    }

    /// Undoes them, on a thread where that keeps nobody waiting. Nothing on the way may be larger than `max`
    /// bytes.
    pub(super) async fn plain(self, body: Bytes, max: usize) -> Result<Bytes, NotPlain> {
        if self.0.is_empty() {
            return Ok(body);
        }
        let undoing = tokio::task::spawn_blocking(move || self.undo(body, max));
        undoing.await.unwrap_or(Err(NotPlain::Malformed))
    }

    fn undo(&self, mut body: Bytes, max: usize) -> Result<Bytes, NotPlain> {
        for coding in self.0.iter().rev() {
            body = coding.undo(&body, max)?;
        }
        Ok(body)
    }
}

impl Coding {
    fn undo(self, body: &[u8], max: usize) -> Result<Bytes, NotPlain> {
        let mut out = Vec::new();
        let rest = match self {
            Self::Gzip => {
                // One member after the other; what follows must be one, too.
                bounded(&mut MultiGzDecoder::new(body), &mut out, max)?;
                &[][..]
            }
            Self::Deflate if is_zlib(body) => {
                let mut decoder = ZlibDecoder::new(body);
                bounded(&mut decoder, &mut out, max)?;
                decoder.into_inner()
            }
            Self::Deflate => {
                let mut decoder = DeflateDecoder::new(body);
                bounded(&mut decoder, &mut out, max)?;
                decoder.into_inner()
            }
            Self::Brotli => return brotli(body, max),
            Self::Zstd => return zstd(body, max),
        };
        if rest.is_empty() {
            Ok(Bytes::from(out))
        } else {
            Err(NotPlain::Malformed)
        }
    }
}

/// Reads to the end, or until there is more than `max` in all.
fn bounded(from: &mut impl Read, out: &mut Vec<u8>, max: usize) -> Result<(), NotPlain> {
    let left = max.saturating_sub(out.len()) as u64;
    let read = from.take(left + 1).read_to_end(out)?;
    if read as u64 > left {
        Err(NotPlain::Large)
    } else {
        Ok(())
    }
}

/// The two bytes of RFC 1950, 2.2.
fn is_zlib(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0f == 8
                && method >> 4 <= 7
                && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0
        }
        _ => false,
    }
}

/// One stream (RFC 7932), with windows of its own size and none of the larger ones that some add to it.
fn brotli(body: &[u8], max: usize) -> Result<Bytes, NotPlain> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut unread, mut read) = (body.len(), 0);
    let (mut out, mut step, mut total) = (Vec::new(), vec![0; BROTLI_STEP], 0);
    loop {
        let (mut room, mut written) = (step.len(), 0);
        let result = BrotliDecompressStream(
            &mut unread,
            &mut read,
            body,
            &mut room,
            &mut written,
            &mut step,
            &mut total,
            &mut state,
        );
        if out.len() + written > max {
            return Err(NotPlain::Large);
        }
        out.extend_from_slice(step.get(..written).unwrap_or_default());
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if unread == 0 => return Ok(Bytes::from(out)),
            _ => return Err(NotPlain::Malformed),
        }
    }
}

/// Frames one after the other, those that are to be skipped left out (RFC 8878, 3.1).
fn zstd(mut body: &[u8], max: usize) -> Result<Bytes, NotPlain> {
    let mut out = Vec::new();
    if body.is_empty() {
        return Err(NotPlain::Malformed);
    }
    while !body.is_empty() {
        let mut decoder = match StreamingDecoder::new(&mut body) {
            Ok(decoder) => decoder,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                body = body.get(length as usize..).ok_or(NotPlain::Malformed)?;
                continue;
            }
            Err(_) => return Err(NotPlain::Malformed),
        };
        bounded(&mut decoder, &mut out, max)?;
        let frame = decoder.into_frame_decoder();
        let said = frame.get_checksum_from_data();
        if said.is_some() && said != frame.get_calculated_checksum() {
            return Err(NotPlain::Malformed);
        }
    }
    Ok(Bytes::from(out))
}

#[cfg(test)]
mod tests;
