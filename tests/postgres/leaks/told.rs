//! What the server tells besides rows: errors, notices, settings it reports, its own views of statements,
//! statistics and sessions.

use super::Must::{Fail, Mask, NotTell, Refuse};
use super::Sent::{self, Lines, Once};
use super::{Must, check, plan};

#[test]
fn neither_errors_nor_the_servers_own_views_tell_a_value() {
    check(&plan().start().unwrap(), TOLD);
}

const WITHHELD: Must = Fail("withheld");

const TOLD: &[(Sent, Must)] = &[
    (Once("select ssn::int from patients"), WITHHELD),
    (Once("select reverse(ssn)::int from patients"), WITHHELD),
    (
        Once("select reverse(ssn)::regclass from patients"),
        WITHHELD,
    ),
    (Once("select reverse(ssn)::regtype from patients"), WITHHELD),
    (Once("select reverse(ssn)::regproc from patients"), WITHHELD),
    (
        Once("select reverse(ssn)::regrole, reverse(ssn)::regnamespace from patients"),
        WITHHELD,
    ),
    (
        Once("select reverse(ssn)::regconfig from patients"),
        WITHHELD,
    ),
    (
        Once("select current_setting(reverse(ssn)) from patients"),
        WITHHELD,
    ),
    (
        Once("select has_table_privilege(reverse(ssn), 'select') from patients"),
        WITHHELD,
    ),
    (
        Once("select pg_get_serial_sequence(reverse(ssn), 'a') from patients"),
        WITHHELD,
    ),
    (Once("select nextval(reverse(ssn)) from patients"), WITHHELD),
    (Once("select reverse(ssn)::mood from patients"), WITHHELD),
    (
        Once("select reverse(ssn)::xml, ('<a>' || reverse(ssn))::xml from patients"),
        NotTell,
    ),
    (
        Once("select ('{' || reverse(ssn))::json from patients"),
        WITHHELD,
    ),
    (
        Once("select ('{' || reverse(ssn))::text[] from patients"),
        WITHHELD,
    ),
    (
        Once("select to_date(reverse(ssn), 'YYYY') from patients"),
        NotTell,
    ),
    (Once("select reverse(ssn)::date from patients"), NotTell),
    (Once("select reverse(ssn)::inet from patients"), WITHHELD),
    (
        Once("select now() at time zone reverse(ssn) from patients"),
        WITHHELD,
    ),
    (
        Once("select encode('x', reverse(ssn)) from patients"),
        WITHHELD,
    ),
    (Once("select decode(ssn, 'hex') from patients"), WITHHELD),
    (
        Once("select regexp_replace('x', '(' || reverse(ssn), '') from patients"),
        WITHHELD,
    ),
    (
        Once("select format(reverse(ssn) || '%') from patients"),
        WITHHELD,
    ),
    (
        Once("select jsonb_path_query('{}', reverse(ssn)::jsonpath) from patients"),
        WITHHELD,
    ),
    (
        Once("select xpath(reverse(ssn), '<a/>') from patients"),
        NotTell,
    ),
    (
        Once("select 1 / (length(ssn) - length(ssn)) from patients"),
        WITHHELD,
    ),
    (
        Once("select 1 from patients where reverse(ssn)::int = 1"),
        WITHHELD,
    ),
    (
        Once("select count(*) from patients where reverse(ssn)::regclass is null"),
        WITHHELD,
    ),
    (
        Once("insert into people (id, ssn) values (1, 'x')"),
        WITHHELD,
    ),
    (
        Once("update patients set patient_id = 2 where patient_id = 1"),
        WITHHELD,
    ),
    (
        Once("update patients set given_name = null where patient_id = 1"),
        WITHHELD,
    ),
    (
        Once("insert into claims values (9999, 1, 1, '1999-01-01', 'x', 'x', 1, 'x')"),
        WITHHELD,
    ),
    (Once("delete from wards where ward_id = 1"), WITHHELD),
    (
        Lines(
            "begin;\ndeclare c cursor with hold for select reverse(ssn)::int from patients;\ncommit;\n",
        ),
        WITHHELD,
    ),
    (
        Lines(
            "begin;\ndeclare c cursor for select reverse(ssn)::int from patients;\nfetch all from c;\ncommit;\n",
        ),
        WITHHELD,
    ),
    (
        Lines("begin;\ncommit;\ncommit;\nselect 'alive';\n"),
        Must::Show("alive"),
    ),
    (
        Once("select nope from patients"),
        Fail("column \"nope\" does not exist"),
    ),
    (Once("select * from patiens"), NotTell),
    (Once("selec 1"), Refuse),
    (
        Once("do $$ begin raise notice '%', (select reverse(ssn) from patients limit 1); end $$"),
        Refuse,
    ),
    (
        Once(
            "do $$ begin raise exception '%', (select reverse(ssn) from patients limit 1) using column = 'x'; end $$",
        ),
        Refuse,
    ),
    (
        Once(
            "set client_min_messages = debug5; set debug_print_plan = on; select reverse(ssn) from patients where ssn <> 'x'",
        ),
        Mask,
    ),
    (
        Once("select * from pg_stats where tablename = 'patients'"),
        Mask,
    ),
    (
        Once("select most_common_vals::text, histogram_bounds::text from pg_stats limit 150"),
        Mask,
    ),
    (Once("select * from pg_statistic"), NotTell),
    (Once("select stavalues1::text from pg_statistic"), NotTell),
    (Once("select query from pg_stat_activity"), Mask),
    (Once("select reverse(query) from pg_stat_activity"), Mask),
    (
        Once("select reverse(a.query) from pg_stat_get_activity(null) a"),
        Mask,
    ),
    (
        Once("select pg_stat_get_backend_activity(i) from generate_series(1, 20) i"),
        Mask,
    ),
    (
        Once("select x.pg_stat_get_backend_activity from generate_series(1, 20) x"),
        Mask,
    ),
    (Once("select * from pg_prepared_statements"), Mask),
    (Once("select statement from pg_prepared_statement()"), Mask),
    (Once("select * from pg_cursors"), Mask),
    (Once("select statement from pg_cursor()"), Mask),
    (Once("select current_query()"), Mask),
    (Once("select rolpassword from pg_authid"), NotTell),
    (Once("select * from pg_user_mappings"), NotTell),
    (
        Once("select option_value from information_schema.user_mapping_options"),
        Mask,
    ),
    (Once("select pg_read_file('PG_VERSION')"), Refuse),
    (
        Once("select f.pg_read_file from unnest(array['PG_VERSION']) f"),
        Refuse,
    ),
    (Once("select pg_ls_dir('.')"), Refuse),
    (Once("select * from pg_ls_waldir()"), Refuse),
    (Once("select lo_import('/etc/passwd')"), Refuse),
    (Once("copy scratch from '/etc/passwd'"), Refuse),
    (Once("copy scratch from program 'id'"), Refuse),
    (Once("copy patients to program 'cat'"), Refuse),
    (Once("copy patients to '/tmp/almoner-never'"), Refuse),
    (Once("copy patients to stdout (format binary)"), Refuse),
    (Once("copy patients to stdout (encoding 'latin1')"), Refuse),
    (
        Once("select * from dblink('dbname=clinic_db', 'select ssn from patients') as t(a text)"),
        Refuse,
    ),
    (Once("create extension dblink"), Refuse),
    (Once("create foreign table f (a text) server s"), Refuse),
    (Once("listen c"), Refuse),
    (Once("notify c, 'x'"), Refuse),
    (Once("set role postgres"), Refuse),
    (Once("set session authorization default"), Refuse),
    (Once("select set_config('role', 'postgres', false)"), Refuse),
    (Once("set standard_conforming_strings = off"), Refuse),
    (Once("set standard_conforming_strings to default"), Refuse),
    (Once("set client_encoding = latin1"), Refuse),
    (Once("set client_encoding = sjis -- utf8"), Refuse),
    (
        Once("set client_encoding = /* utf8 */ gbk -- \n-- utf8"),
        Refuse,
    ),
    (Once("set names default"), Refuse),
    (
        Once("select set_config('client_encoding', 'big5', false)"),
        Refuse,
    ),
    (
        Once("set row_security = off; select reverse(ssn) from patients"),
        Mask,
    ),
    (
        Once("set datestyle = 'German'; select birth_date from patients"),
        Mask,
    ),
    (
        Once("set intervalstyle = 'sql_standard'; select age(birth_date) from patients"),
        Mask,
    ),
    (
        Once("set bytea_output = 'escape'; select ssn::bytea from patients"),
        Mask,
    ),
    (
        Once("set xmlbinary = 'hex'; select xmlelement(name a, ssn::bytea) from patients"),
        Mask,
    ),
    (
        Once("set extra_float_digits = 3; select replace(ssn, '-', '')::float8 from patients"),
        Mask,
    ),
];
