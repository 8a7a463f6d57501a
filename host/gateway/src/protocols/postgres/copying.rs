//! `COPY … TO STDOUT` in a session: which columns it writes, by the catalog or by its query's description,
//! and its rows as they come in. Columns that cannot be told apart are unproven, all of them.

use std::sync::Arc;

use super::catalog::{Column, Look};
use super::columns::{self, CopyColumn, Shown};
use super::copy::{self, CopyOut};
use super::expect::{Columns, Expect, Made};
use super::rows::Piece;
use super::session::{Ending, Relay};
use super::settle::{WINDOW_BYTES, typing};
use super::words::OwnWords;
use crate::policy::Provenance;

impl Relay {
    /// `COPY … TO STDOUT` begins: its columns by the catalog, or by its query's description.
    pub(super) async fn begin_copy_out(&mut self, count: usize) -> Result<(), Ending> {
        let (catalogs, resource) = (Arc::clone(&self.catalogs), self.session.resource.clone());
        let row_bytes_max = self.shared.limits.row_bytes_max;
        let pipeline = Arc::clone(&self.pipeline);
        let refused = Ending::Broken("almoner: the server copies what was not asked for");
        let (epoch, names_uncertain) = (self.noted.epoch, self.course.names_uncertain);
        let Some(flight) = self.flight() else {
            return Err(refused);
        };
        let Some(statement) = flight.statement().map(Arc::clone) else {
            return Err(refused);
        };
        let Some(copy) = statement
            .parsed
            .facts
            .as_ref()
            .and_then(|facts| facts.copy.clone())
        else {
            return Err(refused);
        };
        let standing = flight.inflight.standing().clone();
        let look = catalogs.look(&standing);
        // A prepared COPY was described when it was prepared, and looks its names up when it runs.
        let now = Made {
            epoch,
            catalog: look.catalog.version,
        };
        let described = match (&flight.copied, &flight.portal) {
            (Some(copied), _) => copied.described(),
            (None, Some(portal)) => portal
                .statement
                .copied
                .as_ref()
                .filter(|copied| look.settled && copied.made == now)
                .and_then(|copied| copied.described()),
            (None, None) => None,
        };
        let result = match (&described, &copy.relation) {
            (Some(described), _) if described.fields.is_some() => {
                let fields = described.fields.as_deref().unwrap_or_default();
                let shown = Shown {
                    look: &look,
                    doubted: false,
                };
                columns::of_result(fields, None, &statement, &shown)
            }
            // The server says nothing of the table it copies: its name alone tells which it is, and only where
            // nobody is giving that name to another.
            (_, Some(relation))
                if look.settled && !(names_uncertain && relation.schema.is_none()) =>
            {
                let schema = relation.schema.as_deref();
                let oid = look.catalog.resolve(schema, &relation.name);
                oid.map(|oid| {
                    let known = table_columns(&look, oid, &copy.columns);
                    columns::of_copy(known, &look.catalog)
                })
            }
            _ => None,
        };
        // Columns that cannot be told apart are unproven, all of them.
        let result = result
            .filter(|result| result.types.len() == count)
            .unwrap_or_else(|| columns::of_copy(unproven(count), &look.catalog));
        let masking = flight.inflight.masking(&pipeline, &result.facts).await;
        let format = copy::format_of(&copy)
            .ok_or(Ending::Broken("almoner: the COPY format is not understood"))?;
        let typing = typing(resource, &standing);
        let out = CopyOut::new(format, row_bytes_max, Arc::clone(&result.types), typing)
            .map_err(|_| Ending::Broken("almoner: the COPY options are not understood"))?;
        flight.columns = Some(Arc::new(Columns {
            types: result.types,
            masking,
            resolved: statement,
            formats: Vec::new(),
        }));
        flight.rows = None;
        flight.copy = Some(out);
        Ok(())
    }

