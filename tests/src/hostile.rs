//! Plugins that misbehave, once they see a word: until then they do their work, so that a session can be
//! shown to live on after each kind of failure.

use almoner_componentize::testing::{Guest, Pattern, detector, list};
use almoner_stage::User;

use crate::WorldPlan;
use crate::world::POLICIES;

/// What sets them off.
pub const TRIGGER: &str = "TRIGGER!";
/// What the hostile detectors find while they behave.
pub const SSN: &str = r"\b\d{3}-\d{2}-\d{4}\b";

/// Traps.
pub const TRAPS: &str = "(unreachable)";
/// Never ends.
pub const LOOPS: &str = "(loop $for-ever (br $for-ever))";
/// Takes memory until it gets none, and dies of it.
pub const EATS: &str =
    "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
/// Answers with an address outside of its memory.
pub const RAVES: &str = "(return (i32.const 0x7ffffff0))";

/// WebAssembly that looks for the trigger in everything the guest was given, and does `then` if it is there.
pub fn when_triggered(then: &str) -> String {
    let trigger = u64::from_le_bytes(*TRIGGER.as_bytes().first_chunk().unwrap_or(&[0; 8]));
    format!(
        "(local $at i32) (local.set $at (i32.const 1024))
         (block $done (loop $next
           (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (global.get $free)))
           (if (i64.eq (i64.load align=1 (local.get $at)) (i64.const {trigger})) (then {then}))
           (local.set $at (i32.add (local.get $at) (i32.const 1)))
           (br $next)))"
    )
}

/// A guard that allows everything until it is triggered.
pub fn guard(then: &str) -> Vec<u8> {
    answering("guard-plugin", "guard", "inspect", "(param i32)", then)
}

/// An approval plugin that asks for nothing until it is triggered.
pub fn approval(then: &str) -> Vec<u8> {
    answering("approval-plugin", "approval", "assess", "(param i32)", then)
}

/// A guard that, when triggered, denies with a code that its manifest does not declare.
pub fn guard_with_undeclared_code() -> Vec<u8> {
    let mut guest = Guest::new("guard-plugin");
    let code = guest.string("made.up");
    // ok, then deny at 8, its reason at 16: a code and no arguments.
    let head = [[0; 8], [1, 0, 0, 0, 0, 0, 0, 0]].concat();
    let answer = guest.put(&[&head[..], &code, &[0; 40]].concat());
    finish(
        guest,
        "guard",
        "inspect",
        "(param i32)",
        &format!("(return (i32.const {answer}))"),
    )
}

/// A guard that, when triggered, denies with a code of two mebibytes.
pub fn guard_with_endless_code() -> Vec<u8> {
    let mut guest = Guest::new("guard-plugin");
    let head = [[0; 8], [1, 0, 0, 0, 0, 0, 0, 0]].concat();
    let answer = guest.put(&[&head[..], &list(65536, 2 << 20), &[0; 40]].concat());
    let then = format!("(drop (memory.grow (i32.const 64))) (return (i32.const {answer}))");
    finish(guest, "guard", "inspect", "(param i32)", &then)
}

/// A detector that finds social security numbers by a native pattern, and looks at every cell itself.
pub fn searching(then: &str) -> Vec<u8> {
    let patterns = [Pattern::finding(SSN)];
    detector(
        Guest::new("detector-plugin"),
        &patterns,
        0,
        &[],
        &when_triggered(then),
    )
}

fn answering(
    world: &'static str,
    interface: &str,
    function: &str,
    params: &str,
    then: &str,
) -> Vec<u8> {
    finish(Guest::new(world), interface, function, params, then)
}

/// 64 zero bytes are `ok` with the first, emptiest answer there is.
fn finish(guest: Guest, interface: &str, function: &str, params: &str, then: &str) -> Vec<u8> {
    let body = format!("{} (i32.const 64)", when_triggered(then));
    guest
        .function(
            interface,
            function,
            &format!("{params} (result i32)"),
            &body,
        )
        .build()
}

/// What a rule uses a plugin as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Beside `sql-guard`.
    Guard,
    /// In place of `bulk-export`.
    Approval,
    /// In place of `phi`.
    Detector,
}

impl WorldPlan {
    /// The plan with a component in a file of the policy folder, a rule that uses it, and a login of the
    /// plugin's name for whom the rule is. Further keys of the plugin go into `keys`.
    #[must_use]
    pub fn plugin(mut self, name: &str, role: Role, wasm: &[u8], keys: &str) -> Self {
        let mut roles = [
            ("guards", "\"sql-guard\""),
            ("approvals", ""),
            ("detectors", "\"phi\""),
        ]
        .map(|(key, usual)| (key, usual.to_owned()));
        match role {
            Role::Guard => roles[0].1.push_str(&format!(", \"{name}\"")),
            Role::Approval => roles[1].1 = format!("\"{name}\""),
            Role::Detector => roles[2].1 = format!("\"{name}\""),
        }
        let roles: String = roles
            .iter()
            .map(|(key, plugins)| format!("{key} = [{plugins}]\n"))
            .collect();
        let text = format!(
            "{}\n[[rule]]\nname = \"{name}\"\nresources = [\"clinic\"]\ngroups = [\"{name}\"]\n{roles}\
             approval = {{ group = \"managers\", count = 2, ttl = \"1m\" }}\n",
            plugin_table(name, wasm, keys)
        );
        self.users.push(User::new(name, &[name]));
        self.file(&format!("{name}.wasm"), wasm)
            .policy(&format!("50-{name}.toml"), &text)
    }

    /// The plan with a file in the policy folder.
    #[must_use]
    pub fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.push((name.into(), bytes.into()));
        self
    }
}

/// The `[[plugin]]` of a component in the file of its name.
pub fn plugin_table(name: &str, wasm: &[u8], keys: &str) -> String {
    format!(
        "[[plugin]]\nname = \"{name}\"\nuse = \"file:{name}.wasm\"\nsha256 = \"{}\"\n{keys}\n",
        sha256(wasm)
    )
}

/// The demo's plugins with one more, which no rule uses.
pub fn plugins_with(name: &str, wasm: &[u8]) -> String {
    let [(_, plugins), ..] = POLICIES;
    format!("{plugins}\n{}", plugin_table(name, wasm, ""))
}

/// As a policy pins it.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
