//! What a request asks for: path and query, read once. Policy judges what is read here, and the upstream
//! gets it written anew from the same reading, so the two never see different paths. What two readers could
//! read differently (dot segments, encoded slashes, matrix parameters, doubled slashes) is refused.

use std::fmt::Write;

/// Longest path and query together, bytes; servers take 8 KiB at most by custom.
pub(super) const TARGET_BYTES_MAX: usize = 8 << 10;
/// Segments of a path. Real APIs have ten.
const SEGMENTS_MAX: usize = 64;
/// Pairs of a query.
const PAIRS_MAX: usize = 256;
/// Longest name that is shown in records; longer ones are data.
const SHOWN_CHARS_MAX: usize = 40;

/// Why a target is not taken, in words for the caller. No value of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ambiguous(pub(super) &'static str);

/// A target, understood.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    segments: Vec<Text>,
    /// Whether the path ends with a slash.
    open: bool,
    query: Vec<(Text, Option<Text>)>,
}

/// A piece of a target: as it is sent on, and what it means.
#[derive(Clone, PartialEq, Eq)]
struct Text {
    written: String,
    meant: String,
}

impl Target {
    /// Reads a path and a query as they came.
    pub(super) fn parse(path: &str, query: Option<&str>) -> Result<Self, Ambiguous> {
        if path.len() + query.map_or(0, str::len) > TARGET_BYTES_MAX {
            return Err(Ambiguous("the path and query are too long"));
        }
        let rest = path
            .strip_prefix('/')
            .ok_or(Ambiguous("the path does not begin with a slash"))?;
        let (rest, open) = match rest.strip_suffix('/') {
            Some(rest) => (rest, true),
            None => (rest, rest.is_empty()),
        };
        let mut segments = Vec::new();
        if !(rest.is_empty() && path == "/") {
            for segment in rest.split('/') {
                segments.push(path_segment(segment)?);
            }
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(Ambiguous("the path has too many segments"));
        }
        Ok(Self {
            segments,
            open,
            query: query.map_or(Ok(Vec::new()), pairs)?,
        })
    }

    /// The rest of the path behind a prefix of plain segments; `None` if it begins otherwise.
    pub(super) fn without(&self, prefix: &str) -> Option<Self> {
        let prefix: Vec<&str> = prefix.strip_prefix('/')?.split('/').collect();
        let fits = self.segments.len() >= prefix.len()
            && prefix
                .iter()
                .zip(&self.segments)
                .all(|(plain, segment)| *plain == segment.meant);
        fits.then(|| Self {
            segments: self.segments.iter().skip(prefix.len()).cloned().collect(),
            ..self.clone()
        })
    }

    /// The same, where an empty prefix takes nothing off.
    pub(super) fn without_prefix(self, prefix: &str) -> Option<Self> {
        if prefix.is_empty() {
            Some(self)
        } else {
            self.without(prefix)
        }
    }

    /// Path and query as they are sent on, below the upstream's own base path.
    pub(super) fn written(&self, base: &str) -> String {
        let mut out = base.to_owned();
        for segment in &self.segments {
            out.push('/');
            out.push_str(&segment.written);
        }
        if out.is_empty() || self.ends_with_slash() {
            out.push('/');
        }
        for (index, (key, value)) in self.query.iter().enumerate() {
            out.push(if index == 0 { '?' } else { '&' });
            out.push_str(&key.written);
            if let Some(value) = value {
                out.push('=');
                out.push_str(&value.written);
            }
        }
        out
    }

    /// What the segments mean.
    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(|segment| segment.meant.as_str())
    }

    /// Whether the path ends with a slash.
    pub(super) fn ends_with_slash(&self) -> bool {
        self.open && !self.segments.is_empty()
    }

    /// What the query means, pair by pair. A key without a value has an empty one.
    pub(super) fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(key, value)| {
            let value = value.as_ref().map_or("", |value| value.meant.as_str());
            (key.meant.as_str(), value)
        })
    }

    /// The path with what may be an identifier taken out: `/Patient/{id}`. Fit for records.
    pub(super) fn template(&self) -> String {
        let mut out = String::new();
        let mut before: Option<&str> = None;
        for segment in self.segments() {
            let names_instance =
                before.is_some_and(is_resource_type) && !segment.starts_with(['$', '_']);
            if is_plain(segment) && !names_instance {
                let _ = write!(out, "/{segment}");
            } else {
                out.push_str("/{id}");
            }
            before = Some(segment);
        }
        if out.is_empty() {
            out.push('/');
        }
        out
    }

    /// The query's keys, those that may be data replaced. Fit for records.
    pub(super) fn shown_keys(&self) -> Vec<String> {
        self.query()
            .map(|(key, _)| {
                if is_key(key) {
                    key.to_owned()
                } else {
                    "?".to_owned()
                }
            })
            .collect()
    }

    /// Template and keys: `/Patient?family=?&_count=?`. Fit for records.
    pub(super) fn shown(&self) -> String {
        let mut out = self.template();
        for (index, key) in self.shown_keys().iter().enumerate() {
            out.push(if index == 0 { '?' } else { '&' });
            out.push_str(key);
            out.push_str("=?");
        }
        out
    }
}

