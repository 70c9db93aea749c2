//! Checkpoints: the signed statement of a tree's size and root (C2SP signed-note, tlog-checkpoint, tlog-cosignature).
//!
//! Reads strictly, signs and verifies with Ed25519. Signature lines of unknown keys are kept and ignored, as
//! the format asks; a line that claims a known key and does not verify spoils the whole checkpoint.

use std::{collections::BTreeSet, fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use exchange::Instant;
use ring::{
    digest,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};

use super::tree::Hash;

/// Why a checkpoint, a key or a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a signed note that holds a checkpoint.
    #[error("malformed checkpoint: {0}")]
    Malformed(&'static str),
    /// The text is not a verifier key.
    #[error("malformed verifier key")]
    MalformedKey,
    /// A name that a signature line cannot carry.
    #[error("a key name is empty or holds a space or a plus sign")]
    BadName,
    /// The private key is not an Ed25519 key that we read.
    #[error("unreadable Ed25519 private key")]
    UnreadableKey,
    /// A line of a known key does not verify.
    #[error("the signature of `{0}` is false")]
    FalseSignature(String),
    /// No line is signed by any pinned key of this origin.
    #[error("no signature by a pinned key of `{0}`")]
    NotSigned(String),
    /// Fewer cosignatures of pinned witnesses than the quorum.
    #[error("`{found}` cosignatures of pinned witnesses, `{quorum}` expected")]
    NoQuorum {
        /// Valid cosignatures.
        found: usize,
        /// How many were expected.
        quorum: usize,
    },
}

/// What a checkpoint states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity, `<gateway dns>/log`.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Opaque further lines, without newline; we write none.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// The note text: what gets signed.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root);
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    fn parse(text: &str) -> Result<Self, NoteError> {
        let body = text.strip_suffix('\n').ok_or(NoteError::Malformed("no final newline"))?;
        let mut lines = body.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(NoteError::Malformed("no origin"))?;
        let digits = lines.next().ok_or(NoteError::Malformed("no size"))?;
        let size = plain_number(digits).ok_or(NoteError::Malformed("size"))?;
        let root = lines.next().and_then(|line| line.parse().ok()).ok_or(NoteError::Malformed("root"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(NoteError::Malformed("empty line in the text"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }
}

/// One signature line: who claims to have signed, and the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Key name.
    pub name: String,
    /// The first bytes of the hash of name, kind and key.
    pub key_id: [u8; 4],
    /// The signature, after its timestamp for a cosignature.
    pub bytes: Vec<u8>,
}

/// A checkpoint with its signature lines, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What is stated.
    pub checkpoint: Checkpoint,
    /// By whom: the log first, then witnesses.
    pub signatures: Vec<NoteSignature>,
}

impl SignedCheckpoint {
    /// Verifies every line that claims `key`; gives the witness's time for a cosignature, none for the log's own.
    ///
    /// # Errors
    /// [`NoteError::FalseSignature`], [`NoteError::NotSigned`].
    pub fn verify(&self, key: &VerifierKey) -> Result<Option<Instant>, NoteError> {
        let text = self.checkpoint.text();
        let mut found = Err(NoteError::NotSigned(key.name.clone()));
        for line in self.signatures.iter().filter(|line| line.name == key.name && line.key_id == key.id()) {
            found = Ok(key.verify(&text, &line.bytes).ok_or_else(|| NoteError::FalseSignature(key.name.clone()))?);
        }
        found
    }

    /// Adds the cosignatures of `other` that are not yet here, if it states the same thing.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when it states another thing.
    pub fn merge(&mut self, other: &Self) -> Result<(), NoteError> {
        if self.checkpoint != other.checkpoint {
            return Err(NoteError::Malformed("another checkpoint"));
        }
        for line in &other.signatures {
            if !self.signatures.contains(line) {
                self.signatures.push(line.clone());
            }
        }
        Ok(())
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.checkpoint.text())?;
        for line in &self.signatures {
            let bytes = [line.key_id.as_slice(), &line.bytes].concat();
            writeln!(f, "— {} {}", line.name, BASE64_STANDARD.encode(bytes))?;
        }
        Ok(())
    }
}

impl FromStr for SignedCheckpoint {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE || note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed("too long, or a control character"));
        }
        let cut = note.rfind("\n\n").ok_or(NoteError::Malformed("no signatures"))? + 1;
        let (text, rest) = note.split_at_checked(cut).ok_or(NoteError::Malformed("no signatures"))?;
        let lines = rest.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n')).ok_or(NoteError::Malformed("no signatures"))?;
        let signatures = lines.split('\n').map(signature_line).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { checkpoint: Checkpoint::parse(text)?, signatures })
    }
}

