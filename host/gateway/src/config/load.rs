//! From files as written to settings as meant: names resolved, defaults filled in, limits checked.
//! All that is wrong is reported at once; nothing that is half right is returned.

mod check;
mod column;
mod gateway;
mod http;
mod plugin;
mod policy;
mod resource;
mod rule;
mod tag;
mod users;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub(crate) use resource::stays_here;

use super::gateway::Gateway;
use super::policy::{Place, PolicySet};
use super::problem::{ConfigErrors, Problem, shown};
use super::users::User;

/// Largest configuration file read, bytes: ten thousand users fit; a log or a dump put there by mistake does not.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most policy files in a folder, for the same reason.
pub const POLICY_FILES_MAX: usize = 256;

/// Reads `almoner.toml`. Relative paths in it count from its folder.
pub fn gateway(path: &Path) -> Result<Gateway, ConfigErrors> {
    let text = text(path).map_err(|problem| ConfigErrors(vec![problem]))?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    gateway::meant(&shown(path), &text, folder).map_err(ConfigErrors)
}

/// Reads the users file. Its permissions are the caller's to check.
pub fn users(path: &Path) -> Result<BTreeMap<String, User>, ConfigErrors> {
    let text = text(path).map_err(|problem| ConfigErrors(vec![problem]))?;
    users_text(path, &text)
}

/// What a users file with this text means.
pub(crate) fn users_text(path: &Path, text: &str) -> Result<BTreeMap<String, User>, ConfigErrors> {
    users::meant(&shown(path), text).map_err(ConfigErrors)
}

/// Reads all policy files of a folder.
pub fn policies(dir: &Path) -> Result<PolicySet, ConfigErrors> {
    PolicyFiles::read(dir).and_then(|files| files.meant())
}

/// The policy files of a folder as they were at one moment, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFiles {
    dir: PathBuf,
    files: Vec<(String, String)>,
}

impl PolicyFiles {
    /// Reads them. Problems are those of the file system; what the files say is not looked at.
    pub fn read(dir: &Path) -> Result<Self, ConfigErrors> {
        let mut problems = Vec::new();
        let mut files = Vec::new();
        for name in policy_file_names(dir).map_err(|problem| ConfigErrors(vec![problem]))? {
            match text(&dir.join(&name)) {
                Ok(text) => files.push((name, text)),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(Self {
                dir: dir.to_path_buf(),
                files,
            })
        } else {
            Err(ConfigErrors(problems))
        }
    }

    /// What they mean together.
    pub fn meant(&self) -> Result<PolicySet, ConfigErrors> {
        let files = self
            .files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        policy::meant(&self.dir, files, self.digest()).map_err(ConfigErrors)
    }

    /// SHA-256, in hex, over each file's name and content, each preceded by its length in eight bytes, big-endian.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for part in self.files.iter().flat_map(|(name, text)| [name, text]) {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hex(&hasher.finalize())
    }

    /// Names of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }
}

/// Whether a file of the policy folder is a policy: `*.toml`, except what editors leave beside it
/// (`.10-clinic.toml.swp`, `10-clinic.toml~`, `#10-clinic.toml#`, `.#10-clinic.toml`).
pub fn is_policy_file(name: &str) -> bool {
    name.ends_with(".toml") && !name.starts_with(['.', '#', '~'])
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn policy_file_names(dir: &Path) -> Result<Vec<String>, Problem> {
    let unreadable = |e: &std::io::Error| {
        about(
            dir,
            format!("the policy folder cannot be read: {e}"),
            "Create it, or name another one.",
        )
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| unreadable(&e))? {
        let name = entry.map_err(|e| unreadable(&e))?.file_name();
        match name.to_str() {
            Some(name) if is_policy_file(name) => names.push(name.to_owned()),
            Some(_) => {}
            None if name.to_string_lossy().ends_with(".toml") => {
                let what = format!("the file name {name:?} is not UTF-8");
                return Err(about(dir, what, "Rename the file."));
            }
            None => {}
        }
    }
    names.sort_unstable();
    match names.len() {
        // An empty folder is more often a missing mount than a wish to lock everybody out.
        0 => Err(about(
            dir,
            "the policy folder holds no *.toml file",
            "Put a policy there.",
        )),
        1..=POLICY_FILES_MAX => Ok(names),
        many => {
            let what = format!("{many} policy files are more than the {POLICY_FILES_MAX} allowed");
            Err(about(dir, what, "Merge some of them."))
        }
    }
}

/// The content of one file, bounded, as text, not empty.
fn text(path: &Path) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| {
        about(
            path,
            format!("the file cannot be opened: {e}"),
            "Check the path and its permissions.",
        )
    })?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| about(path, format!("the file cannot be read: {e}"), ""))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let what = format!("the file is larger than the {FILE_BYTES_MAX} bytes allowed");
        return Err(about(path, what, "Split it."));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = e
            .as_bytes()
            .get(..e.utf8_error().valid_up_to())
            .unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut problem = about(path, "the file is not UTF-8 text", "Save it as UTF-8.");
        problem.place.line = line;
        problem
    })?;
    if text.trim().is_empty() {
        // Editors that truncate and then write leave such a file for a moment: half a policy must not take effect.
        return Err(about(
            path,
            "the file is empty",
            "Delete it, or leave a comment in it.",
        ));
    }
    Ok(text)
}

