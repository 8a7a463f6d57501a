//! Lays a generation's column tags over a catalog snapshot: which column of which relation holds what, and
//! which relations are sensitive. Tags follow inheritance to partitions and, where the server itself names
//! a column's origin, into views; a view's other columns prove nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::catalog::{Catalog, Relation};
use crate::config::policy::Treatment;
use crate::policy::{Provenance, Standing, tag_of};

/// Views of views are followed so deep; beyond it nothing is proven.
const VIEW_DEPTH_MAX: usize = 16;

/// Relations of the server itself that show other people's values or statements.
const SENSITIVE_CATALOGS: [&str; 24] = [
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_backend_memory_contexts",
    "pg_locks",
    "pg_stat_activity",
    "pg_stat_statements",
    "pg_stat_replication",
    "pg_stat_subscription",
    "pg_stat_wal_receiver",
    "pg_prepared_statements",
    "pg_prepared_xacts",
    "pg_cursors",
    "pg_largeobject",
    "pg_authid",
    "pg_shadow",
    "pg_user_mapping",
    "pg_user_mappings",
    "pg_subscription",
    "pg_foreign_server",
    "pg_hba_file_rules",
    "pg_file_settings",
];

/// The same in `information_schema`: options hold passwords.
const SENSITIVE_INFORMATION: [&str; 4] = [
    "_pg_foreign_servers",
    "_pg_user_mappings",
    "foreign_server_options",
    "user_mapping_options",
];

/// Tags over one snapshot.
#[derive(Default)]
pub(super) struct Tags {
    pub(super) generation: u64,
    pub(super) catalog: u64,
    columns: HashMap<(u32, i16), (Arc<str>, Option<Treatment>)>,
    /// Columns computed from tagged ones.
    computed: HashSet<(u32, i16)>,
    sensitive: HashSet<u32>,
}

impl Tags {
    pub(super) fn lay(catalog: &Catalog, standing: &Standing, resource: &str) -> Self {
        let mut tags = Self {
            generation: standing.generation(),
            catalog: catalog.version,
            ..Self::default()
        };
        let written = standing.columns();
        for (oid, relation) in &catalog.relations {
            for (number, column) in &relation.columns {
                let tag = tag_of(
                    written,
                    resource,
                    &relation.schema,
                    &relation.name,
                    &column.name,
                );
                if let Some(tag) = tag {
                    tags.columns
                        .insert((*oid, *number), (tag.kind.as_str().into(), tag.treatment));
                    tags.sensitive.insert(*oid);
                }
            }
            if is_sensitive_catalog(relation) {
                tags.sensitive.insert(*oid);
            }
        }
        tags.inherit(catalog);
        tags.find_computed(catalog);
        tags.follow_views(catalog);
        tags
    }

    /// Whether the policy tags anything of it, or anything it shows.
    pub(super) fn is_sensitive(&self, relation: u32) -> bool {
        self.sensitive.contains(&relation)
    }

    /// What is proven of a column of a known relation.
    pub(super) fn provenance(&self, catalog: &Catalog, relation: u32, column: i16) -> Provenance {
        self.trace(catalog, relation, column, VIEW_DEPTH_MAX)
    }

    fn trace(&self, catalog: &Catalog, relation: u32, column: i16, depth: usize) -> Provenance {
        if let Some((kind, treatment)) = self.columns.get(&(relation, column)) {
            return Provenance::Tagged {
                kind: Arc::clone(kind),
                treatment: *treatment,
            };
        }
        let Some(known) = catalog.relations.get(&relation) else {
            return Provenance::Unproven;
        };
        // A column added since may be one that a tag is about.
        if column != 0 && !known.columns.contains_key(&column) {
            return Provenance::Unproven;
        }
        if !self.is_sensitive(relation) {
            return Provenance::Proven;
        }
        // Whole rows, columns made of tagged ones, and what the server's own catalogs compute.
        if column == 0
            || self.computed.contains(&(relation, column))
            || is_sensitive_catalog(known)
            || depth == 0
        {
            return Provenance::Unproven;
        }
        match (known.is_view, known.origins.get(&column)) {
            (false, _) => Provenance::Proven,
            (true, Some((origin, number))) => self.trace(catalog, *origin, *number, depth - 1),
            (true, None) => Provenance::Unproven,
        }
    }

    /// Parents hand their tags down by column name. They show their children's rows, so they take over what
    /// their children's columns are tagged with, too. Ends because tags are only ever added.
    fn inherit(&mut self, catalog: &Catalog) {
        let mut changed = true;
        while changed {
            changed = false;
            for (oid, relation) in &catalog.relations {
                for parent_oid in &relation.parents {
                    let Some(parent) = catalog.relations.get(parent_oid) else {
                        continue;
                    };
                    for (number, column) in &relation.columns {
                        let of_parent = parent
                            .columns
                            .iter()
                            .find(|(_, of_parent)| of_parent.name == column.name);
                        if let Some((parents, _)) = of_parent {
                            let (own, above) = ((*oid, *number), (*parent_oid, *parents));
                            changed |= self.share(above, own) || self.share(own, above);
                        }
                    }
                    for (a, b) in [(oid, parent_oid), (parent_oid, oid)] {
                        if self.sensitive.contains(a) {
                            changed |= self.sensitive.insert(*b);
                        }
                    }
                }
            }
        }
    }

    /// Gives `to` the tag of `from`, if it has none of its own. Whether it did.
    fn share(&mut self, from: (u32, i16), to: (u32, i16)) -> bool {
        match self.columns.get(&from).cloned() {
            Some(tag) if !self.columns.contains_key(&to) => {
                self.columns.insert(to, tag);
                true
            }
            _ => false,
        }
    }

    /// Generated columns hold what they are made of.
    fn find_computed(&mut self, catalog: &Catalog) {
        for (oid, relation) in &catalog.relations {
            for (number, column) in &relation.columns {
                let of_tagged = |of: &i16| self.columns.contains_key(&(*oid, *of));
                if column.made_of.iter().any(of_tagged) {
                    self.computed.insert((*oid, *number));
                }
            }
        }
    }

    /// A view is sensitive if what it reads is; its columns have the tags of their origins.
    fn follow_views(&mut self, catalog: &Catalog) {
        let mut changed = true;
        while changed {
            changed = false;
            for (oid, relation) in &catalog.relations {
                // The server's own views are judged by the list above, not by what they join.
                if relation.schema == "pg_catalog" || relation.schema == "information_schema" {
                    continue;
                }
                if relation.reads.iter().any(|read| {
                    self.sensitive.contains(read) || !catalog.relations.contains_key(read)
                }) {
                    changed |= self.sensitive.insert(*oid);
                }
                for (number, origin) in &relation.origins {
                    if let Some(tag) = self.columns.get(origin).cloned()
                        && !self.columns.contains_key(&(*oid, *number))
                    {
                        self.columns.insert((*oid, *number), tag);
                        changed = true;
                    }
                }
            }
        }
    }
}

fn is_sensitive_catalog(relation: &Relation) -> bool {
    let name = relation.name.as_str();
    match relation.schema.as_str() {
        "pg_catalog" => SENSITIVE_CATALOGS.contains(&name),
        "information_schema" => SENSITIVE_INFORMATION.contains(&name),
        _ => name == "pg_stat_statements",
    }
}
