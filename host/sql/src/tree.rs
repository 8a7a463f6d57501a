//! The parser's answer as one uniform tree, so that nothing in a statement can be overlooked.
//!
//! The grammar has some 270 node types. Code that visits them by name forgets one, and a relation named there escapes
//! judgement. The tree is made by serde from all of them alike: a walk that goes through every field of every node sees
//! every name, also in node types a later grammar adds. Fields at their default (zero, empty, absent) are left out.

mod build;

pub(crate) use build::build;

/// One node: its type's name, and its fields by name.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) kind: &'static str,
    fields: Vec<(&'static str, Value)>,
}

/// Fields hold a statement's literals: only the type is shown.
impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tree({})", self.kind)
    }
}

/// A field's value.
pub(crate) enum Value {
    Nothing,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Node(Tree),
}

impl Tree {
    /// Every field that is not at its default, in the grammar's order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.fields.iter().map(|(key, value)| (*key, value))
    }

    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// The node in field `key`.
    pub(crate) fn node(&self, key: &str) -> Option<&Tree> {
        match self.value(key) {
            Some(Value::Node(node)) => Some(node),
            _ => None,
        }
    }

    /// The items of the list in field `key`; none when it is absent.
    pub(crate) fn list(&self, key: &str) -> &[Value] {
        match self.value(key) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// The nodes among the items of the list in field `key`.
    pub(crate) fn nodes(&self, key: &str) -> impl Iterator<Item = &Tree> {
        self.list(key).iter().filter_map(Value::as_node)
    }

    /// The text in field `key`; `None` when it is empty or absent.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number in field `key`; zero when it is absent, as the grammar has it.
    pub(crate) fn int(&self, key: &str) -> i64 {
        match self.value(key) {
            Some(Value::Int(number)) => *number,
            _ => 0,
        }
    }

    pub(crate) fn is(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Bool(true)))
    }

    /// The strings in the list in field `key`, as in a dotted name.
    pub(crate) fn words(&self, key: &str) -> Vec<&str> {
        self.nodes(key).filter_map(Tree::word).collect()
    }

    /// The text of a `String` node.
    pub(crate) fn word(&self) -> Option<&str> {
        (self.kind == "String").then(|| self.text("sval").unwrap_or_default())
    }

    /// The same construct, wherever it stands in the text.
    pub(crate) fn same(&self, other: &Tree) -> bool {
        let mut mine = self
            .fields
            .iter()
            .filter(|(key, _)| !key.ends_with("location"));
        let mut others = other
            .fields
            .iter()
            .filter(|(key, _)| !key.ends_with("location"));
        self.kind == other.kind
            && loop {
                match (mine.next(), others.next()) {
                    (None, None) => break true,
                    (Some((a, x)), Some((b, y))) if a == b && x.same(y) => {}
                    _ => break false,
                }
            }
    }
}

impl Value {
    pub(crate) fn as_node(&self) -> Option<&Tree> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }

    fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.same(y))
            }
            (Self::Node(a), Self::Node(b)) => a.same(b),
            _ => false,
        }
    }

    /// Whether the grammar would have had this anyway.
    fn is_default(&self) -> bool {
        match self {
            Self::Nothing | Self::Bool(false) | Self::Int(0) => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            _ => false,
        }
    }
}
