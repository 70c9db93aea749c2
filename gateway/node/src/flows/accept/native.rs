//! A deposit in a partner's own format: which adapter reads it, what the directory knows that its bytes cannot say, and under which
//! key it is repeated. What is read is accepted as any other letter.

use std::sync::Arc;

use adapters::{
    fhir, health,
    reading::{Finding, Letter, Place, Reading, Refused},
};
use exchange::{Instant, Party, canonical};
use ring::digest::{Digest, SHA256, digest};
use serde_json::{Value, json};

use super::{Accepted, LetterDeposit, Room, accept_letter, route};
use crate::{
    catalogue::ExchangeType,
    flows::{Caller, Law, Rooms, answers_for},
    refusal::Refusal,
};

/// A format of partners in which a deposit may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A FHIR Bundle.
    Fhir,
}

/// A deposit in another format than ours, read as far as its type.
pub enum Native {
    /// A FHIR Bundle.
    Fhir(Box<fhir::Opened>),
}

impl Format {
    /// The format that a media type names; nothing for our own. The one place where a media type chooses an adapter.
    pub fn of(media_type: &str) -> Option<Self> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            fhir::MEDIA_TYPE => Some(Self::Fhir),
            _ => None,
        }
    }

    /// Opens bytes as far as their type.
    ///
    /// # Errors
    /// [`Refused`] at the place that is not understood.
    pub fn open(self, bytes: &[u8]) -> Result<Native, Refused> {
        match self {
            Self::Fhir => fhir::Opened::of(bytes).map(|opened| Native::Fhir(Box::new(opened))),
        }
    }

    /// The word by which the catalogue says that a type may be deposited in this format.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fhir => "fhir-bundle",
        }
    }
}

impl Native {
    const fn format(&self) -> Format {
        match self {
            Self::Fhir(_) => Format::Fhir,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Fhir(opened) => opened.kind(),
        }
    }

    /// The key of repeats that the format itself gives.
    fn key(&self) -> Option<String> {
        let name = match self {
            Self::Fhir(opened) => opened.name()?,
        };
        // Whoever names a message may write any word: what serves as a key is made of it.
        Some(hex(&digest(&SHA256, format!("{} {name}", self.format().word()).as_bytes())))
    }

    /// The place, in the words of the format, that gives that key.
    fn named_at(&self) -> Option<String> {
        match self {
            Self::Fhir(opened) => opened.named_at().map(str::to_owned),
        }
    }

    fn read(self, context: &health::Context) -> Reading {
        match self {
            Self::Fhir(opened) => opened.read(context),
        }
    }
}

/// What came to the door in a partner's own format.
pub struct NativeDeposit<'a> {
    /// What it is.
    pub native: Native,
    /// `Idempotency-Key`, as it came; without it, what the format calls the message by.
    pub key: Option<&'a str>,
    /// Whether there is room for it, whatever it is about.
    pub room: Room,
}

/// What goes back, and what the sender has to be told.
pub struct Taken {
    /// The exchange.
    pub accepted: Accepted,
    /// What was not taken over, or only beside.
    pub reported: Vec<Finding>,
}

/// Accepts one exchange in a partner's own format.
///
/// # Errors
/// As [`accept_letter`]; [`Refusal::Native`] at the place where the bytes name another sender than the certificate.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn accept_native(rooms: &Arc<Rooms>, caller: &Caller, deposit: NativeDeposit<'_>) -> Result<Taken, Refusal> {
    let NativeDeposit { native, key, room } = deposit;
    let law = rooms.law.load_full();
    // 1. What it is, from whom and to whom: a partner's format calls institutions as it likes.
    let exchange_type = declared(&law, &native, rooms.clock.now())?;
    let context = match &native {
        Native::Fhir(opened) => context(rooms, &law, caller, opened, exchange_type).await?,
    };
    // 2. Read: the partner's bytes become our words.
    let own = native.key().filter(|_| key.is_none());
    let named_at = native.named_at();
    let Reading { mut letters, reported } = native.read(&context);
    let letter = letters.pop().filter(|_| letters.is_empty()).ok_or(Refusal::Internal("reading"))?;
    // 3. Accept. A message's own id is no promise of ours: of a danger, one that was used before does not stop what is new.
    let again = own.is_some() && exchange_type.danger;
    let spare: Option<Letter> = again.then(|| letter.clone());
    let first = accept_letter(rooms, caller, LetterDeposit { letter, key: key.or(own.as_deref()), room }).await;
    let accepted = match (first, spare) {
        (Err(Refusal::KeyReused), Some(letter)) => {
            // Under a key made of all that it says: repeated, it is the same.
            let key = key_of(&letter)?;
            accept_letter(rooms, caller, LetterDeposit { letter, key: Some(&key), room }).await?
        }
        (Err(Refusal::KeyReused), None) if own.is_some() => return Err(Refusal::Native(name_used(named_at).into())),
        (first, _) => first?,
    };
    Ok(Taken { accepted, reported })
}

