//! The three host functions a plugin may call. None does I/O, none can block, each has a budget per call.
//!
//! Free text of a plugin is dropped here: a log event forwards its code, if the manifest declares it.

use std::collections::HashSet;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use wasmtime::component::{Linker, LinkerInstance};
use wasmtime::{Engine, StoreContextMut};

use crate::limits::{Account, CallLimits};
use crate::raw::Level;
use crate::words::WordSets;

/// The package whose interfaces the linker offers.
pub(crate) const PACKAGE: &str = "almoner:plugin/";
/// The version of the contract.
pub(crate) const VERSION: &str = "0.1.0";
/// Versions that count as the same contract.
pub(crate) const VERSION_TRACK: &str = "0.1.";
/// What a plugin may import: the host functions, and the types-only interface they share.
pub(crate) const OFFERED: [&str; 4] = ["log", "lookup", "pseudonym", "types"];

/// Key of the pseudonyms that transformers ask for.
#[derive(Clone)]
pub struct PseudonymKey(Arc<[u8; 32]>);

impl PseudonymKey {
    /// Takes the key over.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Arc::new(key))
    }
}

impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PseudonymKey(..)")
    }
}

/// Who speaks: what log events of a plugin are labelled with, and the codes it declared.
pub(crate) struct Speaker {
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) codes: HashSet<String>,
}

/// What the host functions of one instance work with.
pub(crate) struct Guest {
    pub(crate) account: Account,
    speaker: Arc<Speaker>,
    words: WordSets,
    pseudonyms: Option<PseudonymKey>,
    events_max: u32,
    lookups_max: u32,
    events_left: u32,
    lookups_left: u32,
    /// Whether it sent a log event, heard or not.
    pub(crate) spoke: bool,
    /// Why a host function refused, if one did.
    pub(crate) refusal: Option<&'static str>,
}

impl Guest {
    pub(crate) fn new(
        limits: &CallLimits,
        speaker: Arc<Speaker>,
        words: WordSets,
        pseudonyms: Option<PseudonymKey>,
    ) -> Self {
        Self {
            account: Account::new(limits),
            speaker,
            words,
            pseudonyms,
            events_max: limits.events,
            lookups_max: limits.lookups,
            events_left: limits.events,
            lookups_left: limits.lookups,
            spoke: false,
            refusal: None,
        }
    }

    /// A call begins: its budgets are full.
    pub(crate) fn refill(&mut self) {
        self.events_left = self.events_max;
        self.lookups_left = self.lookups_max;
    }

    fn event(&mut self, level: Level, code: &str) {
        self.spoke = true;
        if self.events_left == 0 {
            return;
        }
        self.events_left -= 1;
        let Speaker {
            name,
            digest,
            codes,
        } = self.speaker.as_ref();
        let code = if codes.contains(code) {
            code
        } else {
            "undeclared"
        };
        match level {
            Level::Debug => tracing::debug!(plugin = name, digest, code, "plugin event"),
            Level::Info => tracing::info!(plugin = name, digest, code, "plugin event"),
            Level::Warn => tracing::warn!(plugin = name, digest, code, "plugin event"),
            Level::Error => tracing::error!(plugin = name, digest, code, "plugin event"),
        }
    }

    fn contains(&mut self, set: &str, values: &[String]) -> wasmtime::Result<Vec<bool>> {
        self.spend(values.len())?;
        let words = self.words.clone();
        let Some(set) = words.set(set) else {
            // A list the plugin counts on is missing: answering "not in it" could let something pass.
            return Err(self.refuse("it asked for a word set that is not mounted"));
        };
        Ok(values
            .iter()
            .map(|value| set.contains(value.as_str()))
            .collect())
    }

    fn token(&mut self, domain: &str, value: &str) -> wasmtime::Result<String> {
        self.spend(1)?;
        let Some(key) = self.pseudonyms.clone() else {
            return Err(self.refuse("it asked for a pseudonym and no key is set"));
        };
        Ok(pseudonym(&key, domain, value))
    }

    fn spend(&mut self, lookups: usize) -> wasmtime::Result<()> {
        let lookups = u32::try_from(lookups).unwrap_or(u32::MAX);
        match self.lookups_left.checked_sub(lookups) {
            Some(left) => self.lookups_left = left,
            None => return Err(self.refuse("its budget of look-ups is spent")),
        }
        Ok(())
    }

    fn refuse(&mut self, why: &'static str) -> wasmtime::Error {
        self.refusal = Some(why);
        wasmtime::Error::msg(why)
    }
}

/// HMAC-SHA-256 over the domain's length, the domain and the value; 128 bits of it in hexadecimal.
fn pseudonym(key: &PseudonymKey, domain: &str, value: &str) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new(key.0.as_slice().into());
    mac.update(&(domain.len() as u64).to_le_bytes());
    mac.update(domain.as_bytes());
    mac.update(value.as_bytes());
    let tag = mac.finalize().into_bytes();
    tag.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A linker that offers the host functions and nothing else.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    interface(&mut linker, "types")?;
    interface(&mut linker, "log")?.func_wrap(
        "event",
        |mut store: StoreContextMut<'_, Guest>,
         (level, code, _detail): (Level, String, Option<String>)| {
            store.data_mut().event(level, &code);
            Ok(())
        },
    )?;
    interface(&mut linker, "lookup")?.func_wrap(
        "contains",
        |mut store: StoreContextMut<'_, Guest>, (set, values): (String, Vec<String>)| {
            Ok((store.data_mut().contains(&set, &values)?,))
        },
    )?;
    interface(&mut linker, "pseudonym")?.func_wrap(
        "token",
        |mut store: StoreContextMut<'_, Guest>, (domain, value): (String, String)| {
            Ok((store.data_mut().token(&domain, &value)?,))
        },
    )?;
    Ok(linker)
}

fn interface<'a>(
    linker: &'a mut Linker<Guest>,
    name: &str,
) -> wasmtime::Result<LinkerInstance<'a, Guest>> {
    linker.instance(&format!("{PACKAGE}{name}@{VERSION}"))
}
