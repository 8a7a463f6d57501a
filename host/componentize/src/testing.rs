//! Builds small plugins in WebAssembly text, honest and hostile, without any toolchain: for the tests of the
//! sandbox and of the gateway. Panics on a text that is none; never part of what is shipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

pub use wit_component::StringEncoding;
use wit_component::{ComponentEncoder, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

/// Makes a component of a core module in text form, for a world of the contract.
pub fn component(wat: &str, world: &str) -> Vec<u8> {
    encoded(wat, world, StringEncoding::UTF8)
}

/// WebAssembly text, module or component, in bytes.
pub fn parsed(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).expect("the text is WebAssembly")
}

/// The same with another encoding of strings.
pub fn encoded(wat: &str, world: &str, encoding: StringEncoding) -> Vec<u8> {
    let mut core = parsed(wat);
    let mut resolve = Resolve::default();
    let contract = contract().parse().map_err(|(_, error)| error);
    let package = resolve
        .push_group(contract.expect("the contract parses"))
        .expect("the contract resolves");
    let world = resolve
        .select_world(&[package], Some(world))
        .expect("the world is there");
    embed_component_metadata(&mut core, &resolve, world, encoding).unwrap();
    ComponentEncoder::default()
        .module(&core)
        .unwrap()
        .validate(true)
        .encode()
        .expect("the module fits its world")
}

/// The contract, as it was when this was compiled: the folder may be gone by now.
fn contract() -> SourceMap {
    let mut contract = SourceMap::new();
    macro_rules! files {
        ($($name:literal),*) => {
            $(contract.push_str($name, include_str!(concat!("../../../wit/", $name)));)*
        };
    }
    files!(
        "approval.wit",
        "detector.wit",
        "guard.wit",
        "host.wit",
        "lifecycle.wit",
        "transformer.wit",
        "types.wit",
        "worlds.wit"
    );
    contract
}

/// A guest under construction: a module's text with its data laid out.
pub struct Guest {
    world: &'static str,
    data: Vec<u8>,
    imports: String,
    functions: String,
    emits: Vec<&'static str>,
    codes: Vec<(&'static str, &'static str)>,
    unit: u8,
    max_span: u32,
}

/// Where data starts; below it a trap on null pointers is as good as any.
const DATA: u32 = 1024;

impl Guest {
    /// In the world of this name.
    pub fn new(world: &'static str) -> Self {
        Self {
            world,
            data: Vec::new(),
            imports: String::new(),
            functions: String::new(),
            emits: vec!["phi.ssn", "phi.mrn"],
            codes: vec![("test.code", "Table {table}.")],
            unit: 0,
            max_span: 64,
        }
    }

    /// 0: UTF-8 bytes, 1: UTF-16 units, 2: code points.
    pub fn unit(mut self, unit: u8) -> Self {
        self.unit = unit;
        self
    }

    /// The longest span it says it reports.
    pub fn max_span(mut self, max_span: u32) -> Self {
        self.max_span = max_span;
        self
    }

    /// Adds an import, as text.
    pub fn import(mut self, text: &str) -> Self {
        self.imports.push_str(text);
        self
    }

    /// Adds bytes at an alignment of 8 and returns their address.
    pub fn put(&mut self, bytes: &[u8]) -> u32 {
        while !self.data.len().is_multiple_of(8) {
            self.data.push(0);
        }
        let at = DATA + self.data.len() as u32;
        self.data.extend_from_slice(bytes);
        at
    }

    /// Adds a string and returns its (pointer, length) as bytes.
    pub fn string(&mut self, text: &str) -> [u8; 8] {
        let at = self.put(text.as_bytes());
        list(at, text.len())
    }

    /// Adds a function of an interface: its parameters and results, and its body.
    pub fn function(mut self, interface: &str, name: &str, signature: &str, body: &str) -> Self {
        let export = format!("almoner:plugin/{interface}@0.1.0#{name}");
        self.functions.push_str(&format!(
            "(func (export \"{export}\") {signature} {body})\n"
        ));
        self
    }

    /// A function that returns what lies at an address.
    pub fn returns(self, interface: &str, name: &str, params: &str, at: u32) -> Self {
        self.function(
            interface,
            name,
            &format!("{params} (result i32)"),
            &format!("(i32.const {at})"),
        )
    }

    /// The component.
    pub fn build(mut self) -> Vec<u8> {
        let world = self.world;
        let manifest = self.manifest();
        let schema = self.string("{}");
        let schema = self.put(&schema);
        let ok = self.put(&[0; 16]);
        let mut this = self.returns("lifecycle", "describe", "", manifest).returns(
            "lifecycle",
            "settings-schema",
            "",
            schema,
        );
        if !this.functions.contains("#configure") {
            this = this.returns("lifecycle", "configure", "(param i32 i32)", ok);
        }
        component(&this.wat(), world)
    }

    fn manifest(&mut self) -> u32 {
        let name = self.string("test");
        let version = self.string("1.0.0");
        let description = self.string("");
        let emits: Vec<[u8; 8]> = self
            .emits
            .clone()
            .into_iter()
            .map(|kind| self.string(kind))
            .collect();
        let emits = list(self.put(&emits.concat()), emits.len());
        let codes = self.codes.clone();
        let messages: Vec<u8> = codes
            .iter()
            .flat_map(|(code, text)| [self.string(code), self.string(text)])
            .flatten()
            .collect();
        let messages = list(self.put(&messages), codes.len());
        let tail = [[self.unit, 0, 0, 0], self.max_span.to_le_bytes()].concat();
        let manifest = [&name[..], &version, &description, &emits, &messages, &tail].concat();
        self.put(&manifest)
    }

