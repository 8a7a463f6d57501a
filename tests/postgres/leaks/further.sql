set role clinic_owner;
-- One name, two relations: the free one is found first, unless somebody sets the path.
create schema private;
create table public.remarks (id int, remark text not null, n int, doc jsonb, tags text[]);
insert into public.remarks values (1, 'blue door', 7, '{"colour": "blue"}', '{a,b}'), (2, 'open late', 8, '{}', '{}');
create table private.remarks (id int, remark text not null, n int, doc jsonb, tags text[]);
insert into private.remarks select patient_id, ssn, 1, '{}', '{}' from public.patients;
-- A column made of another.
create table people (id int primary key, ssn text, mirrored text generated always as (reverse(ssn)) stored);
insert into people (id, ssn) select patient_id, ssn from patients;
-- A tag on a part only.
create table members (id int, code text);
create table members_north () inherits (members);
insert into members_north select patient_id, reverse(ssn) from patients;
-- A view of a view of a view, deeper than anybody looks.
create view deep_0 as select patient_id, reverse(ssn) as mirrored, ward from patients;
do $$ begin for i in 1..24 loop execute format('create view deep_%s as select * from deep_%s', i, i - 1); end loop; end $$;
-- Deleting here changes rows there.
create table wards (ward_id int primary key, label text);
create table beds (bed int primary key, ward_id int not null references wards on delete set null, occupant text);
insert into wards values (1, 'East'), (2, 'West');
insert into beds select patient_id, 1, reverse(ssn) from patients;
create sequence tickets;
create materialized view contacts as select patient_id, phone, reverse(phone) as mirrored from patients;
create type mood as enum ('calm', 'tense');
create table moods (id int, mood mood, at timestamptz default now());
insert into moods values (1, 'calm');
create function shout(text) returns text language sql immutable as 'select upper($1) || ''!''';
create function peek(int) returns text language sql security definer as 'select reverse(ssn) from patients where patient_id = $1';
create table scratch (id int, note text, amount numeric);
reset role;
