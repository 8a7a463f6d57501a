//! Notices when a policy is saved, within a second, and reads the folder again. It decides nothing: what
//! the folder says, or everything that is wrong with it, goes to whoever asked.
//!
//! Two senses: events of the file system, and a look at the contents every half second, because events
//! get lost (bind mounts, network file systems, full queues, folders that are replaced whole).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecursiveMode, Watcher};

use super::load::PolicyFiles;
use super::policy::{PluginSource, PolicySet};
use super::problem::ConfigErrors;

/// How often the contents are looked at when no event comes. With `SETTLE_MAX` it stays below the second
/// within which a saved policy must be obeyed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Two readings so far apart must agree before they count: editors write in several steps.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// The same where a file has vanished: some editors move the old file away before they write the new one,
/// and a policy without one of its files can be one that protects less.
const DEBOUNCE_VANISHED: Duration = Duration::from_millis(300);
/// A folder that changes all the time is read after so long nevertheless.
const SETTLE_MAX: Duration = Duration::from_millis(400);
/// Pause after an event that changed no policy, so that other files written to the folder cost little.
const PAUSE: Duration = Duration::from_millis(20);

/// Watches until it is dropped.
pub struct PolicyWatch {
    stop: Arc<AtomicBool>,
    wake: SyncSender<()>,
    /// Held for its events; ends with the watch.
    _events: Option<notify::RecommendedWatcher>,
}

impl Drop for PolicyWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Full: it wakes anyway. Closed: it has ended.
        let _ = self.wake.try_send(());
    }
}

/// Watches a policy folder from a thread of its own. `in_force` is the digest of the set that is obeyed.
///
/// `on_change` is called, on that thread, when the folder says something else than last time: with the set,
/// also if its digest is the one in force but the folder was broken in between, or a component file that
/// the set names has changed; or with all that is wrong. Changes during a call are noticed after it.
pub fn watch(
    dir: &Path,
    in_force: &str,
    on_change: impl FnMut(Result<PolicySet, ConfigErrors>) + Send + 'static,
) -> std::io::Result<PolicyWatch> {
    start(dir, in_force, on_change, true)
}

fn start(
    dir: &Path,
    in_force: &str,
    on_change: impl FnMut(Result<PolicySet, ConfigErrors>) + Send + 'static,
    with_events: bool,
) -> std::io::Result<PolicyWatch> {
    // One waiting event is enough: a look answers all that came before it.
    let (wake, woken) = sync_channel(1);
    let events = with_events
        .then(|| events(dir, wake.clone()))
        .and_then(|events| match events {
            Ok(events) => Some(events),
            Err(e) => {
                let every = LOOK_EVERY.as_millis();
                tracing::warn!(
                    "no file events for {}: {e}; looking every {every} ms",
                    dir.display()
                );
                None
            }
        });
    let mut eye = Eye::new(dir.to_path_buf(), in_force.to_owned());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let watch = move || eye.run(&woken, &stopped, on_change);
    std::thread::Builder::new()
        .name("policy-watch".into())
        .spawn(watch)?;
    Ok(PolicyWatch {
        stop,
        wake,
        _events: events,
    })
}

