//! The kinds this detector reports. Their order is their index in the manifest.

/// One of the identifiers of 45 CFR 164.514(b)(2)(i), or one that is found together with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Kind {
    /// (A) Names.
    Name,
    /// (B) Street addresses and anything smaller than a state that has no kind of its own.
    Address,
    /// (B) ZIP codes.
    Zip,
    /// (B) Hospitals, clinics and other places of care.
    Facility,
    /// (C) Dates except the year alone.
    Date,
    /// (C) Dates of birth, where a label or field says so.
    BirthDate,
    /// (C) Ages over 89.
    Age,
    /// (D) Telephone numbers.
    Phone,
    /// (E) Fax numbers.
    Fax,
    /// (F) Electronic mail addresses.
    Email,
    /// (G) Social security numbers.
    Ssn,
    /// (H) Medical record numbers.
    Mrn,
    /// (I) Health plan beneficiary numbers.
    Plan,
    /// (J) Account numbers.
    Account,
    /// (K) Certificate and license numbers.
    License,
    /// (L) Vehicle identifiers and license plates.
    Vehicle,
    /// (M) Device identifiers and serial numbers.
    Device,
    /// (N) Web addresses.
    Url,
    /// (O) IP addresses.
    Ip,
    /// (P), (Q) Biometric identifiers and full-face images: by field, never in text.
    Biometric,
    /// (R) Any other unique number or code.
    Id,
    /// Free text of clinicians: not an identifier, but a field that is full of them.
    Note,
}

impl Kind {
    /// All kinds in the order of their index.
    pub const ALL: [Kind; 22] = [
        Kind::Name,
        Kind::Address,
        Kind::Zip,
        Kind::Facility,
        Kind::Date,
        Kind::BirthDate,
        Kind::Age,
        Kind::Phone,
        Kind::Fax,
        Kind::Email,
        Kind::Ssn,
        Kind::Mrn,
        Kind::Plan,
        Kind::Account,
        Kind::License,
        Kind::Vehicle,
        Kind::Device,
        Kind::Url,
        Kind::Ip,
        Kind::Biometric,
        Kind::Id,
        Kind::Note,
    ];

    /// The name findings carry.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Name => "phi.name",
            Kind::Address => "phi.address",
            Kind::Zip => "phi.zip",
            Kind::Facility => "phi.facility",
            Kind::Date => "phi.date",
            Kind::BirthDate => "phi.date.birth",
            Kind::Age => "phi.age",
            Kind::Phone => "phi.phone",
            Kind::Fax => "phi.fax",
            Kind::Email => "phi.email",
            Kind::Ssn => "phi.ssn",
            Kind::Mrn => "phi.mrn",
            Kind::Plan => "phi.plan",
            Kind::Account => "phi.account",
            Kind::License => "phi.license",
            Kind::Vehicle => "phi.vehicle",
            Kind::Device => "phi.device",
            Kind::Url => "phi.url",
            Kind::Ip => "phi.ip",
            Kind::Biometric => "phi.biometric",
            Kind::Id => "phi.id",
            Kind::Note => "phi.note",
        }
    }

    /// Its index in the manifest.
    pub const fn index(self) -> u32 {
        self as u32
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_all_kinds_is_their_index() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index() as usize, index, "{}", kind.name());
        }
    }
}