/// A problem of a file as a whole.
fn about(path: &Path, what: impl Into<String>, remedy: &str) -> Problem {
    let place = Place {
        file: shown(path),
        line: 0,
    };
    Problem {
        place,
        column: 0,
        what: what.into(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::*;

    #[test]
    fn only_toml_files_that_are_no_editor_leftovers_are_policies() {
        assert!(is_policy_file("10-clinic.toml"));
        let others = [
            ".10-clinic.toml.swp",
            "10-clinic.toml~",
            "#10-clinic.toml#",
            ".#10-clinic.toml",
            "README.md",
            ".toml",
        ];
        for other in others {
            assert!(!is_policy_file(other), "{other}");
        }
    }

    #[test]
    fn an_empty_folder_or_file_is_no_policy() {
        let dir = tempfile::tempdir().unwrap();
        let refused = policies(dir.path()).unwrap_err();
        assert!(
            refused.0[0].what.contains("holds no *.toml file"),
            "{refused}"
        );
        std::fs::write(dir.path().join("a.toml"), "\n").unwrap();
        std::fs::write(dir.path().join("b.toml"), b"# caf\xe9\n").unwrap();
        let refused = policies(dir.path()).unwrap_err();
        assert!(refused.0[0].what.contains("is empty"), "{refused}");
        assert!(refused.0[1].what.contains("not UTF-8"), "{refused}");
        assert_eq!(refused.0[1].place.line, 1);
    }

    #[test]
    fn the_examples_of_the_documentation_are_accepted() {
        let docs = Path::new("../../docs/configuration.md");
        let docs = std::fs::read_to_string(docs).unwrap();
        let examples: Vec<&str> = docs
            .split("```toml\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap())
            .collect();
        let [config, policy, users_file] = examples.as_slice() else {
            unreachable!("the documentation shows one example of each document")
        };
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name)
        };
        assert_eq!(
            gateway(&write("almoner.toml", config))
                .unwrap()
                .resources
                .len(),
            2
        );
        std::fs::remove_file(dir.path().join("almoner.toml")).unwrap();
        assert_eq!(users(&write("users.txt", users_file)).unwrap().len(), 2);
        write("10.toml", policy);
        assert_eq!(policies(dir.path()).unwrap().rules.len(), 1);
    }

    #[test]
    fn the_digest_depends_on_names_and_contents_and_nothing_else() {
        let files = |files: &[(&str, &str)]| PolicyFiles {
            dir: PathBuf::from("/anywhere"),
            files: files
                .iter()
                .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
                .collect(),
        };
        let digest = files(&[("a.toml", "x"), ("b.toml", "y")]).digest();
        assert_eq!(digest.len(), 64);
        assert_ne!(digest, files(&[("a.toml", "xb.toml"), ("", "y")]).digest());
        assert_ne!(digest, files(&[("a.toml", "x"), ("b.toml", "z")]).digest());
        let elsewhere = PolicyFiles {
            dir: "/else".into(),
            ..files(&[("a.toml", "x"), ("b.toml", "y")])
        };
        assert_eq!(digest, elsewhere.digest());
    }
}
