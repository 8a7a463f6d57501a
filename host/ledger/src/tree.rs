//! The RFC 6962 tree over the hashes of the records: leaf `i` is SHA-256(0x00 || hash of record `i`).
//!
//! [`Frontier`] grows a tree and knows its root while holding only the roots of its complete subtrees.
//! Proofs are made from a [`Nodes`] source and checked by functions that trust nothing they are given.
//! This is SHA-256 where records use BLAKE3, so that every verifier of transparency logs can check it.

use sha2::{Digest, Sha256};

use crate::hash::{Hash, Root};

/// A tree has fewer than 2^53 leaves, so a proof is no longer than this.
pub const PROOF_LEN_MAX: usize = 2 * 53;

/// The leaf of a record.
pub fn leaf(hash: &Hash) -> Root {
    Root(
        Sha256::new()
            .chain_update([0])
            .chain_update(hash.0)
            .finalize()
            .into(),
    )
}

/// The node over two others.
pub fn node(left: &Root, right: &Root) -> Root {
    Root(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

/// The root of the tree without leaves.
pub fn empty_root() -> Root {
    Root(Sha256::digest([]).into())
}

/// A tree that grows at its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees, largest first: one for each one-bit of `size`.
    peaks: Vec<Root>,
}

impl Frontier {
    /// How many leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Root) {
        let mut grown = leaf;
        // As many subtrees close as `size` has one-bits at its end.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                grown = node(&left, &grown);
            }
        }
        self.peaks.push(grown);
        self.size += 1;
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Root {
        let folded = self
            .peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node(&left, &right));
        folded.unwrap_or_else(empty_root)
    }

    /// Size and peaks as bytes, for keeping: 8 bytes of size, 32 for each peak.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        for peak in &self.peaks {
            bytes.extend_from_slice(&peak.0);
        }
        bytes
    }

    /// What [`Frontier::to_bytes`] wrote; `None` if it did not.
    pub fn from_bytes(bytes: &[u8]) -> Option<Frontier> {
        let (size, peaks) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (peaks, rest) = peaks.as_chunks::<32>();
        let fits = rest.is_empty() && peaks.len() == size.count_ones() as usize;
        fits.then(|| Frontier {
            size,
            peaks: peaks.iter().copied().map(Root).collect(),
        })
    }
}

/// Where proofs get their hashes from.
pub trait Nodes {
    /// Why a node could not be had.
    type Error;

    /// The root over the `2^level` leaves from `index * 2^level` on. All of them exist.
    fn node(&self, level: u32, index: u64) -> Result<Root, Self::Error>;
}

/// The proof that leaf `index` is in the tree of `size` leaves; `index < size`.
pub fn prove_inclusion<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Root>, N::Error> {
    let mut proof = Vec::new();
    let (mut low, mut len) = (0, size);
    let mut path = Vec::new();
    while len > 1 {
        let left = split(len);
        if index - low < left {
            path.push((low + left, len - left));
            len = left;
        } else {
            path.push((low, left));
            low += left;
            len -= left;
        }
    }
    for (low, len) in path.into_iter().rev() {
        proof.push(subtree(nodes, low, len)?);
    }
    Ok(proof)
}

/// The proof that the tree of `new` leaves continues the tree of `old`; `0 < old <= new`.
pub fn prove_consistency<N: Nodes>(nodes: &N, old: u64, new: u64) -> Result<Vec<Root>, N::Error> {
    let mut path = Vec::new();
    let (mut low, mut len, mut keep) = (0, new, old);
    let mut whole = true;
    while keep != len {
        let left = split(len);
        if keep <= left {
            path.push((low + left, len - left));
            len = left;
        } else {
            path.push((low, left));
            low += left;
            len -= left;
            keep -= left;
            whole = false;
        }
    }
    // The old tree itself is known to whoever checks, unless it is only a part at the right edge.
    if !whole {
        path.push((low, len));
    }
    path.into_iter()
        .rev()
        .map(|(low, len)| subtree(nodes, low, len))
        .collect()
}

