//! A typed view of the facts that the gateway read of an HTTP request.
//!
//! Unknown fields are skipped: a plugin outlives additions. A field that is *missing* is an error, because a
//! guard must not take silence for innocence.

use serde::{Deserialize, Serialize};

use crate::Operation;

/// The schema this view is of.
pub const SCHEMA: &str = "almoner.http-facts/1";

/// Why an operation has no HTTP facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHttp {
    /// The facts are of another schema: not HTTP, or a version this SDK does not know.
    OtherSchema,
    /// The facts are not what the schema says.
    Malformed,
}

/// What the gateway read of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// The path's segments below the resource, unescaped.
    pub segments: Vec<String>,
    /// Keys of the query, in order, duplicates included.
    pub query_keys: Vec<String>,
    /// Names of the headers that are sent on, lower case.
    pub headers: Vec<String>,
    /// Media type of the body, lower case; `None` without one.
    pub content_type: Option<String>,
    /// Size of the body.
    pub body_bytes: u64,
    /// Whether the method promises to change nothing.
    pub read_only: bool,
}

/// The facts about one request.
///
/// # Errors
/// [`NotHttp`]; a guard that was made for HTTP denies then.
pub fn request(op: &Operation) -> Result<Request, NotHttp> {
    if op.facts_schema != SCHEMA {
        return Err(NotHttp::OtherSchema);
    }
    serde_json::from_str(&op.facts).map_err(|_| NotHttp::Malformed)
}

/// All values of a key of the query.
pub fn query_values<'a>(op: &'a Operation, key: &'a str) -> impl Iterator<Item = &'a str> {
    op.parameters
        .iter()
        .filter(move |pair| pair.key.strip_prefix("query:") == Some(key))
        .map(|pair| pair.value.as_str())
}

/// Whether a path fits a template: `{name}` is one segment, `*` any run of characters of one, `**` at the end
/// all that follows. Case counts.
///
/// ```
/// use almoner_plugin_sdk::http::path_fits;
/// let path = ["Patient".to_owned(), "7".to_owned(), "_history".to_owned()];
/// assert!(path_fits("/Patient/{id}/_history", &path));
/// assert!(path_fits("/Pat*/**", &path));
/// assert!(!path_fits("/Patient/{id}", &path));
/// ```
pub fn path_fits(template: &str, segments: &[String]) -> bool {
    let mut rest = segments.iter();
    let trimmed = template.trim_start_matches('/');
    let patterns: Vec<&str> = if trimmed.is_empty() {
        Vec::new()
    } else {
        trimmed.split('/').collect()
    };
    for (index, pattern) in patterns.iter().enumerate() {
        if *pattern == "**" && index + 1 == patterns.len() {
            return true;
        }
        match rest.next() {
            Some(segment) if segment_fits(pattern, segment) => {}
            _ => return false,
        }
    }
    rest.next().is_none()
}

fn segment_fits(pattern: &str, segment: &str) -> bool {
    if pattern.starts_with('{') && pattern.ends_with('}') {
        return true;
    }
    glob(pattern.as_bytes(), segment.as_bytes())
}

/// `*` stands for any run; linear but for the last star.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(byte) if text.get(t) == Some(byte) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

/// Whether a name fits a pattern with `*`.
pub fn name_fits(pattern: &str, name: &str) -> bool {
    glob(pattern.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_fit_whole_paths() {
        let path = |text: &str| -> Vec<String> {
            text.split('/')
                .skip(1)
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect()
        };
        for (template, of, fits) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/a/**", "/a", true),
            ("/a/**", "/ab", false),
            ("/a/{id}", "/a/1", true),
            ("/a/{id}", "/a", false),
            ("/a/*", "/a/x", true),
            ("/a/$*", "/a/$match", true),
            ("/a/$*", "/a/7", false),
            ("/A", "/a", false),
            ("/**/b", "/x/b", true),
            ("/**/b", "/x/y/b", false),
        ] {
            assert_eq!(path_fits(template, &path(of)), fits, "{template} {of}");
        }
    }

    #[test]
    fn facts_of_another_schema_are_none() {
        let op = Operation::default();
        assert_eq!(request(&op), Err(NotHttp::OtherSchema));
        let op = Operation {
            facts_schema: SCHEMA.into(),
            facts: "{\"method\": \"GET\"}".into(),
            ..Operation::default()
        };
        assert_eq!(request(&op), Err(NotHttp::Malformed));
    }
}
