//! A saved policy becomes the generation in force, or is refused and changes nothing. Built whole on the
//! watch's own thread; live sessions meet it at their next exchange.

use std::path::PathBuf;
use std::sync::Arc;

use almoner_audit::{Filter, Reader};
use almoner_ledger::Kind;
use tokio::runtime::Handle;

use super::ServeError;
use super::console::Running;
use super::data;
use crate::config::gateway::Gateway;
use crate::config::policy::PolicySet;
use crate::config::problem::ConfigErrors;
use crate::config::watch::{self, PolicyWatch};
use crate::plugins::Builder;
use crate::policy::Pipeline;

pub(super) fn watch(
    config: &Gateway,
    in_force: &str,
    builder: Builder,
    pipeline: Arc<Pipeline>,
    running: Arc<Running>,
) -> Result<PolicyWatch, ServeError> {
    let mut reload = Reload {
        builder,
        pipeline,
        running,
        policy_dir: config.policy_dir.clone(),
        runtime: Handle::current(),
    };
    watch::watch(&config.policy_dir, in_force, move |read| reload.read(read))
        .map_err(|error| data("watching", &config.policy_dir, error))
}

struct Reload {
    builder: Builder,
    pipeline: Arc<Pipeline>,
    running: Arc<Running>,
    policy_dir: PathBuf,
    runtime: Handle,
}

impl Reload {
    fn read(&mut self, read: Result<PolicySet, ConfigErrors>) {
        let set = match read {
            Ok(set) => set,
            Err(errors) => {
                return self.refuse(errors.0.iter().map(ToString::to_string).collect());
            }
        };
        let number = self.pipeline.generation().number + 1;
        let built = self
            .builder
            .build_or_explain(&set, number, &self.policy_dir);
        let generation = match built {
            Ok(generation) => generation,
            Err(problems) => {
                return self.refuse(problems.iter().map(ToString::to_string).collect());
            }
        };
        let digest = generation.digest.clone();
        let pipeline = Arc::clone(&self.pipeline);
        match self.runtime.block_on(pipeline.activate(generation)) {
            Ok(()) => {
                tracing::info!(
                    generation = number,
                    digest,
                    "a policy generation is in force"
                );
                self.running.activated();
            }
            Err(error) => {
                tracing::error!(%error, "a policy could not be recorded and is not in force");
            }
        }
    }

    fn refuse(&self, problems: Vec<String>) {
        for problem in &problems {
            tracing::error!(problem, "the policy is refused; the one in force stays");
        }
        if let Err(error) = self.runtime.block_on(self.pipeline.refuse(&problems)) {
            tracing::error!(%error, "the refusal of a policy could not be recorded");
        }
        self.running.refused(problems);
    }
}

/// The number of the last generation that was in force, if the trail knows one.
pub(super) fn last_generation(reader: &Reader) -> Option<u64> {
    let filter = Filter {
        kind: Some(Kind::Generation),
        limit: 16,
        ..Filter::default()
    };
    let records = reader.search(&filter).ok()?;
    records
        .iter()
        .filter_map(|stored| {
            let line: serde_json::Value = serde_json::from_str(&stored.line).ok()?;
            line.get("generation")?.as_u64()
        })
        .max()
}
