//! FHIR R4 resources made of the clinic: patients with everything that identifies them, in every place where
//! FHIR has it, and observations with codes and quantities that must not change.

use almoner_stage::clinic::{Clinic, LabResult, Note, Patient};
use serde_json::{Value, json};

/// A patient.
pub fn patient(patient: &Patient) -> Value {
    let name = format!("{} {}", patient.given_name, patient.family_name);
    json!({
        "resourceType": "Patient",
        "id": format!("p{}", patient.id),
        "meta": {"lastUpdated": "2024-03-15T10:20:30.123+01:00", "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]},
        "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{name}, MRN {}</div>", patient.mrn)},
        "extension": [
            {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
             "extension": [{"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White"}}]},
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": patient.kin.family_name},
            {"url": "http://example.org/visits", "valueDecimal": 10.25}
        ],
        "identifier": [
            {"use": "usual", "system": "http://hospital.example/mrn", "value": patient.mrn,
             "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}},
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": patient.ssn}
        ],
        "name": [{"use": "official", "family": patient.family_name, "given": [patient.given_name], "prefix": [patient.title()], "text": name}],
        "telecom": [{"system": "phone", "value": patient.phone, "use": "home"}, {"system": "email", "value": patient.email}],
        "gender": if patient.sex == 'F' { "female" } else { "male" },
        "birthDate": patient.birth_date.to_string(),
        "address": [{"line": [patient.street], "city": patient.city, "state": patient.state, "postalCode": patient.zip, "country": "US"}],
        "photo": [{"contentType": "image/png", "data": "iVBORw0KGgo="}],
        "contact": [{"relationship": [{"text": patient.kin.relation}],
                     "name": {"family": patient.kin.family_name, "given": [patient.kin.given_name]},
                     "telecom": [{"system": "phone", "value": patient.kin.phone}]}],
        "contained": [{"resourceType": "Coverage", "id": "c", "status": "active", "subscriberId": patient.plan_member_id,
                       "beneficiary": {"reference": format!("Patient/p{}", patient.id), "display": name}, "payor": [{"display": "Plan"}]}],
        "multipleBirthBoolean": false
    })
}

/// A laboratory result.
pub fn observation(result: &LabResult, of: &Patient) -> Value {
    json!({
        "resourceType": "Observation",
        "id": format!("o{}", result.id),
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin [Mass/volume] in Blood"}], "text": result.test},
        "subject": {"reference": format!("Patient/p{}", of.id), "display": format!("{} {}", of.given_name, of.family_name)},
        "effectiveDateTime": format!("{}Z", result.taken_at),
        "valueQuantity": {"value": 13.50, "unit": result.unit, "system": "http://unitsofmeasure.org", "code": "g/dL"},
        "referenceRange": [{"low": {"value": 12.0, "unit": "g/dL"}, "text": "12.0 - 16.0"}]
    })
}

/// A note, its text in base64 as documents have it.
pub fn document(note: &Note, of: &Patient) -> Value {
    use base64::Engine;
    let data = base64::engine::general_purpose::STANDARD.encode(&note.body);
    json!({
        "resourceType": "DocumentReference",
        "id": format!("d{}", note.id),
        "status": "current",
        "description": note.body,
        "subject": {"reference": format!("Patient/p{}", of.id)},
        "content": [{"attachment": {"contentType": "text/plain", "data": data, "title": "Note"}}]
    })
}

/// A search's answer.
pub fn bundle(resources: Vec<Value>) -> Value {
    let total = resources.len();
    let entries: Vec<Value> = resources
        .into_iter()
        .map(|resource| {
            let url = format!(
                "urn:uuid:{}",
                resource
                    .get("id")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            );
            json!({"fullUrl": url, "resource": resource})
        })
        .collect();
    json!({"resourceType": "Bundle", "type": "searchset", "total": total, "entry": entries})
}

/// All patients.
pub fn patients(clinic: &Clinic) -> Value {
    bundle(clinic.patients.iter().map(patient).collect())
}

/// Everything of every patient.
pub fn everything(clinic: &Clinic) -> Value {
    let mut resources: Vec<Value> = clinic.patients.iter().map(patient).collect();
    let whose = |id: u32| clinic.patients.iter().find(|patient| patient.id == id);
    for result in &clinic.lab_results {
        let of = whose(result.patient_id);
        resources.extend(of.map(|of| observation(result, of)));
    }
    for note in &clinic.notes {
        resources.extend(whose(note.patient_id).map(|of| document(note, of)));
    }
    bundle(resources)
}