/// Whether `proof` shows that `leaf` is leaf `index` of the tree of `size` leaves with this root.
pub fn verify_inclusion(leaf: &Root, index: u64, size: u64, root: &Root, proof: &[Root]) -> bool {
    if index >= size || proof.len() > PROOF_LEN_MAX {
        return false;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for step in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(step, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `new` leaves continues the tree of `old`.
pub fn verify_consistency(old: (u64, &Root), new: (u64, &Root), proof: &[Root]) -> bool {
    let ((old, old_root), (new, new_root)) = (old, new);
    if old == 0 || old > new || proof.len() > PROOF_LEN_MAX {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    // An old tree that is complete is its own first step; RFC 6962 leaves it out of the proof.
    let first = if old.is_power_of_two() {
        Some(old_root)
    } else {
        None
    };
    let mut steps = first.into_iter().chain(proof);
    let Some(start) = steps.next() else {
        return false;
    };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*start, *start);
    for step in steps {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_hash = node(step, &old_hash);
            new_hash = node(step, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node(&new_hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// The largest power of two below `len`, which is at least 2.
fn split(len: u64) -> u64 {
    1 << (len - 1).ilog2()
}

/// The root over `len` leaves from `low` on, where `low` is a multiple of a power of two that is no less.
fn subtree<N: Nodes>(nodes: &N, low: u64, len: u64) -> Result<Root, N::Error> {
    if len.is_power_of_two() {
        let level = len.ilog2();
        return nodes.node(level, low >> level);
    }
    let left = split(len);
    Ok(node(
        &subtree(nodes, low, left)?,
        &subtree(nodes, low + left, len - left)?,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::*;
    use std::convert::Infallible;

    struct Leaves(Vec<Root>);

    impl Leaves {
        fn of(count: u64) -> Leaves {
            Leaves(
                (0..count)
                    .map(|i| leaf(&Hash::of_line(&i.to_be_bytes())))
                    .collect(),
            )
        }
    }

    impl Nodes for Leaves {
        type Error = Infallible;
        fn node(&self, level: u32, index: u64) -> Result<Root, Infallible> {
            let width = 1_usize << level;
            let from = index as usize * width;
            Ok(naive(&self.0[from..from + width]))
        }
    }

    /// The definition of RFC 6962, section 2.1, word for word.
    fn naive(leaves: &[Root]) -> Root {
        match leaves {
            [] => empty_root(),
            [only] => *only,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node(&naive(left), &naive(right))
            }
        }
    }

    fn frontier(leaves: &[Root]) -> Frontier {
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|&leaf| frontier.push(leaf));
        frontier
    }

    /// The roots that the Certificate Transparency projects publish for their eight reference leaves.
    #[test]
    fn the_reference_leaves_give_the_reference_roots() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let leaves: Vec<Root> = inputs
            .iter()
            .map(|input| {
                Root(
                    Sha256::new()
                        .chain_update([0])
                        .chain_update(input)
                        .finalize()
                        .into(),
                )
            })
            .collect();
        for (size, root) in [
            (
                1,
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            ),
            (
                2,
                "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            ),
            (
                3,
                "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            ),
            (
                7,
                "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            ),
            (
                8,
                "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
            ),
        ] {
            assert_eq!(
                frontier(&leaves[..size]).root().to_string(),
                root,
                "{size} leaves"
            );
        }
        assert_eq!(
            Frontier::default().root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn the_frontier_has_the_root_of_the_definition_and_survives_being_kept() {
        let leaves = Leaves::of(70);
        for size in 0..=70 {
            let grown = frontier(&leaves.0[..size]);
            assert_eq!(grown.root(), naive(&leaves.0[..size]));
            assert_eq!(Frontier::from_bytes(&grown.to_bytes()), Some(grown));
        }
        assert_eq!(Frontier::from_bytes(&[0, 0, 0, 0, 0, 0, 0, 1]), None);
    }

    #[test]
    fn every_inclusion_proof_holds_for_its_leaf_and_for_no_other() {
        let leaves = Leaves::of(40);
        for size in 1..=40_u64 {
            let root = naive(&leaves.0[..size as usize]);
            for index in 0..size {
                let Ok(proof) = prove_inclusion(&leaves, index, size);
                assert!(verify_inclusion(
                    &leaves.0[index as usize],
                    index,
                    size,
                    &root,
                    &proof
                ));
                for other in (0..size).filter(|&other| other != index) {
                    assert!(!verify_inclusion(
                        &leaves.0[other as usize],
                        index,
                        size,
                        &root,
                        &proof
                    ));
                    assert!(!verify_inclusion(
                        &leaves.0[index as usize],
                        other,
                        size,
                        &root,
                        &proof
                    ));
                }
                let mut longer = proof.clone();
                longer.push(root);
                assert!(!verify_inclusion(
                    &leaves.0[index as usize],
                    index,
                    size,
                    &root,
                    &longer
                ));
            }
        }
    }

    #[test]
    fn every_consistency_proof_holds_and_no_changed_one_does() {
        let leaves = Leaves::of(40);
        for new in 1..=40_u64 {
            let new_root = naive(&leaves.0[..new as usize]);
            for old in 1..=new {
                let old_root = naive(&leaves.0[..old as usize]);
                let Ok(proof) = prove_consistency(&leaves, old, new);
                assert!(
                    verify_consistency((old, &old_root), (new, &new_root), &proof),
                    "{old} {new}"
                );
                let wrong = leaf(&Hash::ZERO);
                assert!(!verify_consistency((old, &wrong), (new, &new_root), &proof));
                assert!(!verify_consistency((old, &old_root), (new, &wrong), &proof));
                for at in 0..proof.len() {
                    let mut changed = proof.clone();
                    changed[at] = wrong;
                    assert!(!verify_consistency(
                        (old, &old_root),
                        (new, &new_root),
                        &changed
                    ));
                    changed.remove(at);
                    assert!(!verify_consistency(
                        (old, &old_root),
                        (new, &new_root),
                        &changed
                    ));
                }
            }
        }
    }
}
