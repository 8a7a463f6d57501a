//! Values that come out of an expression: whatever is computed from a tagged column stays hidden.

use super::Must::{Mask, NotTell, Refuse};
use super::Sent::{self, Once};
use super::{Must, check, plan};

#[test]
fn what_is_computed_from_an_identifier_stays_hidden() {
    check(&plan().start().unwrap(), COMPUTED);
}

const COMPUTED: &[(Sent, Must)] = &[
    (Once("select reverse(ssn) from patients"), Mask),
    (Once("select replace(ssn, '-', '') from patients"), Mask),
    (
        Once("select replace(ssn, '-', '')::bigint from patients"),
        Mask,
    ),
    (
        Once("select (replace(ssn, '-', '')::bigint)::numeric * 1 from patients"),
        Mask,
    ),
    (
        Once(
            "select substring(ssn from 1 for 3), substring(ssn from 4), right(ssn, 4) from patients",
        ),
        Mask,
    ),
    (
        Once("select left(mrn, 4), substr(mrn, 5) from patients"),
        Mask,
    ),
    (
        Once("select chr(ascii(substr(ssn, 1, 1))), ascii(substr(ssn, 2, 1)) from patients"),
        Mask,
    ),
    (
        Once("select regexp_replace(ssn, '\\d(\\d)', '\\1x') from patients"),
        Mask,
    ),
    (
        Once("select * from patients p, regexp_split_to_table(p.ssn, '-') part"),
        Mask,
    ),
    (
        Once("select part from patients p, regexp_split_to_table(reverse(p.ssn), '-') part"),
        Mask,
    ),
    (
        Once("select regexp_matches(reverse(ssn), '.*') from patients"),
        Mask,
    ),
    (
        Once("select unnest(string_to_array(reverse(ssn), null)) from patients"),
        Mask,
    ),
    (
        Once("select translate(ssn, '0123456789', 'abcdefghij') from patients"),
        Mask,
    ),
    (
        Once("select encode(ssn::bytea, 'hex'), encode(ssn::bytea, 'base64') from patients"),
        Mask,
    ),
    (Once("select ssn::bytea from patients"), Mask),
    (
        Once("select get_byte(ssn::bytea, 0), get_byte(ssn::bytea, 1) from patients"),
        Mask,
    ),
    (
        Once("select md5(ssn), sha256(ssn::bytea), hashtext(ssn) from patients"),
        Mask,
    ),
    (
        Once("select position('9' in ssn), length(email), octet_length(street) from patients"),
        Mask,
    ),
    (Once("select ssn || '' from patients"), Mask),
    (
        Once("select concat(reverse(ssn)), concat_ws('-', reverse(ssn), 'x') from patients"),
        Mask,
    ),
    (
        Once("select format('%s', reverse(ssn)) from patients"),
        Mask,
    ),
    (
        Once("select ssn::varchar, ssn::char(11), ssn collate \"C\" from patients"),
        Mask,
    ),
    (
        Once("select cast(reverse(ssn) as name) from patients"),
        Mask,
    ),
    (
        Once("select case when ssn is null then 'none' else reverse(ssn) end from patients"),
        Mask,
    ),
    (
        Once("select coalesce(reverse(ssn), 'x'), nullif(reverse(ssn), 'x') from patients"),
        Mask,
    ),
    (
        Once("select greatest(reverse(ssn), '0'), least(reverse(ssn), 'z') from patients"),
        Mask,
    ),
    (
        Once("select array[reverse(ssn)], array[ssn]::text from patients"),
        Mask,
    ),
    (
        Once("select row(reverse(ssn), 1), (row(reverse(ssn), 1))::text from patients"),
        Mask,
    ),
    (Once("select p from patients p"), Mask),
    (Once("select p::text from patients p"), Mask),
    (Once("select reverse(p::text) from patients p"), Mask),
    (
        Once("select to_json(reverse(ssn)), to_jsonb(p) from patients p"),
        Mask,
    ),
    (
        Once("select to_jsonb(p) ->> 'ssn', to_jsonb(p) #>> '{mrn}' from patients p"),
        Mask,
    ),
    (
        Once("select row_to_json(p), json_build_object('a', reverse(ssn)) from patients p"),
        Mask,
    ),
    (
        Once(
            "select json_agg(reverse(ssn)), jsonb_agg(p), json_object_agg(patient_id, reverse(ssn)) from patients p",
        ),
        Mask,
    ),
    (
        Once(
            "select key, value from patients p, jsonb_each_text(to_jsonb(p)) where patient_id = 1",
        ),
        Mask,
    ),
    (
        Once("select jsonb_object_keys(jsonb_build_object(reverse(ssn), 1)) from patients"),
        Mask,
    ),
    (
        Once("select jsonb_path_query(to_jsonb(p), '$.ssn') from patients p"),
        Mask,
    ),
    (
        Once("select array_agg(reverse(ssn)), string_agg(reverse(ssn), ',') from patients"),
        Mask,
    ),
    (
        Once(
            "select string_agg(reverse(ssn)::text, ',' order by patient_id) filter (where true) from patients",
        ),
        Mask,
    ),
    (
        Once("select xmlagg(xmlelement(name a, reverse(ssn))) from patients"),
        Mask,
    ),
    (
        Once(
            "select xmlforest(reverse(ssn) as a), xmlconcat(xmlelement(name b, ssn)) from patients",
        ),
        Mask,
    ),
    (
        Once("select (xpath('/a/text()', xmlelement(name a, reverse(ssn))))[1] from patients"),
        Mask,
    ),
    (
        Once(
            "select x.* from patients p, xmltable('/a' passing xmlelement(name a, reverse(p.ssn)) columns v text path '.') x",
        ),
        Mask,
    ),
    (
        Once("select query_to_xml('select ssn from patients', true, true, '')"),
        Refuse,
    ),
    (
        Once("select table_to_xml('patients', true, true, '')"),
        Refuse,
    ),
    (
        Once("select schema_to_xml('public', true, true, '')"),
        Refuse,
    ),
    (Once("select database_to_xml(true, true, '')"), Refuse),
    (
        Once("select cursor_to_xml('c', 10, true, true, '')"),
        Refuse,
    ),
    (
        Once("select max(reverse(ssn)), min(reverse(mrn)) from patients"),
        Mask,
    ),
    (Once("select max(ssn), min(phone) from patients"), Mask),
    (
        Once("select mode() within group (order by reverse(ssn)) from patients"),
        Mask,
    ),
    (
        Once("select percentile_disc(0.5) within group (order by birth_date) from patients"),
        Mask,
    ),
    (
        Once(
            "select percentile_disc(array[0, 0.5, 1]) within group (order by reverse(ssn)) from patients",
        ),
        Mask,
    ),
    (
        Once(
            "select lag(reverse(ssn)) over (order by patient_id), first_value(reverse(ssn)) over (order by patient_id) from patients",
        ),
        Mask,
    ),
    (
        Once(
            "select lag(ssn) over w, lead(mrn) over w, nth_value(email, 2) over w from patients window w as (order by patient_id)",
        ),
        Mask,
    ),
    (
        Once("select birth_date - date '1900-01-01' from patients"),
        Mask,
    ),
    (
        Once("select birth_date + 0, birth_date::text, birth_date::timestamp from patients"),
        Mask,
    ),
    (
        Once("select to_char(birth_date, 'YYYYMMDD'), to_char(birth_date, 'J') from patients"),
        Mask,
    ),
    (
        Once(
            "select extract(month from birth_date), extract(day from birth_date), date_part('doy', birth_date) from patients",
        ),
        Mask,
    ),
    (
        Once("select age(birth_date), age(birth_date, date '2000-01-01') from patients"),
        Mask,
    ),
    (
        Once(
            "select date_trunc('day', birth_date), birth_date - lag(birth_date) over (order by patient_id) from patients",
        ),
        Mask,
    ),
    (
        Once("select daterange(birth_date, birth_date + 1) from patients"),
        Mask,
    ),
    (
        Once(
            "select generate_series(replace(ssn, '-', '')::bigint, replace(ssn, '-', '')::bigint) from patients",
        ),
        Mask,
    ),
    (
        Once(
            "select width_bucket(replace(ssn, '-', '')::numeric, 0, 1000000000, 1000000000) from patients",
        ),
        Mask,
    ),
    (
        Once(
            "select to_tsvector('simple', reverse(ssn)), to_tsvector('simple', email) from patients",
        ),
        Mask,
    ),
    (
        Once("select ts_headline('simple', reverse(ssn), to_tsquery('simple', 'x')) from patients"),
        Mask,
    ),
    (
        Once("select * from ts_stat('select to_tsvector(''simple'', email) from patients')"),
        Refuse,
    ),
    (
        Once("select quote_literal(reverse(ssn)), quote_ident(reverse(ssn)) from patients"),
        Mask,
    ),
    (
        Once(
            "select overlay(reverse(ssn) placing '' from 1 for 0), lpad(reverse(ssn), 20, '*') from patients",
        ),
        Mask,
    ),
    (
        Once(
            "select convert_to(ssn, 'UTF8'), convert_from(convert_to(reverse(ssn), 'UTF8'), 'UTF8') from patients",
        ),
        Mask,
    ),
    (
        Once(
            "select point(replace(ssn, '-', '')::float8, 0), int8range(replace(ssn, '-', '')::bigint, null) from patients",
        ),
        Mask,
    ),
    (
        Once(
            "select replace(ssn, '-', '')::int8::bit(64), replace(ssn, '-', '')::money from patients",
        ),
        Mask,
    ),
    (
        Once(
            "select ('10.0.0.' || substr(ssn, 1, 1))::inet, ('0' || substr(ssn, 1, 1))::interval from patients",
        ),
        Mask,
    ),
    (Once("select md5(reverse(ssn))::uuid from patients"), Mask),
    (
        Once("select reverse(ssn)::\"char\", substr(ssn, 2)::\"char\" from patients"),
        Mask,
    ),
    (Once("select shout(ssn) from patients"), Refuse),
    (
        Once("select p.shout from (select ssn from patients) p"),
        NotTell,
    ),
    (Once("select peek(1)"), Refuse),
    (Once("select * from peek(1)"), Refuse),
    (Once("select x.peek from generate_series(1, 3) x"), Refuse),
];