/// A word of an API: letters and few signs, or a version such as `v2` or `R4`.
fn is_plain(segment: &str) -> bool {
    let word = |c: char| c.is_ascii_alphabetic() || matches!(c, '-' | '_' | '$' | '.');
    let version = segment.len() <= 4
        && segment.starts_with(|c: char| c.is_ascii_alphabetic())
        && segment.chars().skip(1).all(|c| c.is_ascii_digit());
    (!segment.is_empty() && segment.len() <= SHOWN_CHARS_MAX && segment.chars().all(word))
        || version
}

/// `Patient`, `MedicationRequest`: what follows it in a path is one of them.
fn is_resource_type(segment: &str) -> bool {
    segment.starts_with(|c: char| c.is_ascii_uppercase())
        && segment.chars().all(|c| c.is_ascii_alphabetic())
        && segment.chars().any(|c| c.is_ascii_lowercase())
}

fn is_key(key: &str) -> bool {
    let digits = key.chars().filter(char::is_ascii_digit).count();
    !key.is_empty()
        && key.len() <= SHOWN_CHARS_MAX
        && digits <= 2
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.:$[]".contains(c))
}

fn path_segment(text: &str) -> Result<Text, Ambiguous> {
    if text.is_empty() {
        return Err(Ambiguous("the path has an empty segment"));
    }
    let segment = read(text, |byte, escaped| match (byte, escaped) {
        (b'/' | b'\\', true) => Err(Ambiguous("the path has an encoded slash")),
        (b'\\', false) => Err(Ambiguous("the path has a backslash")),
        (b'.', true) => Err(Ambiguous("the path has an encoded dot")),
        (b'%', true) => Err(Ambiguous("the path is encoded twice")),
        (b';', _) => Err(Ambiguous("the path has matrix parameters")),
        _ => Ok(()),
    })?;
    if matches!(segment.meant.as_str(), "." | "..") {
        return Err(Ambiguous("the path has dot segments"));
    }
    Ok(segment)
}

fn pairs(query: &str) -> Result<Vec<(Text, Option<Text>)>, Ambiguous> {
    let pieces: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    if pieces.len() > PAIRS_MAX {
        return Err(Ambiguous("the query has too many pairs"));
    }
    pieces
        .into_iter()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => Ok((query_text(key)?, Some(query_text(value)?))),
            None => Ok((query_text(pair)?, None)),
        })
        .collect()
}

fn query_text(text: &str) -> Result<Text, Ambiguous> {
    let mut text = read(text, |_, _| Ok(()))?;
    // Forms write a space so; a plus that is meant is written %2B, and stays so.
    if text.written.contains('+') {
        let spaced = text.written.replace('+', "%20");
        text.meant = read(&spaced, |_, _| Ok(()))?.meant;
    }
    Ok(text)
}

