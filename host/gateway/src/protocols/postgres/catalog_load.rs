//! Reads a catalog snapshot over a connection of the gateway's own. Where a view's columns come from is
//! asked of the server itself: it describes the view's query, and describing runs nothing.

use std::collections::{HashMap, HashSet};

use almoner_wire::postgres::frontend::{Parse, Target};
use almoner_wire::postgres::{Backend, DataRow, Decoder, Direction, Frontend, Limits};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::catalog::{Catalog, Column, Relation};
use super::upstream::{Dialer, Upstream, UpstreamError};

/// Rows of one catalog query; a database with more relations or columns than this is not understood.
const ROWS_MAX: usize = 2_000_000;
/// Views whose columns are traced.
const VIEWS_MAX: usize = 5_000;
/// One message of a catalog query.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

const RELATIONS: &str = "select c.oid, n.nspname, c.relname, c.relkind from pg_catalog.pg_class c \
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r','v','m','f','p') and n.nspname <> 'pg_toast' and c.relpersistence <> 't'";
const COLUMNS: &str = "select a.attrelid, a.attnum, a.attname, a.atttypid, a.attgenerated <> '' from pg_catalog.pg_attribute a \
    join pg_catalog.pg_class c on c.oid = a.attrelid \
    where c.relkind in ('r','v','m','f','p') and c.relpersistence <> 't' and not a.attisdropped";
const PARENTS: &str = "select inhrelid, inhparent from pg_catalog.pg_inherits order by 1, 2";
const READS: &str = "select distinct r.ev_class, d.refobjid from pg_catalog.pg_rewrite r \
    join pg_catalog.pg_depend d on d.objid = r.oid \
    and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
    where d.refobjid <> r.ev_class order by 1, 2";
const CASCADES: &str = "select confrelid, conrelid from pg_catalog.pg_constraint \
    where contype = 'f' and conrelid <> confrelid \
    and (confdeltype in ('c','n','d') or confupdtype in ('c','n','d')) order by 1, 2";
const MADE_OF: &str = "select d.adrelid, d.adnum, p.refobjsubid from pg_catalog.pg_attrdef d \
    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attgenerated <> '' \
    join pg_catalog.pg_depend p on p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
    and p.refobjid = d.adrelid and p.refobjsubid <> 0 and p.refobjsubid <> d.adnum \
    and ((p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and p.objid = d.oid) \
    or (p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and p.objid = d.adrelid and p.objsubid = d.adnum)) order by 1, 2, 3";
const PATH: &str = "select pg_catalog.unnest(pg_catalog.current_schemas(true))";
const QUIET: &str = "select p.proname from pg_catalog.pg_proc p \
    where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace \
    group by p.proname having not bool_or(p.provolatile = 'v' or p.oid >= 16384)";
const LOUD: &str = "select p.proname from pg_catalog.pg_proc p \
    where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace \
    group by p.proname having bool_or(p.provolatile = 'v') and not bool_or(p.oid >= 16384)";
// What extensions put into `pg_catalog` has a number that initdb does not give.
const FOREIGN: &str = "select distinct p.proname from pg_catalog.pg_proc p \
    where p.pronamespace <> 'information_schema'::pg_catalog.regnamespace \
    and (p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace or p.oid >= 16384)";
const ENUMS: &str = "select oid from pg_catalog.pg_type where typtype = 'e'";
const VIEWS: &str = "select c.oid, pg_catalog.pg_get_viewdef(c.oid) from pg_catalog.pg_class c \
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('v','m') and n.nspname not in ('pg_catalog', 'information_schema')";

pub(super) async fn load(dialer: &Dialer, version: u64) -> Result<Catalog, UpstreamError> {
    let mut client = Client::new(dialer.log_in(&[]).await?);
    let mut relations: HashMap<u32, Relation> = HashMap::new();
    for row in client.rows(RELATIONS).await? {
        let (Some(oid), Some(schema), Some(name), Some(kind)) =
            (number(&row, 0), text(&row, 1), text(&row, 2), text(&row, 3))
        else {
            continue;
        };
        let relation = Relation {
            schema,
            name,
            is_view: matches!(kind.as_str(), "v" | "m"),
            ..Relation::default()
        };
        relations.insert(oid, relation);
    }
    for row in client.rows(COLUMNS).await? {
        if let (Some(oid), Some(attnum), Some(name)) =
            (number(&row, 0), small(&row, 1), text(&row, 2))
            && let Some(relation) = relations.get_mut(&oid)
        {
            let column = Column {
                name,
                type_oid: number(&row, 3).unwrap_or(0),
                generated: text(&row, 4).as_deref() == Some("t"),
                made_of: Vec::new(),
            };
            relation.columns.insert(attnum, column);
        }
    }
    for row in client.rows(PARENTS).await? {
        if let (Some(child), Some(parent)) = (number(&row, 0), number(&row, 1))
            && let Some(relation) = relations.get_mut(&child)
        {
            relation.parents.push(parent);
        }
    }
    for row in client.rows(READS).await? {
        if let (Some(view), Some(read)) = (number(&row, 0), number(&row, 1))
            && let Some(relation) = relations.get_mut(&view)
        {
            relation.reads.push(read);
        }
    }
    for row in client.rows(CASCADES).await? {
        if let (Some(from), Some(to)) = (number(&row, 0), number(&row, 1))
            && let Some(relation) = relations.get_mut(&from)
        {
            relation.cascades.push(to);
        }
    }
    for row in client.rows(MADE_OF).await? {
        if let (Some(relation), Some(made), Some(of)) =
            (number(&row, 0), small(&row, 1), small(&row, 2))
            && let Some(column) = relations
                .get_mut(&relation)
                .and_then(|relation| relation.columns.get_mut(&made))
        {
            column.made_of.push(of);
        }
    }
    let views = client.rows(VIEWS).await?;
    for row in views.into_iter().take(VIEWS_MAX) {
        if let (Some(view), Some(query)) = (number(&row, 0), text(&row, 1)) {
            let origins = client.origins(&query).await?;
            if let Some(relation) = relations.get_mut(&view) {
                relation.origins = origins;
            }
        }
    }
    let path = client.names(PATH).await?;
    let quiet_functions = client.names(QUIET).await?.into_iter().collect();
    let loud_functions = client.names(LOUD).await?.into_iter().collect();
    let foreign_functions: HashSet<String> = client.names(FOREIGN).await?.into_iter().collect();
    let enums = client
        .rows(ENUMS)
        .await?
        .iter()
        .filter_map(|row| number(row, 0))
        .collect();
    client.leave().await;
    let mut catalog = Catalog::new(version, relations, path);
    catalog.quiet_functions = quiet_functions;
    catalog.loud_functions = loud_functions;
    catalog.foreign_functions = foreign_functions;
    catalog.enums = enums;
    Ok(catalog)
}