/// A sender whose software calls every message the same hears it in its own words: it knows of no key.
fn name_used(at: Option<String>) -> Finding {
    let detail = "Un message de ce nom a déjà été accepté, et son contenu n’est pas celui-ci.";
    Finding::new(at.map_or(Place::Whole, Place::Path), "name-reused", detail).cured_by(
        "Donnez à chaque nouveau message un identifiant nouveau, dans « Bundle.identifier » ou « MessageHeader.id » ; pour répéter, \
         renvoyez le même message. Si votre logiciel ne le peut pas, envoyez un en-tête Idempotency-Key, nouveau pour chaque message.",
    )
}

/// A key that two letters share only when they say the same.
fn key_of(letter: &Letter) -> Result<String, Refusal> {
    let beside: Vec<Value> = letter.beside.iter().map(|one| json!([one.place.to_string(), one.value])).collect();
    let files: Vec<String> = letter.attachments.iter().map(|file| hex(&digest(&SHA256, file))).collect();
    let all = canonical::bytes(&json!([letter.envelope, beside, files])).map_err(|_| Refusal::Malformed("enveloppe"))?;
    Ok(hex(&digest(&SHA256, &all)))
}

fn hex(sum: &Digest) -> String {
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The type, which must be one that comes in this format: but a form stops no danger (invariant 3).
fn declared<'l>(law: &'l Law, native: &Native, now: Instant) -> Result<&'l ExchangeType, Refusal> {
    let code = native.kind().parse().map_err(|_| Refusal::UnknownType)?;
    let exchange_type = law.catalogue.exchange_type(&code, now).ok_or(Refusal::UnknownType)?;
    if exchange_type.danger || exchange_type.comes_in(native.format().word()) { Ok(exchange_type) } else { Err(Refusal::FormatClosed) }
}

/// What the edge knows of a Bundle that its bytes cannot prove.
async fn context(
    rooms: &Rooms,
    law: &Law,
    caller: &Caller,
    opened: &fhir::Opened,
    exchange_type: &ExchangeType,
) -> Result<health::Context, Refusal> {
    let sender = sender(caller, opened)?;
    let recipient = match opened.recipient() {
        Some(named) => Some(named.party),
        // An answer goes back to who asked; to whom nothing is known here, the story says of it what it says of nothing.
        None if exchange_type.danger => route::default_recipient(rooms, law, exchange_type),
        None => asker(rooms, law, caller, opened).await?.or_else(|| route::default_recipient(rooms, law, exchange_type)),
    };
    Ok(health::Context {
        recipient: recipient.unwrap_or_else(|| Party { institution: sender.institution.clone(), unit: None }),
        sender,
        purpose: None,
        legal_basis: Vec::new(),
        // None of the types that come in this format goes to the health leg: an INS is left out (R57).
        health_leg: false,
    })
}

/// The institution of the certificate, with the unit that the Bundle names. Nobody speaks for another (invariant 11).
fn sender(caller: &Caller, opened: &fhir::Opened) -> Result<Party, Refusal> {
    let mut sender = Party { institution: caller.institution.clone(), unit: caller.unit.clone() };
    for named in opened.senders() {
        let other_unit = named.party.unit.is_some() && caller.unit.is_some() && named.party.unit != caller.unit;
        if named.party.institution != sender.institution || other_unit {
            let finding =
                Finding::new(Place::Path(named.at), "sender-mismatch", "L’émetteur nommé ici n’est pas celui du certificat présenté.")
                    .cured_by("Nommez votre institution, ou personne : le certificat dit qui envoie.");
            return Err(Refusal::Native(finding.into()));
        }
        sender.unit = sender.unit.or(named.party.unit);
    }
    Ok(sender)
}

/// The unit whose exchange is answered, for a person who may know of that exchange: to anybody else it is not there.
async fn asker(rooms: &Rooms, law: &Law, caller: &Caller, opened: &fhir::Opened) -> Result<Option<Party>, Refusal> {
    let (Some(id), Ok(professional)) = (opened.answers(), caller.professional(law)) else { return Ok(None) };
    let Some(row) = rooms.store.exchange(id).await? else { return Ok(None) };
    let now = rooms.clock.now();
    let theirs = rooms.store.deliveries_of(id).await?.iter().any(|delivery| answers_for(professional, &delivery.recipient, now));
    let sealed = rooms.store.sealed_from(id, &professional.institution, &professional.id).await?;
    Ok((theirs && !sealed).then_some(row.sender))
}
