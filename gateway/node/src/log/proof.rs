//! Inclusion proofs as text (C2SP tlog-proof): everything needed to check one entry offline, years later.
//!
//! Writes, reads strictly, verifies against pinned keys. The extra data is carried and never believed.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    checkpoint::{LogTrust, NoteError, SignedCheckpoint, plain_number},
    tree::{Hash, TreeError, verify_inclusion},
};

/// Why a proof is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is not a tlog-proof.
    #[error("malformed proof: {0}")]
    Malformed(&'static str),
    /// The checkpoint inside is malformed or not signed by whom it must.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The hashes do not lead from the leaf to the root.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// One inclusion proof with its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// Opaque data, not authenticated.
    pub extra: Option<Vec<u8>>,
    /// Position of the entry, from 0.
    pub index: u64,
    /// From the leaf's sibling to the root's child.
    pub hashes: Vec<Hash>,
    /// The checkpoint that the proof leads to.
    pub checkpoint: SignedCheckpoint,
}

impl LogProof {
    /// Verifies signatures, quorum and inclusion of this leaf hash.
    ///
    /// # Errors
    /// [`ProofError`] with the first thing that does not hold.
    pub fn verify(&self, leaf: &Hash, trust: &LogTrust) -> Result<(), ProofError> {
        trust.check(&self.checkpoint)?;
        let stated = &self.checkpoint.checkpoint;
        Ok(verify_inclusion(leaf, self.index, stated.size, &self.hashes, &stated.root)?)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64_STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for LogProof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Malformed("no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(ProofError::Malformed("header"));
        }
        let extra = lines.peek().and_then(|line| line.strip_prefix("extra ")).map(|data| BASE64_STANDARD.decode(data));
        let extra = extra.transpose().map_err(|_| ProofError::Malformed("extra"))?;
        if extra.is_some() {
            lines.next();
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(plain_number);
        let hashes: Vec<Hash> = lines.map(str::parse).collect::<Result<_, _>>()?;
        if hashes.len() > MAX_HASHES {
            return Err(ProofError::Malformed("too many hashes"));
        }
        Ok(Self { extra, index: index.ok_or(ProofError::Malformed("index"))?, hashes, checkpoint: checkpoint.parse()? })
    }
}

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// A tree of 2^63 leaves.
const MAX_HASHES: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::checkpoint::tests::{example, log_key};
    use proptest::prelude::*;

    fn proof() -> (LogProof, Hash, LogTrust) {
        let leaves: Vec<Hash> = (0..8_u8).map(|n| Hash::leaf(&[n])).collect();
        let checkpoint = log_key("example.org/log").sign(example(8, Hash::over(&leaves)), exchange::Instant::from_unix_ms(0));
        let hashes = vec![leaves[2], Hash::over(&leaves[..2]), Hash::over(&leaves[4..])];
        let trust = LogTrust { logs: vec![log_key("example.org/log").verifier().clone()], ..LogTrust::default() };
        (LogProof { extra: None, index: 3, hashes, checkpoint }, leaves[3], trust)
    }

    #[test]
    fn verifies_offline_and_finds_what_is_altered() {
        let (proof, leaf, trust) = proof();
        let again: LogProof = proof.to_string().parse().unwrap();
        assert_eq!(again, proof);
        again.verify(&leaf, &trust).unwrap();
        assert_eq!(proof.verify(&Hash::leaf(b"other"), &trust), Err(TreeError::WrongRoot.into()));
        let moved = LogProof { index: 2, ..proof.clone() };
        assert_eq!(moved.verify(&leaf, &trust), Err(TreeError::WrongRoot.into()));
        let quorum = LogTrust { quorum: 1, ..trust };
        assert_eq!(proof.verify(&leaf, &quorum), Err(NoteError::NoQuorum { found: 0, quorum: 1 }.into()));
    }

    #[test]
    fn reads_strictly() {
        let text = proof().0.to_string();
        for altered in [
            text.replace("index 3", "index 03"),
            text.replace("index 3", "index +3"),
            text.replace("@v1", "@v2"),
            text.replace("index 3\n", "extra !\nindex 3\n"),
            text.replace("index 3\n", "index 3\nAAAA\n"),
            text.replace('\n', "\r\n"),
        ] {
            assert!(altered.parse::<LogProof>().is_err(), "{altered}");
        }
    }

    proptest! {
        #[test]
        fn parse_is_the_inverse_of_print(extra in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60)), index: u64) {
            let proof = LogProof { extra, index, ..proof().0 };
            prop_assert_eq!(proof.to_string().parse::<LogProof>().unwrap(), proof);
        }

        #[test]
        fn never_panics(text in "(c2sp.org/tlog-proof@v1\n)?(extra [a-zA-Z=]{0,8}\n)?index [0-9]{0,3}\n\n?.{0,40}\n\n— .{0,30}\n?") {
            let _ = text.parse::<LogProof>();
        }
    }
}
