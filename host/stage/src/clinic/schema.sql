-- A small clinic. Tables that name people: patients, notes, claims (by the plan's member number).

create table patients (
    patient_id      int primary key,
    mrn             text not null unique,
    given_name      text not null,
    middle_name     text,
    family_name     text not null,
    sex             char(1) not null,
    birth_date      date not null,
    ssn             text,
    phone           text,
    email           text,
    street          text,
    city            text,
    state           char(2),
    zip             text,
    kin_name        text,
    kin_relation    text,
    kin_phone       text,
    plan_member_id  text,
    ward            text
);

create table encounters (
    encounter_id    int primary key,
    patient_id      int not null references patients,
    kind            text not null,
    ward            text not null,
    admitted_at     timestamp not null,
    discharged_at   timestamp,
    attending       text not null,
    diagnosis_code  text not null,
    reason          text not null
);
create index on encounters (patient_id);

create table notes (
    note_id         int primary key,
    patient_id      int not null references patients,
    encounter_id    int not null references encounters,
    written_at      timestamp not null,
    author          text not null,
    kind            text not null,
    body            text not null
);
create index on notes (patient_id);

-- By year, as such tables are: what holds for the table must hold for each of its parts.
create table claims (
    claim_id        int not null,
    patient_id      int not null references patients,
    encounter_id    int not null references encounters,
    service_date    date not null,
    plan_member_id  text not null,
    procedure_code  text not null,
    amount          numeric(10, 2) not null,
    status          text not null,
    primary key (claim_id, service_date)
) partition by range (service_date);
create table claims_2024 partition of claims for values from ('2024-01-01') to ('2025-01-01');
create table claims_2025 partition of claims for values from ('2025-01-01') to ('2026-01-01');
create table claims_2026 partition of claims for values from ('2026-01-01') to ('2027-01-01');

create table lab_results (
    result_id       int primary key,
    patient_id      int not null references patients,
    encounter_id    int not null references encounters,
    taken_at        timestamp not null,
    test            text not null,
    value           numeric(8, 2) not null,
    unit            text not null,
    abnormal        bool not null
);

-- Another road to the same people: what is masked in the table must be masked here.
create view patient_contact as
    select patient_id, mrn, given_name, family_name, phone, email, street, city, state, zip from patients;

create view ward_census as
    select e.ward, e.admitted_at, p.given_name, p.family_name, p.mrn, e.reason
    from encounters e join patients p using (patient_id)
    where e.discharged_at is null;

-- Names nobody.
create view claims_by_month as
    select date_trunc('month', service_date)::date as month, status, count(*) as claims, sum(amount) as amount
    from claims group by 1, 2;