/// What a signature of a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The log signs its own checkpoint (type 0x01).
    Log,
    /// A witness states when it saw the checkpoint to be consistent (type 0x04).
    Witness,
}

/// A public key with its name: what is pinned. Its text is the C2SP vkey, `name+id+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    public: [u8; 32],
}

impl VerifierKey {
    /// A key of this name.
    ///
    /// # Errors
    /// [`NoteError::BadName`].
    pub fn new(name: &str, kind: KeyKind, public: [u8; 32]) -> Result<Self, NoteError> {
        let bad = |c: char| c.is_whitespace() || c == '+' || c.is_control();
        if name.is_empty() || name.contains(bad) {
            return Err(NoteError::BadName);
        }
        Ok(Self { name: name.to_owned(), kind, public })
    }

    /// The name in signature lines; for a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Log or witness.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// SHA-256(name ‖ 0x0A ‖ type ‖ public key), first four bytes.
    pub fn id(&self) -> [u8; 4] {
        let input = [self.name.as_bytes(), b"\n", &[self.kind.byte()], &self.public].concat();
        let mut id = [0; 4];
        for (to, from) in id.iter_mut().zip(digest::digest(&digest::SHA256, &input).as_ref()) {
            *to = *from;
        }
        id
    }

    /// None when the signature is false; the inner value is the time a witness stated.
    fn verify(&self, text: &str, signature: &[u8]) -> Option<Option<Instant>> {
        let key = UnparsedPublicKey::new(&ED25519, self.public);
        match self.kind {
            KeyKind::Log => key.verify(text.as_bytes(), signature).ok().map(|()| None),
            KeyKind::Witness => {
                let (time, signature) = signature.split_first_chunk::<8>()?;
                let seconds = u64::from_be_bytes(*time);
                let ms = i64::try_from(seconds).ok()?.checked_mul(1000)?;
                key.verify(cosigned_text(seconds, text).as_bytes(), signature).ok()?;
                Some(Some(Instant::from_unix_ms(ms)))
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [[self.kind.byte()].as_slice(), &self.public].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), BASE64_STANDARD.encode(material))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::MalformedKey);
        };
        let material = BASE64_STANDARD.decode(material).map_err(|_| NoteError::MalformedKey)?;
        let (kind, public) = material.split_first().ok_or(NoteError::MalformedKey)?;
        let kind = [KeyKind::Log, KeyKind::Witness].into_iter().find(|k| k.byte() == *kind).ok_or(NoteError::MalformedKey)?;
        let key = Self::new(name, kind, public.try_into().map_err(|_| NoteError::MalformedKey)?)?;
        // The id must be ours to the letter: a vkey whose parts disagree pins nothing.
        if key.to_string() == text { Ok(key) } else { Err(NoteError::MalformedKey) }
    }
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Witness => 0x04,
        }
    }
}

