//! Where values stand in a document: paths, with array items of one array as one, and for each what is
//! known of it. Tags of the policy come first, then what FHIR says; the rest is left to the detectors.

use std::collections::HashMap;
use std::sync::Arc;

use almoner_sandbox::Field;

use super::fhir::{self, Element};
use crate::config::policy::{FieldTag, Treatment};
use crate::policy::{ColumnFacts, Provenance};

/// Paths told apart in one reply. A document with more uses data as names; what stands below the further
/// ones counts as unproven.
const NODES_MAX: usize = 10_000;

/// Tokens of one reply (names, values, brackets), those of documents within its strings and of further lines
/// included: each costs memory.
const TOKENS_MAX: usize = 1_000_000;

/// What stands at a node, as far as its masking differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sort {
    /// A string outside of FHIR.
    Text,
    /// A number or truth value outside of FHIR.
    Scalar,
    /// An element of a FHIR resource.
    Element(Element),
    /// An element of a FHIR resource that is no string.
    ScalarElement(Element),
    /// Inside an extension that is not known.
    Closed,
}

/// All paths of one reply.
pub(super) struct Columns<'a> {
    resource: &'a str,
    media: &'a str,
    tags: &'a [FieldTag],
    nodes: Vec<Node>,
    roots: HashMap<Box<str>, usize>,
    facts: Vec<ColumnFacts>,
    known: HashMap<(usize, Sort), usize>,
    /// `None`: it has had more than it may.
    tokens_left: Option<usize>,
}

/// A place in documents.
struct Node {
    path: String,
    name: String,
    /// Path of what is around it.
    container: String,
    /// Name of what is around it.
    around: String,
    zone: Zone,
    /// Index of the tag that this node or one above it has.
    tag: Option<usize>,
    members: HashMap<Box<str>, usize>,
    items: [Option<usize>; 2],
}

/// Whose rules apply.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Zone {
    Plain,
    Fhir(Arc<str>),
    Closed,
}

/// The node of everything beyond the bound.
const OVERFLOW: usize = 0;

impl<'a> Columns<'a> {
    pub(super) fn new(resource: &'a str, media: &'a str, tags: &'a [FieldTag]) -> Self {
        let mut columns = Self {
            resource,
            media,
            tags,
            nodes: Vec::new(),
            roots: HashMap::new(),
            facts: Vec::new(),
            known: HashMap::new(),
            tokens_left: Some(TOKENS_MAX),
        };
        columns.nodes.push(Node::root("", Zone::Closed));
        columns
    }

    /// Takes so many tokens from what one reply may have. `false`: it may not, nor any more.
    pub(super) fn spend(&mut self, tokens: usize) -> bool {
        self.tokens_left = self.tokens_left.and_then(|left| left.checked_sub(tokens));
        self.tokens_left.is_some()
    }

    /// What is known of each column, in the order of their indices.
    pub(super) fn into_facts(self) -> Vec<ColumnFacts> {
        self.facts
    }

    /// The top of a document, or of a FHIR resource of this type.
    pub(super) fn root(&mut self, resource_type: Option<&str>) -> usize {
        let key = resource_type.unwrap_or_default();
        if let Some(node) = self.roots.get(key) {
            return *node;
        }
        let zone = resource_type.map_or(Zone::Plain, |name| Zone::Fhir(name.into()));
        let node = self.add(Node::root(key, zone));
        self.roots.insert(key.into(), node);
        node
    }

