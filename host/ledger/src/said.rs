//! What a field of a record can hold, and how it writes itself: straight into its canonical form.
//!
//! A [`Value`] can say everything, at the price of a tree of allocations that lives for as long as it takes to
//! write it out. What is recorded of every exchange is said without one. Nothing here decides what is said.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::canonical::{self, CanonicalError, DEPTH_MAX};

/// Something that has a canonical form.
pub trait Said {
    /// Appends that form to `out`, where it lies `depth` levels deep.
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError>;
}

impl Said for Value {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        canonical::write(self, depth, out)
    }
}

impl Said for Map<String, Value> {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        canonical::write_object(self, depth, out)
    }
}

impl Said for str {
    fn say(&self, _: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        canonical::write_string(self, out);
        Ok(())
    }
}

impl Said for String {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        self.as_str().say(depth, out)
    }
}

impl Said for bool {
    fn say(&self, _: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
        Ok(())
    }
}

impl Said for u64 {
    fn say(&self, _: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        canonical::write_u64(*self, out)
    }
}

impl Said for u32 {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        u64::from(*self).say(depth, out)
    }
}

impl Said for i32 {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        if *self < 0 {
            out.push(b'-');
        }
        self.unsigned_abs().say(depth, out)
    }
}

impl<T: Said> Said for [T] {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        list(self, depth, out)
    }
}

impl<T: Said> Said for Vec<T> {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        list(self, depth, out)
    }
}

impl<T: Said + ?Sized> Said for &T {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        (**self).say(depth, out)
    }
}

impl<T: Said + ?Sized> Said for Arc<T> {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        (**self).say(depth, out)
    }
}

/// What is absent is null.
impl<T: Said> Said for Option<T> {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        match self {
            Some(value) => value.say(depth, out),
            None => Value::Null.say(depth, out),
        }
    }
}

/// Appends an array.
pub fn list<T: Said>(
    items: impl IntoIterator<Item = T>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), CanonicalError> {
    if depth >= DEPTH_MAX {
        return Err(CanonicalError::Depth);
    }
    out.push(b'[');
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        item.say(depth + 1, out)?;
    }
    out.push(b']');
    Ok(())
}

/// An object that is written member by member, in canonical order or not at all.
#[must_use = "an object ends with `close`"]
pub struct Members<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    last: &'o str,
}

impl<'o> Members<'o> {
    /// Opens an object that lies `depth` levels deep.
    pub fn open(depth: usize, out: &'o mut Vec<u8>) -> Result<Self, CanonicalError> {
        if depth >= DEPTH_MAX {
            return Err(CanonicalError::Depth);
        }
        out.push(b'{');
        Ok(Self {
            out,
            depth,
            last: "",
        })
    }

    /// One more member, whose key sorts behind the one before.
    pub fn with(mut self, key: &'o str, value: impl Said) -> Result<Self, CanonicalError> {
        if key <= self.last {
            return Err(CanonicalError::Order);
        }
        if !self.last.is_empty() {
            self.out.push(b',');
        }
        self.last = key;
        canonical::write_key(key, self.out)?;
        value.say(self.depth + 1, self.out)?;
        Ok(self)
    }

    /// The same, if there is something to say.
    pub fn maybe(self, key: &'o str, value: Option<impl Said>) -> Result<Self, CanonicalError> {
        match value {
            Some(value) => self.with(key, value),
            None => Ok(self),
        }
    }

    /// Ends the object.
    pub fn close(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;
    use serde_json::json;

    fn said(what: impl Said) -> String {
        let mut out = Vec::new();
        what.say(1, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_says_itself_is_written_as_the_same_value_is() {
        assert_eq!(said("a\"\n"), said(json!("a\"\n")));
        assert_eq!(said(vec!["a", "b"]), said(json!(["a", "b"])));
        assert_eq!(said(-3), said(json!(-3)));
        assert_eq!(said(i32::MIN), said(json!(i32::MIN)));
        assert_eq!(said(7_u64), said(json!(7)));
        assert_eq!(said(true), said(json!(true)));
        assert_eq!(said(None::<&str>), said(Value::Null));
        let mut out = Vec::new();
        let members = Members::open(1, &mut out).unwrap();
        let members = members.with("a", 1).unwrap();
        let members = members.maybe("b", None::<u64>).unwrap();
        members.with("c", ["x"].as_slice()).unwrap().close();
        assert_eq!(out, said(json!({"a": 1, "c": ["x"]})).into_bytes());
    }

    #[test]
    fn members_out_of_order_or_twice_are_refused() {
        for keys in [["b", "a"], ["a", "a"]] {
            let mut out = Vec::new();
            let members = Members::open(1, &mut out).unwrap();
            let members = members.with(keys[0], 1).unwrap();
            assert_eq!(
                members.with(keys[1], 1).map(Members::close),
                Err(CanonicalError::Order)
            );
        }
    }

    #[test]
    fn lists_and_objects_nest_no_deeper_than_values_do() {
        let mut out = Vec::new();
        assert_eq!(list([1], DEPTH_MAX, &mut out), Err(CanonicalError::Depth));
        assert!(Members::open(DEPTH_MAX, &mut out).is_err());
    }
}
