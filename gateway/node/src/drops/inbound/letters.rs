//! From the files of a drop to accepted exchanges: each by the partner's format, in the partner's name, under a key that is the same
//! whenever the drop is read again. What acceptance refuses is told in the answer, at its place.

use adapters::{
    drop::{Listed as InList, Manifest, Outcome, Remark, name::Part},
    reading::{Finding, Letter, Place},
};
use exchange::{ExchangeId, ProfessionalId};
use serde_json::{Value, json};

use super::Decided;
use crate::{
    drops::{Drops, LookFault, native::Layouts, partner::Partner},
    flows::{
        Author, Caller,
        accept::{LetterDeposit, Room, accept_letter, accepted_under},
    },
    refusal::{Fault, Refusal},
    source::sha256_base64url,
};

/// One exchange of a drop, before it is accepted.
struct Found<'m> {
    letter: Letter,
    file: &'m InList,
    /// Its place in the file, from 1.
    position: usize,
}

impl Drops {
    /// Hands every exchange of a drop to acceptance.
    ///
    /// # Errors
    /// We cannot now: the drop is read again at the next look.
    pub(super) async fn accepted(
        &self,
        partner: &Partner,
        manifest: &Manifest,
        kid: &str,
        contents: Vec<Vec<u8>>,
        mut remarks: Vec<Remark>,
    ) -> Result<Decided, LookFault> {
        // 1. Read: the exchanges of its files, and the files that go with one.
        let law = self.rooms.law.load_full();
        let layouts = Layouts::of(partner, &law).map_err(|_| LookFault::Ours(Refusal::Internal("layouts")))?;
        let (mut found, mut beside) = (Vec::new(), Vec::new());
        for (file, content) in manifest.files.iter().zip(contents) {
            if !is_table(file) {
                beside.push((file, content));
                continue;
            }
            match layouts.read(partner, &content) {
                Ok(records) => {
                    remarks.extend(records.reading.reported.iter().map(|finding| Remark::of(Some(file.name.clone()), finding)));
                    let letters = (1..).zip(records.reading.letters);
                    found.extend(letters.map(|(position, letter)| Found { letter, file, position }));
                }
                Err(refused) => remarks.extend(refused.0.iter().map(|finding| Remark::of(Some(file.name.clone()), finding))),
            }
        }
        attach(&mut found, beside, &mut remarks);

        // 2. Accept: as the institution, or as the person whose own key signed.
        let caller = self.caller(partner, kid);
        let mut ids = Vec::new();
        for Found { mut letter, file, position } in found {
            self.send_back(partner, &mut letter).await?;
            let rank = match &file.name.part {
                Part::File { rank, .. } => *rank,
                Part::Manifest | Part::ManifestSignature | Part::Acknowledgement | Part::AcknowledgementSignature => 0,
            };
            let named = format!("drop {} {} {rank} {position} {}", partner.institution, manifest.sequence, file.sha256);
            let key = sha256_base64url(named.as_bytes());
            let kind = letter.envelope.get("type").and_then(Value::as_str).and_then(|kind| kind.parse().ok());
            match accept_letter(&self.rooms, &caller, LetterDeposit { letter, key: Some(&key), room: Room::ForAll }).await {
                Ok(accepted) => ids.push(accepted.id),
                // The same file was taken before a crash, and is read otherwise since: what was accepted then stands.
                Err(Refusal::KeyReused) => {
                    let of = kind.and_then(|kind| law.catalogue.exchange_type(&kind, self.rooms.clock.now()));
                    let before = match of {
                        Some(of) => accepted_under(&self.rooms, &caller, of, &key).await?,
                        None => None,
                    };
                    match before {
                        Some(id) => ids.push(id),
                        None => remarks.extend(told(file, position, &Refusal::KeyReused)),
                    }
                }
                Err(refusal) => match refusal.face().fault {
                    Fault::Ours => return Err(refusal.into()),
                    Fault::Caller => remarks.extend(told(file, position, &refusal)),
                },
            }
        }
        let outcome = if ids.is_empty() { Outcome::Refuse } else { Outcome::Accept(ids) };
        Ok(Decided { outcome, remarks, suspect: false })
    }