    pub(super) async fn on_copy_data(&mut self, data: &[u8]) -> Result<(), Ending> {
        let out_of_turn = Ending::Broken("almoner: the server answered out of turn");
        let Some(flight) = self.flight() else {
            return Err(out_of_turn);
        };
        if flight.stopped.is_some() {
            return Ok(());
        }
        let Some(copy) = flight.copy.as_mut() else {
            return Err(out_of_turn);
        };
        copy.push(data).map_err(unreadable_copy)?;
        self.take_copy_rows(false).await
    }

    pub(super) async fn on_copy_done(&mut self) -> Result<(), Ending> {
        if self.flight().is_none_or(|flight| flight.stopped.is_some()) {
            return Ok(());
        }
        self.take_copy_rows(true).await?;
        self.own_piece(OwnWords::copy_done()).await;
        Ok(())
    }

    async fn take_copy_rows(&mut self, end: bool) -> Result<(), Ending> {
        let Some(flight) = self.flight() else {
            return Ok(());
        };
        let left = flight.inflight.rows_left();
        let (Some(copy), Some(columns)) = (flight.copy.as_mut(), flight.columns.clone()) else {
            return Ok(());
        };
        let mut window = copy.window();
        while let Some(row) = copy.next_row().map_err(unreadable_copy)? {
            window.push(row);
        }
        if end && let Some(row) = copy.finish().map_err(unreadable_copy)? {
            window.push(row);
        }
        if window.is_empty() {
            return Ok(());
        }
        // One message of the server holds few rows, so the count is met to within a message.
        let bulk = window.bulk();
        let reached = left.is_some_and(|left| bulk >= left);
        let heavy = reached && bulk > window.len() as u64;
        let (pipeline, searcher) = (&self.pipeline, &mut self.searcher);
        let Some(Expect::Execute(flight) | Expect::Query(flight)) = self.expect.front_mut() else {
            return Ok(());
        };
        let bytes: usize = window.bytes();
        let masked = flight
            .inflight
            .mask(pipeline, &columns.masking, searcher, Piece::Copy(window))
            .await;
        flight.window.push(masked);
        flight.window_bytes += bytes;
        if reached || flight.window_bytes >= WINDOW_BYTES {
            self.after_window(reached, heavy).await?;
        }
        Ok(())
    }
}

fn unreadable_copy(error: almoner_wire::postgres::copy::CopyError) -> Ending {
    tracing::error!(%error, "a COPY stream cannot be read");
    Ending::Broken("almoner: the COPY stream cannot be read; nothing more of it was passed on")
}

fn table_columns(look: &Look, relation: u32, named: &[String]) -> Vec<CopyColumn> {
    let Look { catalog, tags, .. } = look;
    let Some(known) = catalog.relations.get(&relation) else {
        return Vec::new();
    };
    let container = format!("{}.{}", known.schema, known.name);
    let mut numbers: Vec<(i16, &Column)> = known
        .columns
        .iter()
        .filter(|(number, column)| **number > 0 && !column.generated)
        .map(|(number, column)| (*number, column))
        .collect();
    numbers.sort_by_key(|(number, _)| *number);
    let column = |(number, column): (i16, &Column)| CopyColumn {
        container: container.clone(),
        name: column.name.clone(),
        type_oid: column.type_oid,
        provenance: tags.provenance(catalog, relation, number),
    };
    if named.is_empty() {
        return numbers.into_iter().map(column).collect();
    }
    named
        .iter()
        .filter_map(|name| {
            numbers
                .iter()
                .find(|(_, known)| known.name == *name)
                .copied()
                .map(column)
        })
        .collect()
}

fn unproven(count: usize) -> Vec<CopyColumn> {
    (0..count)
        .map(|_| CopyColumn {
            container: String::new(),
            name: String::new(),
            type_oid: almoner_wire::postgres::types::oid::TEXT,
            provenance: Provenance::Unproven,
        })
        .collect()
}