    fn wat(&self) -> String {
        let data: String = self
            .data
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        let free = (DATA + self.data.len() as u32).next_multiple_of(4096);
        let pages = free / 65536 + 4;
        format!(
            r#"(module {imports}
              (memory (export "memory") {pages})
              (data (i32.const {DATA}) "{data}")
              (global $free (mut i32) (i32.const {free}))
              (global $count (mut i32) (i32.const 0))
              (func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and
                  (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1)))
                  (i32.sub (i32.const 0) (local.get 2))))
                (global.set $free (i32.add (local.get $at) (local.get 3)))
                (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
                  (then (if (i32.eq (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get 3) (i32.const 16)))) (i32.const -1))
                    (then (unreachable)))))
                (local.get $at))
              {functions})"#,
            imports = self.imports,
            functions = self.functions,
        )
    }
}

/// A (pointer, length) pair.
pub fn list(at: u32, length: usize) -> [u8; 8] {
    let mut pair = [0; 8];
    pair[..4].copy_from_slice(&at.to_le_bytes());
    pair[4..].copy_from_slice(&(length as u32).to_le_bytes());
    pair
}

/// A guard whose `inspect` has this body; it gets a pointer and returns one.
pub fn guard(body: &str) -> Vec<u8> {
    Guest::new("guard-plugin")
        .function("guard", "inspect", "(param i32) (result i32)", body)
        .build()
}

/// A guard that denies with this code and these args.
pub fn denying_guard(code: &str, args: &[(&str, &str)]) -> Vec<u8> {
    let mut guest = Guest::new("guard-plugin");
    let code = guest.string(code);
    let pairs: Vec<u8> = args
        .iter()
        .flat_map(|(key, value)| [guest.string(key), guest.string(value)])
        .flatten()
        .collect();
    let args = list(guest.put(&pairs), args.len());
    // result: 0 = ok; verdict at 8: 1 = deny; its reason at 16.
    let head = [[0; 8], [1, 0, 0, 0, 0, 0, 0, 0]].concat();
    let answer = guest.put(&[&head[..], &code, &args, &[0; 32]].concat());
    guest
        .returns("guard", "inspect", "(param i32)", answer)
        .build()
}

/// A pattern of a detector's declaration.
pub struct Pattern {
    /// What it matches.
    pub regex: &'static str,
    /// Index of what it finds.
    pub kind: u32,
    /// 0: finding, 1: candidate.
    pub role: u8,
    /// Of a match by itself.
    pub confidence: u8,
    /// Words that, near a match, make it surer.
    pub context: &'static [&'static str],
    /// Of a match near one of them.
    pub with_context: u8,
}

impl Pattern {
    /// One whose matches are findings.
    pub fn finding(regex: &'static str) -> Self {
        Self {
            regex,
            kind: 0,
            role: 0,
            confidence: 50,
            context: &[],
            with_context: 50,
        }
    }
}

/// A raw finding: cell, start, end, kind, confidence.
pub type Finding = (u32, u32, u32, u32, u8);

/// A detector that declares these patterns with this appetite (0: every cell, 1: cells with hits, 2: none),
/// classifies nothing and answers every batch with these findings. `before` runs first on every call.
pub fn detector(
    guest: Guest,
    patterns: &[Pattern],
    appetite: u8,
    findings: &[Finding],
    before: &str,
) -> Vec<u8> {
    let mut guest = guest;
    let declared: Vec<u8> = patterns
        .iter()
        .flat_map(|pattern| pattern_bytes(&mut guest, pattern))
        .collect();
    let declared = list(guest.put(&declared), patterns.len());
    let declaration = guest.put(&[&declared[..], &[appetite, 0, 0, 0]].concat());
    let found: Vec<u8> = findings.iter().flat_map(finding_bytes).collect();
    let found = list(guest.put(&found), findings.len());
    let answer = guest.put(&[&[0; 4][..], &found, &[0; 8]].concat());
    let nothing = guest.put(&[0; 24]);
    guest
        .returns("detector", "declare", "", declaration)
        .returns(
            "detector",
            "classify",
            "(param i32 i32 i32 i32 i32 i32)",
            nothing,
        )
        .function(
            "detector",
            "detect",
            "(param i32) (result i32)",
            &format!("{before} (i32.const {answer})"),
        )
        .build()
}

fn pattern_bytes(guest: &mut Guest, pattern: &Pattern) -> Vec<u8> {
    let regex = guest.string(pattern.regex);
    let words: Vec<u8> = pattern
        .context
        .iter()
        .flat_map(|word| guest.string(word))
        .collect();
    let words = list(guest.put(&words), pattern.context.len());
    let kind = pattern.kind.to_le_bytes();
    // regex 0, kind 8, role 12, confidence 13, context-words 16, with-context 24: 28 in all.
    let middle = [pattern.role, pattern.confidence, 0, 0];
    [
        &regex[..],
        &kind,
        &middle,
        &words,
        &[pattern.with_context, 0, 0, 0],
    ]
    .concat()
}

fn finding_bytes(&(cell, start, end, kind, confidence): &Finding) -> Vec<u8> {
    let numbers = [cell, start, end, kind].map(u32::to_le_bytes).concat();
    [&numbers[..], &[confidence, 0, 0, 0]].concat()
}
