//! Makes a [`Tree`] of anything the parser answers, through the `Serialize` its types derive.
//!
//! Nothing is interpreted here. A sort of value the parser's types do not use is an error, not a gap.

use serde::ser::{Impossible, SerializeSeq, SerializeStruct, Serializer};
use serde::{Serialize, ser};

use super::{Tree, Value};
use crate::{DEPTH_MAX, Unparseable};

/// The tree of `message`.
pub(crate) fn build<T: Serialize>(message: &T) -> Result<Tree, Unparseable> {
    let mut builder = Builder { depth: 0 };
    match message.serialize(&mut builder) {
        Ok(Value::Node(tree)) => Ok(tree),
        Ok(_) => Err(Unparseable::Inconsistent),
        Err(Stop(reason)) => Err(reason),
    }
}

struct Builder {
    depth: usize,
}

#[derive(Debug)]
struct Stop(Unparseable);

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Stop(Unparseable::Inconsistent)
    }
}

fn foreign<T>() -> Result<T, Stop> {
    Err(Stop(Unparseable::Inconsistent))
}

struct Items<'a> {
    builder: &'a mut Builder,
    items: Vec<Value>,
}

impl SerializeSeq for Items<'_> {
    type Ok = Value;
    type Error = Stop;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Stop> {
        self.items.push(item.serialize(&mut *self.builder)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Stop> {
        Ok(Value::List(self.items))
    }
}

struct Fields<'a> {
    builder: &'a mut Builder,
    tree: Tree,
}

impl SerializeStruct for Fields<'_> {
    type Ok = Value;
    type Error = Stop;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        field: &T,
    ) -> Result<(), Stop> {
        let value = field.serialize(&mut *self.builder)?;
        if !value.is_default() {
            self.tree.fields.push((key, value));
        }
        Ok(())
    }

    fn end(mut self) -> Result<Value, Stop> {
        self.builder.depth -= 1;
        // `Node` is the wire format's wrapper around "any node": the node itself takes its place.
        if self.tree.kind == "Node" {
            return Ok(self
                .tree
                .fields
                .pop()
                .map_or(Value::Nothing, |(_, node)| node));
        }
        Ok(Value::Node(self.tree))
    }
}

impl<'a> Serializer for &'a mut Builder {
    type Ok = Value;
    type Error = Stop;
    type SerializeSeq = Items<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeTuple = Impossible<Value, Stop>;
    type SerializeTupleStruct = Impossible<Value, Stop>;
    type SerializeTupleVariant = Impossible<Value, Stop>;
    type SerializeMap = Impossible<Value, Stop>;
    type SerializeStructVariant = Impossible<Value, Stop>;

    fn serialize_bool(self, value: bool) -> Result<Value, Stop> {
        Ok(Value::Bool(value))
    }
    fn serialize_i8(self, value: i8) -> Result<Value, Stop> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_i16(self, value: i16) -> Result<Value, Stop> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_i32(self, value: i32) -> Result<Value, Stop> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_i64(self, value: i64) -> Result<Value, Stop> {
        Ok(Value::Int(value))
    }
    fn serialize_u8(self, value: u8) -> Result<Value, Stop> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u16(self, value: u16) -> Result<Value, Stop> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u32(self, value: u32) -> Result<Value, Stop> {
        Ok(Value::Int(value.into()))
    }
    fn serialize_u64(self, value: u64) -> Result<Value, Stop> {
        Ok(Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))
    }
    // Planner estimates are the only floats; a statement text has none.
    fn serialize_f32(self, _: f32) -> Result<Value, Stop> {
        Ok(Value::Nothing)
    }
    fn serialize_f64(self, _: f64) -> Result<Value, Stop> {
        Ok(Value::Nothing)
    }
    fn serialize_char(self, value: char) -> Result<Value, Stop> {
        Ok(Value::Text(value.to_string()))
    }
    fn serialize_str(self, value: &str) -> Result<Value, Stop> {
        Ok(Value::Text(value.to_owned()))
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<Value, Stop> {
        foreign()
    }
    fn serialize_none(self) -> Result<Value, Stop> {
        Ok(Value::Nothing)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Stop> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value, Stop> {
        Ok(Value::Nothing)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Stop> {
        foreign()
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<Value, Stop> {
        foreign()
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Stop> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Stop> {
        value.serialize(self)
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Items<'a>, Stop> {
        let items = Vec::with_capacity(len.unwrap_or_default());
        Ok(Items {
            builder: self,
            items,
        })
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Stop> {
        foreign()
    }
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Stop> {
        foreign()
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Stop> {
        foreign()
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Stop> {
        foreign()
    }
    fn serialize_struct(self, kind: &'static str, _: usize) -> Result<Fields<'a>, Stop> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Stop(Unparseable::TooDeep));
        }
        let tree = Tree {
            kind,
            fields: Vec::new(),
        };
        Ok(Fields {
            builder: self,
            tree,
        })
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Stop> {
        foreign()
    }
}
