//! What the names of a statement mean on a ground: which relations are sensitive, which functions nobody
//! knows, and what a function of the server's own shows of other people's doings. A name that cannot be
//! resolved for certain counts as sensitive.

use almoner_sql::{Access, Statement};

use super::action::Ground;

/// Functions of the server's own behind its views of statements, sessions, locks and statistics. Whoever
/// calls them directly sees what those views show.
const TELLING_FUNCTIONS: [&str; 13] = [
    "pg_cursor",
    "pg_get_backend_memory_contexts",
    "pg_lock_status",
    "pg_mcv_list_items",
    "pg_prepared_statement",
    "pg_prepared_xact",
    "pg_stat_get_activity",
    "pg_stat_get_backend_activity",
    "pg_stat_get_backend_client_addr",
    "pg_stat_get_subscription",
    "pg_stat_get_wal_receiver",
    "pg_stat_get_wal_senders",
    "pg_show_all_file_settings",
];

/// What the names of a statement mean on this ground.
#[derive(Default)]
pub(super) struct Names {
    pub(super) relations: Vec<String>,
    pub(super) sensitive: Vec<String>,
    pub(super) unknown_functions: Vec<String>,
    /// It calls nothing that may change anything.
    pub(super) all_quiet: bool,
    /// A function may return anything: it lies outside `pg_catalog`, or shows what others do.
    pub(super) taints: bool,
    /// Writing to one of its relations changes a sensitive one through a foreign key.
    pub(super) echoes: bool,
}

impl Names {
    pub(super) fn of(facts: &Statement, ground: &Ground<'_>) -> Self {
        let mut names = Self {
            all_quiet: true,
            ..Self::default()
        };
        for relation in &facts.relations {
            names.relation(
                relation.schema.as_deref(),
                &relation.name,
                relation.access,
                ground,
            );
        }
        for function in &facts.functions {
            names.function(function.schema.as_deref(), &function.name, ground);
        }
        // `x.name` calls a function where it is no column.
        for attribute in &facts.attributes {
            let catalog = ground.catalog;
            if catalog.loud_functions.contains(attribute)
                || catalog.foreign_functions.contains(attribute)
                || TELLING_FUNCTIONS.contains(&attribute.as_str())
            {
                names.function(None, attribute, ground);
            }
        }
        names
    }

    fn relation(&mut self, schema: Option<&str>, name: &str, access: Access, ground: &Ground<'_>) {
        let written = label(schema, name);
        let known = ground.relation(schema, name);
        if known.is_none_or(|oid| ground.tags.is_sensitive(oid))
            && !self.sensitive.contains(&written)
        {
            self.sensitive.push(written.clone());
        }
        if let Some(oid) = known
            && access != Access::Read
        {
            self.echoes |= ground
                .catalog
                .changed_with(oid)
                .any(|other| ground.tags.is_sensitive(other));
        }
        if !self.relations.contains(&written) {
            self.relations.push(written);
        }
    }

    fn function(&mut self, schema: Option<&str>, name: &str, ground: &Ground<'_>) {
        let catalog = ground.catalog;
        self.taints |= TELLING_FUNCTIONS.contains(&name);
        if catalog.is_quiet(schema, name) {
            return;
        }
        if catalog.is_builtin(schema, name) && catalog.loud_functions.contains(name) {
            self.all_quiet = false;
            return;
        }
        self.taints = true;
        if ground.is_known(schema, name) {
            return;
        }
        self.all_quiet = false;
        let written = label(schema, name);
        if !self.unknown_functions.contains(&written) {
            self.unknown_functions.push(written);
        }
    }
}

/// A name as it is written.
pub(super) fn label(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_owned(),
    }
}
