//! `almoner demo`: the product told as a story, on a private PostgreSQL with a made-up clinic.
//!
//! Everything shown is real: the commands are run as they are printed, and what follows is what they
//! printed. Everything is private: loopback only, temporary folders, gone when the demo ends, however it
//! ends. It never touches a database or a gateway that is already running.

mod narrator;
mod scene;
mod story;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use almoner_stage::StageError;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use narrator::Narrator;
use scene::Scene;

use crate::cli::output::Exit;

/// How the demo is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// End after the story instead of staying up.
    pub once: bool,
}

/// What stops the story.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A server or a client could not be run.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A step came out differently than told. The demo is also a test of the product.
    #[error(
        "step {step} did not go as told: {what}\nthis is a defect; please report it with the output above"
    )]
    Plot {
        /// Which.
        step: &'static str,
        /// What was seen instead.
        what: String,
    },
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Shorthand of this module.
type Result<T> = std::result::Result<T, DemoError>;

/// After Ctrl-C the story ends at its next line. The servers' keepers clean up even after a harder end.
const ENDING_LIMIT: Duration = Duration::from_secs(20);
/// What shells answer for a command ended by SIGINT.
const EXIT_INTERRUPTED: Exit = Exit(130);

/// Tells the story; then stays up until Ctrl-C, unless it is to be told once.
pub fn run(plan: Plan) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(|source| DemoError::Io {
            doing: "starting the runtime",
            source,
        })
        .and_then(|runtime| runtime.block_on(perform(plan)));
    let narrator = Narrator::to_terminal(Arc::default());
    match outcome {
        Ok(()) => Exit::OK,
        Err(DemoError::Interrupted) => {
            narrator.aside("interrupted; servers stopped, temporary folders removed");
            EXIT_INTERRUPTED
        }
        Err(error) => {
            narrator.complain(&error.to_string());
            Exit::FAILED
        }
    }
}

/// The story runs in a thread of its own, because everything in it waits for child processes.
async fn perform(plan: Plan) -> Result<()> {
    let watch = |kind| {
        signal(kind).map_err(|source| DemoError::Io {
            doing: "watching for Ctrl-C",
            source,
        })
    };
    let (mut interrupt, mut terminate) = (
        watch(SignalKind::interrupt())?,
        watch(SignalKind::terminate())?,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let (done, mut told) = oneshot::channel();
    let narrator = Narrator::to_terminal(Arc::clone(&stop));
    std::thread::spawn(move || {
        // The other end waits until the story is over.
        let _ = done.send(tell(&narrator));
    });

    let scene = tokio::select! {
        scene = &mut told => scene,
        _ = interrupt.recv() => interrupted(&stop, told).await,
        _ = terminate.recv() => interrupted(&stop, told).await,
    };
    let scene = scene.unwrap_or(Err(DemoError::Plot {
        step: "0",
        what: "the story's thread ended".into(),
    }))?;
    if !plan.once {
        story::stay::invite(&Narrator::to_terminal(Arc::default()), &scene);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Narrator::to_terminal(Arc::default())
            .aside("stopping the servers, removing the temporary folders");
    }
    drop(scene);
    Ok(())
}

/// Lets the story come to its end, and its servers with it.
async fn interrupted(
    stop: &AtomicBool,
    told: oneshot::Receiver<Result<Scene>>,
) -> std::result::Result<Result<Scene>, oneshot::error::RecvError> {
    stop.store(true, Ordering::Relaxed);
    // Whatever the story says about commands that the same Ctrl-C ended: this is why.
    let _ = tokio::time::timeout(ENDING_LIMIT, told).await;
    Ok(Err(DemoError::Interrupted))
}

fn tell(narrator: &Narrator) -> Result<Scene> {
    story::opening(narrator)?;
    let mut scene = Scene::set(narrator)?;
    story::tell(narrator, &mut scene)?;
    Ok(scene)
}