    /// What an object calls `name`.
    pub(super) fn member(&mut self, of: usize, name: &str) -> usize {
        if of == OVERFLOW {
            return OVERFLOW;
        }
        let Some(parent) = self.nodes.get(of) else {
            return OVERFLOW;
        };
        if let Some(node) = parent.members.get(name) {
            return *node;
        }
        let path = if parent.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", parent.path)
        };
        let node = Node {
            container: parent.path.clone(),
            around: parent.name.clone(),
            name: name.to_owned(),
            zone: parent.zone.clone(),
            tag: parent.tag,
            path,
            members: HashMap::new(),
            items: [None; 2],
        };
        let node = self.add(node);
        if let Some(parent) = self.nodes.get_mut(of) {
            parent.members.insert(name.into(), node);
        }
        node
    }

    /// The items of an array. `closed`: they are extensions nobody knows.
    pub(super) fn item(&mut self, of: usize, closed: bool) -> usize {
        if of == OVERFLOW {
            return OVERFLOW;
        }
        let Some(parent) = self.nodes.get(of) else {
            return OVERFLOW;
        };
        if let Some(node) = parent.items.get(usize::from(closed)).copied().flatten() {
            return node;
        }
        let node = Node {
            path: format!("{}[]", parent.path),
            name: parent.name.clone(),
            container: parent.container.clone(),
            around: parent.around.clone(),
            zone: if closed {
                Zone::Closed
            } else {
                parent.zone.clone()
            },
            tag: parent.tag,
            members: HashMap::new(),
            items: [None; 2],
        };
        let node = self.add(node);
        if let Some(slot) = self
            .nodes
            .get_mut(of)
            .and_then(|parent| parent.items.get_mut(usize::from(closed)))
        {
            *slot = Some(node);
        }
        node
    }

    /// What a node is called by what is around it.
    pub(super) fn name(&self, node: usize) -> &str {
        self.nodes.get(node).map_or("", |node| node.name.as_str())
    }

    /// Whether an object here is a FHIR extension, which is judged by its `url`.
    pub(super) fn holds_extensions(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| {
            matches!(node.zone, Zone::Fhir(_))
                && matches!(node.name.as_str(), "extension" | "modifierExtension")
        })
    }

    /// Whether a FHIR resource may begin here: anywhere but in what is closed, or tagged as a whole.
    pub(super) fn may_hold_resource(&self, node: usize) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.zone != Zone::Closed && node.tag.is_none())
    }

    /// Whether cells of a column stay as they are, whatever the policy says of kinds.
    pub(super) fn is_kept(&self, column: usize) -> bool {
        self.facts
            .get(column)
            .is_some_and(|facts| facts.provenance == Provenance::Harmless && !facts.text)
    }

    /// Whether something around the node is an extension whose values are known to be harmless.
    pub(super) fn within_extension(&self, node: usize) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.path.contains("xtension[]."))
    }

    /// What a string at a node is.
    pub(super) fn sort_of_text(&self, node: usize, value: &str) -> Sort {
        match self.nodes.get(node) {
            Some(Node {
                zone: Zone::Plain, ..
            }) => Sort::Text,
            Some(Node {
                zone: Zone::Fhir(resource),
                around,
                name,
                ..
            }) => Sort::Element(fhir::text(resource, around, name, value)),
            // The name of the extension itself says what is withheld.
            Some(node) if node.name == "url" && node.around.ends_with("xtension") => {
                Sort::Element(fhir::text("", "extension", "url", value))
            }
            _ => Sort::Closed,
        }
    }

    /// What a number or truth value at a node is.
    pub(super) fn sort_of_scalar(&self, node: usize) -> Sort {
        match self.nodes.get(node) {
            Some(Node {
                zone: Zone::Plain, ..
            }) => Sort::Scalar,
            Some(Node {
                zone: Zone::Fhir(resource),
                around,
                name,
                ..
            }) => Sort::ScalarElement(fhir::scalar(resource, around, name)),
            _ => Sort::Closed,
        }
    }

    /// The column of such values at a node.
    pub(super) fn column(&mut self, node: usize, sort: Sort) -> usize {
        if let Some(column) = self.known.get(&(node, sort)) {
            return *column;
        }
        let facts = self.facts_of(node, sort);
        self.facts.push(facts);
        let column = self.facts.len() - 1;
        self.known.insert((node, sort), column);
        column
    }

    /// The column of text that stands in no field: names in objects, headers, plain text.
    pub(super) fn loose(&mut self, path: &str) -> usize {
        let field = Field {
            container: String::new(),
            path: path.to_owned(),
            declared_type: "text".to_owned(),
            media_type: self.media.to_owned(),
        };
        self.facts.push(ColumnFacts {
            field,
            provenance: Provenance::Harmless,
            text: true,
            binary: false,
            kind_of_type: None,
        });
        self.facts.len() - 1
    }

    fn facts_of(&self, node: usize, sort: Sort) -> ColumnFacts {
        let text = matches!(sort, Sort::Text | Sort::Element(Element::Free));
        let (container, path, tag) = match self.nodes.get(node) {
            Some(node) => (
                node.container.clone(),
                field_path(node),
                node.tag.and_then(|tag| self.tags.get(tag)),
            ),
            None => (String::new(), String::new(), None),
        };
        let provenance = match tag {
            Some(tag) => Provenance::Tagged {
                kind: tag.kind.as_str().into(),
                treatment: tag.treatment,
            },
            None => provenance(sort),
        };
        ColumnFacts {
            field: Field {
                container,
                path,
                declared_type: if text { "string" } else { "" }.to_owned(),
                media_type: self.media.to_owned(),
            },
            provenance,
            text,
            binary: false,
            kind_of_type: None,
        }
    }

    fn add(&mut self, mut node: Node) -> usize {
        if self.nodes.len() >= NODES_MAX {
            return OVERFLOW;
        }
        let own = self
            .tags
            .iter()
            .position(|tag| tag.fits(self.resource, &node.path, &node.name));
        // A tag of what is around counts for all that is in it.
        node.tag = own.or(node.tag);
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}

impl Node {
    fn root(path: &str, zone: Zone) -> Self {
        Self {
            path: path.to_owned(),
            name: String::new(),
            container: path.to_owned(),
            around: String::new(),
            zone,
            tag: None,
            members: HashMap::new(),
            items: [None; 2],
        }
    }
}

/// Two names tell detectors what one often does not: `address.line`.
fn field_path(node: &Node) -> String {
    if node.around.is_empty() {
        node.name.clone()
    } else {
        format!("{}.{}", node.around, node.name)
    }
}

fn provenance(sort: Sort) -> Provenance {
    let tagged = |kind: &'static str, treatment: Option<Treatment>| Provenance::Tagged {
        kind: kind.into(),
        treatment,
    };
    match sort {
        Sort::Text | Sort::Scalar => Provenance::Proven,
        Sort::Closed => Provenance::Unproven,
        Sort::Element(element) | Sort::ScalarElement(element) => match element {
            Element::Clinical => Provenance::Harmless,
            Element::Free => Provenance::Proven,
            Element::Kind(kind) => tagged(kind, None),
            Element::Date | Element::Instant => tagged("phi.date", None),
            Element::Narrative => tagged("phi.narrative", None),
            Element::Binary => tagged("phi.binary", None),
        },
    }
}
