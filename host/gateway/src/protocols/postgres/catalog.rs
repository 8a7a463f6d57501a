//! What a server's relations, columns and functions are: the ground on which provenance is proven. A
//! snapshot, read over the gateway's own connection and shared by all sessions of a resource; policy tags
//! are laid over it elsewhere. What it does not hold counts as unknown, and unknown counts as sensitive.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, Notify};

use super::catalog_load;
use super::tags::Tags;
use super::upstream::{Dialer, UpstreamError};
use crate::policy::Standing;

/// A snapshot is read again this often while the resource is in use, so that changes made behind the
/// gateway's back are seen. Until then what is unknown is masked.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// Reading a snapshot may take so long.
const LOAD_WAIT_MAX: Duration = Duration::from_secs(60);

/// One snapshot.
#[derive(Default)]
pub(super) struct Catalog {
    /// Grows with each snapshot of this resource.
    pub(super) version: u64,
    pub(super) relations: HashMap<u32, Relation>,
    by_name: HashMap<(String, String), u32>,
    /// Schemas searched for unqualified names, in order.
    pub(super) search_path: Vec<String>,
    /// Functions of `pg_catalog` none of whose overloads is volatile.
    pub(super) quiet_functions: HashSet<String>,
    /// Functions of `pg_catalog` with a volatile overload.
    pub(super) loud_functions: HashSet<String>,
    /// Names of functions anywhere else.
    pub(super) foreign_functions: HashSet<String>,
    /// Types whose values are names out of the schema.
    pub(super) enums: HashSet<u32>,
}

/// A table, view, materialised view, foreign or partitioned table.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: HashMap<i16, Column>,
    /// Tables it inherits from or is a partition of.
    pub(super) parents: Vec<u32>,
    /// Relations a view reads.
    pub(super) reads: Vec<u32>,
    /// Whether `origins` is known to be whole.
    pub(super) is_view: bool,
    /// Where a view's columns come from, as the server itself describes its query.
    pub(super) origins: HashMap<i16, (u32, i16)>,
    /// Relations whose rows change with this one's, by foreign keys that delete or set.
    pub(super) cascades: Vec<u32>,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) type_oid: u32,
    /// Computed by the server; `COPY` leaves it out.
    pub(super) generated: bool,
    /// The columns it is computed from.
    pub(super) made_of: Vec<i16>,
}

impl Catalog {
    pub(super) fn new(
        version: u64,
        relations: HashMap<u32, Relation>,
        search_path: Vec<String>,
    ) -> Self {
        let by_name = relations
            .iter()
            .map(|(oid, relation)| ((relation.schema.clone(), relation.name.clone()), *oid))
            .collect();
        Self {
            version,
            relations,
            by_name,
            search_path,
            ..Self::default()
        }
    }

    /// The relation a name means, with the schema given or by the search path.
    pub(super) fn resolve(&self, schema: Option<&str>, name: &str) -> Option<u32> {
        let find = |schema: &str| {
            self.by_name
                .get(&(schema.to_owned(), name.to_owned()))
                .copied()
        };
        match schema {
            Some(schema) => find(schema),
            None => self.search_path.iter().find_map(|schema| find(schema)),
        }
    }

    /// Whether a column that the server names is not in the snapshot.
    pub(super) fn lacks(&self, relation: u32, column: i16) -> bool {
        let known = || {
            self.relations
                .get(&relation)
                .is_some_and(|known| column == 0 || known.columns.contains_key(&column))
        };
        relation != 0 && !known()
    }

    /// Relations whose rows change when rows of `relation` do, each once.
    pub(super) fn changed_with(&self, relation: u32) -> impl Iterator<Item = u32> {
        let mut found = vec![relation];
        let mut at = 0;
        while let Some(one) = found.get(at).copied() {
            at += 1;
            let cascades = self
                .relations
                .get(&one)
                .map(|known| known.cascades.as_slice());
            for next in cascades.unwrap_or_default() {
                if !found.contains(next) {
                    found.push(*next);
                }
            }
        }
        found.into_iter().skip(1)
    }

    /// Whether calling a function by this name changes nothing and runs no code of the database's owners.
    pub(super) fn is_quiet(&self, schema: Option<&str>, name: &str) -> bool {
        self.is_builtin(schema, name) && self.quiet_functions.contains(name)
    }

    /// Whether a function name can only mean one of `pg_catalog`. `pg_catalog` is searched first, but an
    /// overload elsewhere may fit the arguments better.
    pub(super) fn is_builtin(&self, schema: Option<&str>, name: &str) -> bool {
        match schema {
            Some("pg_catalog") => true,
            Some(_) => false,
            None => !self.foreign_functions.contains(name),
        }
    }
}

/// What is known of a resource at one moment: all of it of the same snapshot.
pub(super) struct Look {
    /// Nobody was changing definitions when this was the snapshot.
    pub(super) settled: bool,
    /// The snapshot.
    pub(super) catalog: Arc<Catalog>,
    /// The policy's tags over it.
    pub(super) tags: Arc<Tags>,
}

/// The snapshots of one resource.
pub struct Catalogs {
    resource: String,
    dialer: Arc<Dialer>,
    current: ArcSwap<Catalog>,
    tags: ArcSwap<Tags>,
    loaded: AtomicBool,
    /// Somebody is changing definitions: what the snapshot says of views and names is not to be leaned on.
    changing: AtomicU64,
    wanted: Notify,
    loading: Mutex<()>,
}