/// Reads escapes and writes each byte in the one way there is: unreserved and harmless signs as they are,
/// all else escaped in capitals.
fn read(text: &str, check: impl Fn(u8, bool) -> Result<(), Ambiguous>) -> Result<Text, Ambiguous> {
    let (mut written, mut meant) = (String::with_capacity(text.len()), Vec::new());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, escaped) = match byte {
            b'%' => {
                let digit = |digit: Option<u8>| char::from(digit?).to_digit(16);
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return Err(Ambiguous("it has an incomplete escape"));
                };
                (u8::try_from(high * 16 + low).unwrap_or(0), true)
            }
            byte if byte.is_ascii() => (byte, false),
            _ => return Err(Ambiguous("it has characters that must be escaped")),
        };
        if byte < 0x20 || byte == 0x7f {
            return Err(Ambiguous("it has control characters"));
        }
        check(byte, escaped)?;
        meant.push(byte);
        let unreserved = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if unreserved || (!escaped && b"!$'()*+,:@=/?|".contains(&byte)) {
            written.push(char::from(byte));
        } else {
            let _ = write!(written, "%{byte:02X}");
        }
    }
    let meant = String::from_utf8(meant).map_err(|_| Ambiguous("it is not UTF-8"))?;
    Ok(Text { written, meant })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn parse(target: &str) -> Result<Target, Ambiguous> {
        match target.split_once('?') {
            Some((path, query)) => Target::parse(path, Some(query)),
            None => Target::parse(target, None),
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for path in [
            "",
            "a",
            "*",
            "//",
            "/a//b",
            "//a",
            "/a//",
            "/./a",
            "/a/..",
            "/a/../b",
            "/%2e/a",
            "/a/%2E%2e/b",
            "/a/.%2e/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a;b=c/d",
            "/a%3bb",
            "/a%00b",
            "/a%0d%0ab",
            "/a%7f",
            "/%c0%af",
            "/%ff",
            "/%",
            "/%4",
            "/%zz",
            "/%252e%252e/a",
            "/a%25b",
            "/é",
            "/a%2e%2e",
            "/%2e%2e%2f",
            "/..%2f",
            "/.%00./",
            "/a?b=%0a",
            "/a?b=%ff",
            "/a?b=%1",
            "/a?é=1",
        ] {
            assert!(parse(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn what_is_sent_on_is_what_was_judged() {
        for (target, sent, meant) in [
            ("/", "/", vec![]),
            ("/Patient/7", "/Patient/7", vec!["Patient", "7"]),
            ("/Patient/", "/Patient/", vec!["Patient"]),
            ("/%50atient/%41%7e", "/Patient/A~", vec!["Patient", "A~"]),
            ("/a%20b/%c3%a9", "/a%20b/%C3%A9", vec!["a b", "é"]),
            (
                "/$everything/x.y",
                "/$everything/x.y",
                vec!["$everything", "x.y"],
            ),
            ("/a/...", "/a/...", vec!["a", "..."]),
            ("/a?b=1;c=2", "/a?b=1%3Bc=2", vec!["a"]),
            ("/a?&b&&c=d&", "/a?b&c=d", vec!["a"]),
            ("/a?q=x+y%2Bz", "/a?q=x+y%2Bz", vec!["a"]),
            (
                "/a?d=ge2020-01-01T00:00",
                "/a?d=ge2020-01-01T00:00",
                vec!["a"],
            ),
            ("/a?u=%2f%2e%2E", "/a?u=%2F..", vec!["a"]),
        ] {
            let target = parse(target).unwrap_or_else(|why| panic!("{target}: {why:?}"));
            assert_eq!(target.written(""), sent);
            assert_eq!(target.segments().collect::<Vec<_>>(), meant);
            // Written is a fixed point: whoever reads it again reads the same.
            assert!(parse(&target.written("")).unwrap() == target, "{sent}");
        }
        let target = parse("/a?q=x+y%2Bz&&k").unwrap();
        assert_eq!(
            target.query().collect::<Vec<_>>(),
            [("q", "x y+z"), ("k", "")]
        );
    }

    #[test]
    fn a_prefix_is_taken_off_by_whole_segments() {
        let target = parse("/fhir/r4/Patient?x=1").unwrap();
        assert_eq!(
            target.without("/fhir/r4").unwrap().written("/base"),
            "/base/Patient?x=1"
        );
        assert!(target.without("/fhi").is_none());
        assert!(target.without("/fhir/r4/Patient/7").is_none());
        assert_eq!(
            parse("/fhir")
                .unwrap()
                .without("/fhir")
                .unwrap()
                .written(""),
            "/"
        );
        assert_eq!(
            parse("/fhir")
                .unwrap()
                .without("/fhir")
                .unwrap()
                .written("/b"),
            "/b"
        );
    }

    #[test]
    fn records_show_words_and_no_identifiers() {
        for (target, shown) in [
            ("/Patient/7", "/Patient/{id}"),
            ("/Patient/smith/_history", "/Patient/{id}/_history"),
            ("/Patient/$match", "/Patient/$match"),
            ("/v2/patients/MRN-10334455", "/v2/patients/{id}"),
            ("/people/ann@example.org", "/people/{id}"),
            (
                "/a/123-45-6789?name=Smith&_count=10",
                "/a/{id}?name=?&_count=?",
            ),
            ("/a?Ann%20Smith=1&123-45-6789", "/a??=?&?=?"),
            ("/", "/"),
        ] {
            assert_eq!(parse(target).unwrap().shown(), shown);
        }
    }
}