fn events(dir: &Path, wake: SyncSender<()>) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the files makes events too; they must not lead to reading again.
        let reading = |kind: &EventKind| matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write));
        if !event.is_ok_and(|event| reading(&event.kind)) {
            let _ = wake.try_send(());
        }
    })?;
    watcher.watch(dir, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// What the folder held when it was last reported.
struct Eye {
    dir: PathBuf,
    digest: Result<String, ConfigErrors>,
    names: BTreeSet<String>,
    components: Vec<(PathBuf, Stamp)>,
}

/// Enough to see that a file is another one: a component's content is read when the generation is built.
type Stamp = Option<(u64, SystemTime)>;

type Reading = Result<PolicyFiles, ConfigErrors>;

impl Eye {
    fn new(dir: PathBuf, in_force: String) -> Self {
        let mut eye = Self {
            dir,
            digest: Ok(in_force),
            names: BTreeSet::new(),
            components: Vec::new(),
        };
        if let Ok(files) = PolicyFiles::read(&eye.dir) {
            eye.names = files.names().map(str::to_owned).collect();
            // A folder that says something else already is reported at the first look.
            eye.components = files
                .meant()
                .map(|set| components(&set))
                .unwrap_or_default();
        }
        eye
    }

    fn run(
        &mut self,
        woken: &Receiver<()>,
        stopped: &AtomicBool,
        mut on_change: impl FnMut(Result<PolicySet, ConfigErrors>),
    ) {
        while woken.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Disconnected)
            && !stopped.load(Ordering::Acquire)
        {
            if !self.is_changed(&PolicyFiles::read(&self.dir)) {
                std::thread::sleep(PAUSE);
                continue;
            }
            let reading = self.settled();
            // Changed and changed back is no change; and who has dropped the watch is not called.
            if self.is_changed(&reading) && !stopped.load(Ordering::Acquire) {
                on_change(self.report(reading));
            }
        }
    }

    fn is_changed(&self, reading: &Reading) -> bool {
        let same = match (reading, &self.digest) {
            (Ok(files), Ok(digest)) => files.digest() == *digest,
            // Files that can be read, but say something wrong, were reported as what is wrong with them.
            (Ok(files), Err(errors)) => files.meant().is_err_and(|wrong| wrong == *errors),
            (Err(wrong), Err(errors)) => wrong == errors,
            (Err(_), Ok(_)) => false,
        };
        !same
            || self
                .components
                .iter()
                .any(|(path, before)| stamp(path) != *before)
    }

    /// Reads until two readings agree.
    fn settled(&self) -> Reading {
        let began = Instant::now();
        let mut agreed_since = Instant::now();
        let mut reading = PolicyFiles::read(&self.dir);
        loop {
            std::thread::sleep(DEBOUNCE);
            let again = PolicyFiles::read(&self.dir);
            if again != reading {
                agreed_since = Instant::now();
                reading = again;
            }
            let needed = if self.has_vanished(&reading) {
                DEBOUNCE_VANISHED
            } else {
                DEBOUNCE
            };
            if agreed_since.elapsed() >= needed || began.elapsed() >= SETTLE_MAX {
                return reading;
            }
        }
    }

    fn has_vanished(&self, reading: &Reading) -> bool {
        reading.as_ref().map_or(true, |files| {
            let present: BTreeSet<&str> = files.names().collect();
            self.names
                .iter()
                .any(|name| !present.contains(name.as_str()))
        })
    }

    fn report(&mut self, reading: Reading) -> Result<PolicySet, ConfigErrors> {
        if let Ok(files) = &reading {
            self.names = files.names().map(str::to_owned).collect();
        }
        let set = reading.and_then(|files| files.meant());
        match &set {
            Ok(set) => {
                self.digest = Ok(set.digest.clone());
                self.components = components(set);
            }
            Err(errors) => {
                self.digest = Err(errors.clone());
                self.components.clear();
            }
        }
        set
    }
}