impl Catalogs {
    /// For a resource reached through `dialer`.
    pub(super) fn new(resource: String, dialer: Arc<Dialer>) -> Arc<Self> {
        Arc::new(Self {
            resource,
            dialer,
            current: ArcSwap::from_pointee(Catalog::default()),
            tags: ArcSwap::from_pointee(Tags::default()),
            loaded: AtomicBool::new(false),
            changing: AtomicU64::new(0),
            wanted: Notify::new(),
            loading: Mutex::new(()),
        })
    }

    /// Keeps the snapshot fresh for as long as the gateway runs.
    pub async fn keep_fresh(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.wanted.notified() => {}
                () = tokio::time::sleep(REFRESH_EVERY) => {
                    // A resource nobody has used needs no snapshot.
                    if !self.loaded.load(Ordering::Acquire) {
                        continue;
                    }
                }
            }
            if let Err(error) = self.load().await {
                tracing::warn!(resource = %self.resource, %error, "the catalog could not be read again; what is unknown stays masked");
            }
        }
    }

    /// The first snapshot, read when the first session needs it.
    pub(super) async fn ready(&self) -> Result<(), UpstreamError> {
        if self.loaded.load(Ordering::Acquire) {
            return Ok(());
        }
        let _one = self.loading.lock().await;
        if self.loaded.load(Ordering::Acquire) {
            return Ok(());
        }
        self.read().await
    }

    /// Asks for a fresh snapshot soon.
    pub(super) fn refresh_soon(&self) {
        self.wanted.notify_one();
    }

    /// Definitions are about to change: until the change is dropped and a snapshot was read since, views
    /// and names prove nothing, for any session.
    pub(super) fn changing(self: &Arc<Self>) -> Change {
        self.changing.fetch_add(1, Ordering::AcqRel);
        Change(Arc::clone(self))
    }

    /// Whether the snapshot can be leaned on for names and views.
    pub(super) fn is_settled(&self) -> bool {
        self.changing.load(Ordering::Acquire) == 0
    }

    /// The snapshot in use.
    pub(super) fn current(&self) -> Arc<Catalog> {
        self.current.load_full()
    }

    /// The snapshot in use with the policy's tags over it, and whether it can be leaned on.
    pub(super) fn look(&self, standing: &Standing) -> Look {
        // Asked first: a change that ends in between leaves its snapshot behind, and this one is not it.
        let settled = self.is_settled();
        let catalog = self.current();
        Look {
            settled,
            tags: self.tags(&catalog, standing),
            catalog,
        }
    }

    fn tags(&self, catalog: &Catalog, standing: &Standing) -> Arc<Tags> {
        let tags = self.tags.load_full();
        if tags.generation == standing.generation() && tags.catalog == catalog.version {
            return tags;
        }
        let tags = Arc::new(Tags::lay(catalog, standing, &self.resource));
        self.tags.store(Arc::clone(&tags));
        tags
    }

    async fn load(&self) -> Result<(), UpstreamError> {
        let _one = self.loading.lock().await;
        self.read().await
    }

    async fn read(&self) -> Result<(), UpstreamError> {
        let version = self.current.load().version + 1;
        let reading = catalog_load::load(&self.dialer, version);
        let catalog = tokio::time::timeout(LOAD_WAIT_MAX, reading)
            .await
            .map_err(|_| UpstreamError::Timeout("reading its catalog"))??;
        self.current.store(Arc::new(catalog));
        self.loaded.store(true, Ordering::Release);
        Ok(())
    }
}

/// Definitions are being changed by a session, up to the end of its transaction.
pub(super) struct Change(Arc<Catalogs>);

impl Drop for Change {
    fn drop(&mut self) {
        let catalogs = Arc::clone(&self.0);
        // Outside of a runtime there is nobody left to ask.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                while let Err(error) = catalogs.load().await {
                    tracing::warn!(resource = %catalogs.resource, %error, "the catalog could not be read after a change; names and views stay unproven");
                    tokio::time::sleep(REFRESH_EVERY).await;
                }
                catalogs.changing.fetch_sub(1, Ordering::AcqRel);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_along_the_search_path() {
        let relation = |schema: &str| Relation {
            schema: schema.into(),
            name: "p".into(),
            ..Relation::default()
        };
        let relations = HashMap::from([(1, relation("public")), (2, relation("hr"))]);
        let catalog = Catalog::new(1, relations, vec!["hr".into(), "public".into()]);
        assert_eq!(catalog.resolve(None, "p"), Some(2));
        assert_eq!(catalog.resolve(Some("public"), "p"), Some(1));
        assert_eq!(catalog.resolve(Some("nowhere"), "p"), None);
    }

    #[test]
    fn a_builtin_name_that_somebody_overloads_proves_nothing() {
        let mut catalog = Catalog::default();
        catalog.quiet_functions.insert("lower".into());
        assert!(catalog.is_quiet(None, "lower"));
        catalog.foreign_functions.insert("lower".into());
        assert!(!catalog.is_quiet(None, "lower"));
        assert!(catalog.is_quiet(Some("pg_catalog"), "lower"));
        assert!(!catalog.is_quiet(Some("public"), "lower"));
    }
}