    fn caller(&self, partner: &Partner, kid: &str) -> Caller {
        let law = self.rooms.law.load();
        let issuer = law.directory.institution(&partner.institution).and_then(|known| known.token_issuer.as_ref());
        let author = match (partner.professional(kid), issuer) {
            (Some(subject), Some(issuer)) => {
                Author::Professional(ProfessionalId { issuer: issuer.issuer.clone(), subject: subject.to_owned() })
            }
            (Some(_) | None, _) => Author::Unnamed,
        };
        Caller { institution: partner.institution.clone(), unit: None, stale: false, author }
    }

    /// An answer goes to who asked, as the exchange that it answers knows it.
    async fn send_back(&self, partner: &Partner, letter: &mut Letter) -> Result<(), LookFault> {
        let answered = letter.envelope.get("in_reply_to").and_then(Value::as_str).and_then(|id| id.parse::<ExchangeId>().ok());
        let Some(id) = answered else { return Ok(()) };
        let row = self.rooms.store.exchange(id).await.map_err(Refusal::from)?;
        if let Some(row) = row.filter(|row| row.recipient.institution == partner.institution)
            && let Value::Object(envelope) = &mut letter.envelope
        {
            envelope.insert("recipient".into(), json!(row.sender));
            envelope.insert("sender".into(), json!(row.recipient));
        }
        Ok(())
    }
}

/// Files that are no tables go with the one exchange of their drop. With several, nobody could say with which.
fn attach(found: &mut [Found<'_>], beside: Vec<(&InList, Vec<u8>)>, remarks: &mut Vec<Remark>) {
    let alone = match found {
        [one] => Some(one),
        _ => None,
    };
    match alone {
        Some(one) => {
            let listed = beside.iter().map(|(file, _)| {
                json!({"name": file.name.to_string(), "media_type": media_type(file), "size": file.size, "sha256": file.sha256})
            });
            let listed: Vec<Value> = listed.collect();
            if let (Value::Object(envelope), false) = (&mut one.letter.envelope, listed.is_empty()) {
                envelope.insert("attachments".into(), json!(listed));
            }
            one.letter.attachments.extend(beside.into_iter().map(|(_, content)| content));
        }
        None => remarks.extend(beside.iter().map(|(file, _)| {
            let detail = "Le dépôt contient plusieurs échanges : rien ne dit auquel va cette pièce, qui n’est pas reprise.";
            let finding = Finding::new(Place::Whole, "unattached", detail).cured_by("Déposez seul l’échange auquel elle va, avec elle.");
            Remark::of(Some(file.name.clone()), &finding)
        })),
    }
}

/// What acceptance refused, in the words that a client of the API gets.
fn told(file: &InList, position: usize, refusal: &Refusal) -> Vec<Remark> {
    let face = refusal.face();
    let remark = |at: Option<String>, code: String, detail: String, cure: Option<String>| Remark {
        file: Some(file.name.clone()),
        line: None,
        at,
        code,
        detail: format!("Échange n° {position} : {detail}"),
        cure,
    };
    let mut all = vec![remark(None, face.code, face.detail, face.cure)];
    all.extend(face.errors.into_iter().map(|error| remark(Some(error.pointer), error.code.to_owned(), error.detail, None)));
    all
}

fn extension(file: &InList) -> &str {
    match &file.name.part {
        Part::File { extension, .. } => extension,
        Part::Manifest | Part::ManifestSignature | Part::Acknowledgement | Part::AcknowledgementSignature => "",
    }
}

fn is_table(file: &InList) -> bool {
    matches!(extension(file), "csv" | "xml")
}

fn media_type(file: &InList) -> &'static str {
    match extension(file) {
        "pdf" => "application/pdf",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}