/// Component files that the set names, and the golden vectors beside them.
fn components(set: &PolicySet) -> Vec<(PathBuf, Stamp)> {
    let paths = set
        .plugins
        .iter()
        .filter_map(|plugin| match &plugin.source {
            PluginSource::File { path, .. } => {
                Some([path.clone(), path.with_extension("golden.json")])
            }
            PluginSource::Builtin(_) => None,
        });
    paths
        .flatten()
        .map(|path| (path.clone(), stamp(&path)))
        .collect()
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    /// How long a test waits for what must come.
    const PATIENCE: Duration = Duration::from_secs(10);

    struct Folder {
        dir: tempfile::TempDir,
        changes: Receiver<Result<PolicySet, ConfigErrors>>,
        _watch: PolicyWatch,
    }

    fn policy(name: &str) -> String {
        format!(
            "[[rule]]\nname = \"{name}\"\nresources = [\"*\"]\ngroups = [\"*\"]\nallow = false\n"
        )
    }

    impl Folder {
        fn watched(with_events: bool) -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("10.toml"), policy("first")).unwrap();
            let digest = super::super::load::policies(dir.path()).unwrap().digest;
            let (send, changes) = sync_channel(16);
            let on_change = move |change| send.send(change).unwrap();
            let watch = start(dir.path(), &digest, on_change, with_events).unwrap();
            Self {
                dir,
                changes,
                _watch: watch,
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn rules(&self) -> Vec<String> {
            let set = self.changes.recv_timeout(PATIENCE).unwrap().unwrap();
            set.rules.into_iter().map(|rule| rule.name).collect()
        }

        /// The fastest of three saves, so that a busy machine does not look like a slow watch.
        fn quickest_save(&self, save: impl Fn(&Path, &str)) -> Duration {
            let saves = ["second", "third", "fourth"].map(|rule| {
                let began = Instant::now();
                save(&self.path("10.toml"), &policy(rule));
                assert_eq!(self.rules(), [rule]);
                began.elapsed()
            });
            saves.into_iter().min().unwrap()
        }

        fn is_quiet(&self) -> bool {
            self.changes.recv_timeout(SECOND + SETTLE_MAX).is_err()
        }
    }

    #[test]
    fn a_file_saved_in_place_or_by_rename_is_noticed_within_a_second() {
        let folder = Folder::watched(true);
        assert!(folder.quickest_save(|path, text| std::fs::write(path, text).unwrap()) < SECOND);
        let by_rename = |path: &Path, text: &str| {
            let beside = path.with_extension("tmp");
            std::fs::write(&beside, text).unwrap();
            std::fs::rename(&beside, path).unwrap();
        };
        assert!(folder.quickest_save(by_rename) < SECOND);
    }

    #[test]
    fn a_save_without_any_event_is_noticed_within_a_second() {
        let folder = Folder::watched(false);
        assert!(folder.quickest_save(|path, text| std::fs::write(path, text).unwrap()) < SECOND);
    }

    #[test]
    fn a_folder_whose_content_is_swapped_by_a_link_is_noticed() {
        // As Kubernetes mounts configuration.
        let folder = Folder::watched(true);
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, folder.path("tmp")).unwrap();
            std::fs::rename(folder.path("tmp"), folder.path(name)).unwrap();
        };
        for (version, rule) in [("a", "second"), ("b", "third")] {
            std::fs::create_dir(folder.path(version)).unwrap();
            std::fs::write(folder.path(version).join("10.toml"), policy(rule)).unwrap();
            link(version, "data");
            if version == "a" {
                link("data/10.toml", "10.toml");
            }
            assert_eq!(folder.rules(), [rule]);
        }
    }

    #[test]
    fn a_broken_file_is_reported_once_and_its_repair_too() {
        let folder = Folder::watched(true);
        std::fs::write(folder.path("10.toml"), "[[rule]\n").unwrap();
        let errors = folder.changes.recv_timeout(PATIENCE).unwrap().unwrap_err();
        assert!(
            errors.to_string().contains("10.toml:1: not valid TOML"),
            "{errors}"
        );
        assert!(folder.is_quiet());
        std::fs::write(folder.path("10.toml"), policy("first")).unwrap();
        assert_eq!(folder.rules(), ["first"]);
    }

    #[test]
    fn what_editors_leave_beside_a_policy_changes_nothing() {
        let folder = Folder::watched(true);
        for name in [".10.toml.swp", "10.toml~", "#10.toml#", ".#10.toml", "4913"] {
            std::fs::write(folder.path(name), policy("other")).unwrap();
        }
        assert!(folder.is_quiet());
    }

    #[test]
    fn half_a_save_is_never_taken_for_a_policy() {
        let folder = Folder::watched(true);
        let text = policy("second") + &policy("third");
        // The old file goes, the new one comes in two pieces; each alone would be a policy.
        std::fs::rename(folder.path("10.toml"), folder.path("10.toml~")).unwrap();
        std::fs::write(folder.path("20.toml"), policy("zwanzig")).unwrap();
        std::thread::sleep(DEBOUNCE / 2);
        std::fs::write(folder.path("10.toml"), policy("second")).unwrap();
        std::thread::sleep(DEBOUNCE / 2);
        std::fs::write(folder.path("10.toml"), text).unwrap();
        assert_eq!(folder.rules(), ["second", "third", "zwanzig"]);
        assert!(folder.is_quiet());
    }

    #[test]
    fn a_component_that_arrives_after_its_policy_is_noticed() {
        let folder = Folder::watched(true);
        let sha256 = "0".repeat(64);
        let plugin = format!(
            "[[plugin]]\nname = \"mine\"\nuse = \"file:mine.wasm\"\nsha256 = \"{sha256}\"\n"
        );
        std::fs::write(folder.path("20.toml"), plugin).unwrap();
        assert_eq!(folder.rules(), ["first"]);
        std::fs::write(folder.path("mine.wasm"), "component").unwrap();
        assert_eq!(folder.rules(), ["first"]);
        assert!(folder.is_quiet());
    }

    #[test]
    fn a_watch_that_is_dropped_calls_nobody() {
        let folder = Folder::watched(true);
        let Folder {
            dir,
            changes,
            _watch,
        } = folder;
        drop(_watch);
        std::fs::write(dir.path().join("10.toml"), policy("second")).unwrap();
        let end = changes.recv_timeout(PATIENCE);
        assert!(
            matches!(end, Err(RecvTimeoutError::Disconnected)),
            "the thread is still there"
        );
    }
}