type Row = Vec<Option<Bytes>>;

fn text(row: &Row, index: usize) -> Option<String> {
    let bytes = row.get(index)?.as_ref()?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn number(row: &Row, index: usize) -> Option<u32> {
    text(row, index)?.parse().ok()
}

fn small(row: &Row, index: usize) -> Option<i16> {
    text(row, index)?.parse().ok()
}

/// A small client for the gateway's own catalog queries.
struct Client {
    upstream: Upstream,
    decoder: Decoder,
}

impl Client {
    fn new(upstream: Upstream) -> Self {
        Self {
            upstream,
            decoder: Decoder::new(Limits::new(Direction::Backend, MESSAGE_BYTES_MAX)),
        }
    }

    async fn names(&mut self, sql: &'static str) -> Result<Vec<String>, UpstreamError> {
        let rows = self.rows(sql).await?;
        Ok(rows.iter().filter_map(|row| text(row, 0)).collect())
    }

    async fn rows(&mut self, sql: &'static str) -> Result<Vec<Row>, UpstreamError> {
        let query = Frontend::Query {
            sql: Bytes::from_static(sql.as_bytes()),
        };
        self.send(&[query]).await?;
        let mut rows = Vec::new();
        let mut failed = None;
        loop {
            match self.next().await? {
                Backend::DataRow(body) => {
                    let row = DataRow::decode(body)?;
                    rows.push(
                        row.cells()
                            .map(|cell| cell.map(Bytes::copy_from_slice))
                            .collect(),
                    );
                    if rows.len() > ROWS_MAX {
                        return Err(UpstreamError::Protocol(
                            "a catalog larger than is understood",
                        ));
                    }
                }
                Backend::ErrorResponse(fields) => {
                    let code = fields
                        .code()
                        .map(|code| String::from_utf8_lossy(code).into_owned());
                    failed = Some(UpstreamError::Refused(code.unwrap_or_default()));
                }
                Backend::ReadyForQuery { .. } => return failed.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    /// Where the columns of a query come from; none where it cannot be described.
    async fn origins(&mut self, query: &str) -> Result<HashMap<i16, (u32, i16)>, UpstreamError> {
        self.send(&[
            Frontend::Parse(Parse {
                statement: Bytes::new(),
                sql: Bytes::copy_from_slice(query.trim_end_matches(';').as_bytes()),
                parameter_types: Vec::new(),
            }),
            Frontend::Describe(Target::Statement(Bytes::new())),
            Frontend::Sync,
        ])
        .await?;
        let mut origins = HashMap::new();
        loop {
            match self.next().await? {
                Backend::RowDescription(fields) => {
                    for (index, field) in fields.iter().enumerate() {
                        if let Ok(number) = i16::try_from(index + 1)
                            && field.table_oid != 0
                        {
                            origins.insert(number, (field.table_oid, field.column));
                        }
                    }
                }
                Backend::ReadyForQuery { .. } => return Ok(origins),
                _ => {}
            }
        }
    }

    async fn send(&mut self, messages: &[Frontend]) -> Result<(), UpstreamError> {
        let mut out = BytesMut::new();
        for message in messages {
            message.encode(&mut out)?;
        }
        self.upstream.stream.write_all(&out).await?;
        self.upstream.stream.flush().await?;
        Ok(())
    }

    async fn next(&mut self) -> Result<Backend, UpstreamError> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.upstream.buffer)? {
                return Ok(Backend::decode(&frame)?);
            }
            let upstream = &mut self.upstream;
            if upstream.stream.read_buf(&mut upstream.buffer).await? == 0 {
                return Err(UpstreamError::Io(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    async fn leave(mut self) {
        // The server notices either way.
        let _ = self.send(&[Frontend::Terminate]).await;
    }
}
