//! Follows the key file: a key that was added becomes the active one, once that is on record.
//!
//! It only ever reads. A file that vanishes or cannot be read leaves the active key as it is.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::plugins::KeyFile;
use crate::policy::Pipeline;

/// How often it looks at the file: whoever rotates a key waits for the answer.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Begins to follow the file, for as long as the runtime lives.
pub(super) fn follow(path: &Path, pipeline: &Arc<Pipeline>) {
    tokio::spawn(look(path.to_owned(), Arc::clone(pipeline)));
}

async fn look(path: PathBuf, pipeline: Arc<Pipeline>) {
    // Nothing was seen yet: the first look also takes what came between the start's reading and now.
    let mut seen = None;
    loop {
        let state = state(&path);
        if seen != Some(state) {
            seen = Some(state);
            renew(&path, &pipeline).await;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What tells one state of the file from another; `None`: it cannot be looked at.
fn state(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
}

async fn renew(path: &Path, pipeline: &Pipeline) {
    let pseudonyms = match KeyFile::existing(path).and_then(|file| file.pseudonyms()) {
        Ok(pseudonyms) => pseudonyms,
        Err(error) => {
            return tracing::error!(%error, "the key file cannot be read; the active key stays");
        }
    };
    let before = pipeline.pseudonym_key();
    match pipeline.rotate(pseudonyms).await {
        Ok(()) => {
            let key = pipeline.pseudonym_key();
            if key != before {
                tracing::info!(key, before, "another pseudonym key is in use");
            }
        }
        Err(error) => {
            tracing::error!(%error, "a rotated key could not be recorded and is not in use");
        }
    }
}
