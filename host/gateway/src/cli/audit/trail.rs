//! Where records come from: a running gateway, or files.

use std::path::{Path, PathBuf};

use almoner_audit::Reader;

use super::super::output::{Exit, Output, clean};
use super::super::reach::{Gateway, Reach};
use crate::admin::client::{Problem, Search, escape, one, views};
use crate::admin::status::{CopyMade, RecordPage, RecordView, Status};
use crate::config::gateway::Gateway as Configured;
use crate::config::load;

/// Options that say which trail is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    #[command(flatten)]
    pub(super) reach: Reach,
    /// A copy of a trail, or the audit folder of a gateway that is not running
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) store: Option<PathBuf>,
}

/// An open trail.
pub(super) enum Trail {
    /// Of a running gateway.
    Live(Gateway),
    /// Files.
    Files(Reader),
}

impl Source {
    /// What --config says, if it is given.
    pub(super) fn configured(&self, output: &Output) -> Result<Option<Configured>, Exit> {
        let Some(file) = &self.reach.config else {
            return Ok(None);
        };
        load::gateway(file).map(Some).map_err(|errors| {
            errors.0.iter().for_each(|problem| output.error(problem));
            Exit::USAGE
        })
    }

    pub(super) fn open(&self, output: &Output) -> Result<Trail, Exit> {
        match &self.store {
            Some(dir) => open_files(dir, output).map(Trail::Files),
            None => self.reach.gateway(output).map(Trail::Live),
        }
    }
}

impl Trail {
    /// Records that match, newest first.
    pub(super) fn search(&self, search: &Search, output: &Output) -> Result<RecordPage, Exit> {
        match self {
            Self::Live(gateway) => {
                gateway.get(&format!("/v1/audit/records?{}", query(search)), output)
            }
            Self::Files(reader) => search
                .page(reader)
                .map_err(|problem| refused(&problem, output)),
        }
    }

    /// One record with its line.
    pub(super) fn record(&self, seq: u64, output: &Output) -> Result<RecordView, Exit> {
        match self {
            Self::Live(gateway) => gateway.get(&format!("/v1/audit/records/{seq}"), output),
            Self::Files(reader) => one(reader, seq).map_err(|problem| refused(&problem, output)),
        }
    }

    /// A body as it is stored.
    pub(super) fn body(&self, seq: u64, name: &str, output: &Output) -> Result<Vec<u8>, Exit> {
        match self {
            Self::Live(gateway) => gateway.get_bytes(
                &format!("/v1/audit/records/{seq}/bodies/{}", escape(name)),
                output,
            ),
            Self::Files(reader) => match reader.body(seq, name) {
                Ok(Some((_, bytes))) => Ok(bytes.into()),
                Ok(None) => Err(said("this body is not here", output)),
                Err(error) => Err(said(&error.to_string(), output)),
            },
        }
    }

    /// The last records, oldest first.
    pub(super) fn last(&self, limit: usize, output: &Output) -> Result<RecordPage, Exit> {
        match self {
            Self::Live(gateway) => gateway.get(&format!("/v1/audit/tail?limit={limit}"), output),
            Self::Files(reader) => {
                let found = reader
                    .tail(limit)
                    .map_err(|error| said(&error.to_string(), output))?;
                let after = found.last().map(|stored| stored.seq);
                let records = views(&found).map_err(|problem| refused(&problem, output))?;
                Ok(RecordPage {
                    records,
                    before: None,
                    after,
                })
            }
        }
    }
}

/// A running gateway's trail as it was at one moment, for reading only; removed when this is dropped.
pub(super) struct TrailCopy {
    dir: PathBuf,
}

impl TrailCopy {
    /// Has the gateway make it beside its audit folder, where files can be linked: a trail of any size at once.
    pub(super) fn of(gateway: &Gateway, output: &Output) -> Result<Self, Exit> {
        let status: Status = gateway.get("/v1/status", output)?;
        let beside = status.overview.audit_dir;
        let beside = beside.parent().unwrap_or(Path::new("/"));
        let mut bytes = [0_u8; 8];
        getrandom::fill(&mut bytes)
            .map_err(|_| said("the system gave no random numbers", output))?;
        let dir = beside.join(format!(".copy-{:016x}", u64::from_be_bytes(bytes)));
        // From here on it is removed, even if only half of it gets made.
        let copy = Self { dir };
        let _: CopyMade = gateway.post(
            "/v1/audit/copy",
            &serde_json::json!({ "dir": copy.dir, "linked": true }),
            None,
            output,
        )?;
        Ok(copy)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for TrailCopy {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(dir = %self.dir.display(), %error, "the copy of the audit trail could not be removed");
        }
    }
}

/// Opens files, or says why not.
pub(super) fn open_files(dir: &Path, output: &Output) -> Result<Reader, Exit> {
    Reader::open_copy(dir).map_err(|error| said(&error.to_string(), output))
}

fn query(search: &Search) -> String {
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let time = |value: Option<jiff::Timestamp>| value.map(|value| value.to_string());
    let members = [
        ("from", number(search.from)),
        ("before", number(search.before)),
        ("session", search.session.clone()),
        ("exchange", search.exchange.clone()),
        ("subject", search.subject.clone()),
        ("resource", search.resource.clone()),
        ("kind", search.kind.clone()),
        ("verdict", search.verdict.clone()),
        ("since", time(search.since)),
        ("until", time(search.until)),
        ("limit", search.limit.map(|limit| limit.to_string())),
    ];
    let given = members
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", escape(&value))));
    given.collect::<Vec<_>>().join("&")
}

fn refused(problem: &Problem, output: &Output) -> Exit {
    said(&problem.detail, output)
}

pub(super) fn said(error: &str, output: &Output) -> Exit {
    output.error(clean(error));
    Exit::FAILED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_cannot_become_another_question() {
        let search = Search {
            subject: Some("ana&limit=500#é".into()),
            limit: Some(5),
            ..Search::default()
        };
        assert_eq!(query(&search), "subject=ana%26limit%3D500%23%C3%A9&limit=5");
    }
}
