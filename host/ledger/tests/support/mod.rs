//! Chains for the tests to break.
#![allow(
    unreachable_pub,
    reason = "shared by test files, each a crate of its own"
)]
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests state what they expect"
)]

use almoner_ledger::record::field;
use almoner_ledger::tree::{self, Frontier};
use almoner_ledger::{
    BodyRef, Checkpoint, Draft, Head, Kind, Origin, Sealed, SigningKey, Timestamp, Verifier, seal,
};
use serde_json::json;

/// A chain under construction.
pub struct Chain {
    pub head: Head,
    pub tree: Frontier,
    pub origin: Origin,
    pub key: SigningKey,
    pub lines: Vec<Vec<u8>>,
    pub bodies: Vec<Vec<Vec<u8>>>,
    pub notes: Vec<String>,
}

impl Chain {
    /// A chain of genesis and key record.
    pub fn begin() -> Chain {
        let origin = Origin::new("hospital.example/audit", 1).unwrap();
        let key = SigningKey::from_seed(&origin.to_string(), &[7; 32]);
        let verifier = key.verifier().to_string();
        let mut chain = Chain {
            head: Head::EMPTY,
            tree: Frontier::default(),
            origin,
            key,
            lines: vec![],
            bodies: vec![],
            notes: vec![],
        };
        chain.append(Draft::new(Kind::Genesis, chain.time()), None, &[]);
        chain.append(
            Draft::new(Kind::Key, chain.time()).with(field::KEY, verifier),
            None,
            &[],
        );
        chain
    }

    /// A time that goes on by a second for each record.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000 + self.head.next_seq() * 1_000_000)
    }

    pub fn append(
        &mut self,
        draft: Draft,
        session: Option<(&str, u64)>,
        bodies: &[&[u8]],
    ) -> Sealed {
        let names = ["request", "response", "third"];
        let refs: Vec<_> = names
            .iter()
            .zip(bodies)
            .map(|(name, bytes)| BodyRef::of(name, "text/plain", bytes))
            .collect();
        let prepared = draft.prepare(session.map(|(id, _)| id), &refs).unwrap();
        let sealed = seal(
            &self.head,
            &self.origin.to_string(),
            session.map(|(_, n)| n),
            &prepared,
        )
        .unwrap();
        self.head = sealed.head();
        self.tree.push(tree::leaf(&sealed.hash));
        self.lines.push(sealed.line.clone());
        self.bodies
            .push(bodies.iter().map(|bytes| bytes.to_vec()).collect());
        sealed
    }

    /// Records of two sessions, taking turns, every third with a body.
    pub fn talk(&mut self, count: u64) {
        for i in 0..count {
            let session = if i % 2 == 0 { "s-even" } else { "s-odd" };
            let draft = Draft::new(Kind::Outcome, self.time())
                .with("subject", "dr.weiß@hospital.example")
                .with("action", "select \"name\"\nfrom patients where id = $1")
                .with("rows", i)
                .with("findings", json!({"name": i, "ssn": 0}))
                .with("ok", true);
            let body = format!("masked rows of {i}");
            let bodies: &[&[u8]] = if i % 3 == 0 { &[body.as_bytes()] } else { &[] };
            self.append(draft, Some((session, i / 2)), bodies);
        }
    }

    pub fn checkpoint(&mut self) -> String {
        let says = Checkpoint {
            origin: self.origin.to_string(),
            size: self.tree.size(),
            root: self.tree.root(),
            extensions: vec![],
        };
        let note = says.sign(&self.key);
        self.notes.push(note.clone());
        note
    }

    pub fn recover(&mut self, acknowledged: u64) {
        self.origin = self.origin.next();
        self.key = self.key.renamed(&self.origin.to_string());
        self.append(
            Draft::new(Kind::Recovery, self.time()).with(field::ACKNOWLEDGED_SEQ, acknowledged),
            None,
            &[],
        );
    }

    pub fn verify(&self) -> almoner_ledger::Report {
        verify(&self.lines, &self.bodies, &self.notes, &self.key)
    }
}

/// Verifies with the key known, and the bodies of record `i` being `bodies[i]`.
pub fn verify(
    lines: &[Vec<u8>],
    bodies: &[Vec<Vec<u8>>],
    notes: &[String],
    key: &SigningKey,
) -> almoner_ledger::Report {
    let mut verifier = Verifier::new(vec![key.verifier()], true);
    notes
        .iter()
        .for_each(|note| verifier.checkpoint(note.clone(), false));
    for line in lines {
        let mut examined = almoner_ledger::Examined::of(line);
        let place = verifier.place_of(&examined);
        if let Some(bodies) = usize::try_from(place).ok().and_then(|at| bodies.get(at)) {
            for (index, bytes) in bodies.iter().enumerate() {
                examined.body(u32::try_from(index).unwrap(), bytes);
            }
        }
        verifier.accept(examined);
    }
    verifier.finish()
}