/// A private Ed25519 key that signs checkpoints, as the log or as a witness. Shows nothing of itself.
pub struct Signer {
    key: VerifierKey,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// Reads a PKCS#8 key.
    ///
    /// # Errors
    /// [`NoteError::UnreadableKey`], [`NoteError::BadName`].
    pub fn from_pkcs8(name: &str, kind: KeyKind, pkcs8: &[u8]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| NoteError::UnreadableKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::UnreadableKey)?;
        Ok(Self { key: VerifierKey::new(name, kind, public)?, pair })
    }

    /// The public half, to publish and to pin.
    pub fn verifier(&self) -> &VerifierKey {
        &self.key
    }

    /// Signs a checkpoint that nobody has signed; the note then has this one line. `at` is stated by witnesses only.
    pub fn sign(&self, checkpoint: Checkpoint, at: Instant) -> SignedCheckpoint {
        let mut signed = SignedCheckpoint { checkpoint, signatures: Vec::new() };
        self.cosign(&mut signed, at);
        signed
    }

    /// Adds this key's line to a note. A witness must have verified consistency with the last it saw.
    pub fn cosign(&self, signed: &mut SignedCheckpoint, at: Instant) {
        let text = signed.checkpoint.text();
        let bytes = match self.key.kind {
            KeyKind::Log => self.pair.sign(text.as_bytes()).as_ref().to_vec(),
            KeyKind::Witness => {
                let seconds = u64::try_from(at.unix_seconds()).unwrap_or(0);
                let signature = self.pair.sign(cosigned_text(seconds, &text).as_bytes());
                [seconds.to_be_bytes().as_slice(), signature.as_ref()].concat()
            }
        };
        signed.signatures.push(NoteSignature { name: self.key.name.clone(), key_id: self.key.id(), bytes });
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key.name)
    }
}

/// What is pinned outside the folder or answer that gets verified.
#[derive(Debug, Clone, Default)]
pub struct LogTrust {
    /// Keys of the log, retired ones too.
    pub logs: Vec<VerifierKey>,
    /// Keys of witnesses.
    pub witnesses: Vec<VerifierKey>,
    /// How many witnesses must have cosigned.
    pub quorum: usize,
}

impl LogTrust {
    /// Verifies that a pinned key of the checkpoint's origin signed it and gives the cosignature times of the
    /// pinned witnesses. Does not count them: see [`LogTrust::check`].
    ///
    /// # Errors
    /// [`NoteError::FalseSignature`], [`NoteError::NotSigned`].
    pub fn signed(&self, note: &SignedCheckpoint) -> Result<Vec<Instant>, NoteError> {
        let verify = |key: &VerifierKey| match note.verify(key) {
            Err(NoteError::NotSigned(_)) => Ok(None),
            other => other.map(Some),
        };
        let mut by_log = false;
        for key in self.logs.iter().filter(|key| key.kind == KeyKind::Log && key.name == note.checkpoint.origin) {
            by_log |= verify(key)?.is_some();
        }
        if !by_log {
            return Err(NoteError::NotSigned(note.checkpoint.origin.clone()));
        }
        let mut times = Vec::new();
        // A key pinned twice, even under two names, is one witness: its signatures do not hold the name.
        let mut counted = BTreeSet::new();
        for key in self.witnesses.iter().filter(|key| key.kind == KeyKind::Witness) {
            if counted.contains(&key.public) {
                continue;
            }
            if let Some(time) = verify(key)?.flatten() {
                counted.insert(key.public);
                times.push(time);
            }
        }
        Ok(times)
    }

    /// As [`LogTrust::signed`], and the quorum of witnesses is there.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn check(&self, note: &SignedCheckpoint) -> Result<Vec<Instant>, NoteError> {
        let times = self.signed(note)?;
        if times.len() < self.quorum {
            return Err(NoteError::NoQuorum { found: times.len(), quorum: self.quorum });
        }
        Ok(times)
    }
}

/// A decimal number with one writing: digits only, no leading zero.
pub(super) fn plain_number(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|n: &u64| n.to_string() == digits)
}

fn signature_line(line: &str) -> Result<NoteSignature, NoteError> {
    let (name, bytes) = line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(NoteError::Malformed("signature line"))?;
    let bytes = BASE64_STANDARD.decode(bytes).map_err(|_| NoteError::Malformed("signature base64"))?;
    let (key_id, bytes) = bytes.split_first_chunk::<4>().ok_or(NoteError::Malformed("signature too short"))?;
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') || bytes.is_empty() {
        return Err(NoteError::Malformed("signature line"));
    }
    Ok(NoteSignature { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
}

fn cosigned_text(seconds: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// A note with hundreds of post-quantum signatures fits; a flood does not.
const MAX_NOTE: usize = 1 << 20;

#[cfg(test)]
pub(super) mod tests;
