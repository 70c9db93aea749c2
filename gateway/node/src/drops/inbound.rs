//! What a partner left: taken once its signature is there and everything is as its list says, handed to acceptance exchange by
//! exchange, answered, and moved away, in this order. A crash at any instant repeats what was done, under the same keys and with
//! the same answer. What is still being written is left alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use adapters::drop::{
    Acknowledgement, Earlier, Listed as InList, Manifest, Outcome, Present, Remark, Sequence, Turn,
    name::{DropName, Part},
    received, signature,
};
use adapters::reading::{Finding, Place, Refused};
use exchange::Instant;
use ring::digest;
use tokio_util::sync::CancellationToken;

use super::{
    Drops, LookFault,
    outbound::{hex, nonce, once},
    partner::Partner,
    wire::{Link, Listed, WireFault},
};
use crate::{
    flows::{
        acknowledge::system::{Acknowledged, acknowledge_drop},
        collect::system::reader,
    },
    refusal::Refusal,
    store::drops::{DecideDrop, DropOutcome, ReceivedDrop},
};

mod letters;

/// What earlier looks saw of drops that are not decided yet, by number.
#[derive(Default)]
pub(super) struct Seen {
    /// The files of those that were not whole: what still grows is left alone.
    torn: BTreeMap<u64, Vec<Listed>>,
    /// Since when those wait whose turn it is not.
    waiting: BTreeMap<u64, Instant>,
    /// Whether a folder has so many files that somebody was told.
    crowded: bool,
}

/// What was decided of a drop.
struct Decided {
    outcome: Outcome,
    remarks: Vec<Remark>,
    /// Somebody must look: it is not what an honest partner leaves.
    suspect: bool,
}

impl Decided {
    fn refused(findings: &[Finding], suspect: bool) -> Self {
        Self { outcome: Outcome::Refuse, remarks: findings.iter().map(|finding| Remark::of(None, finding)).collect(), suspect }
    }

    const fn word(&self) -> DropOutcome {
        match self.outcome {
            Outcome::Accept(_) => DropOutcome::Accept,
            Outcome::Refuse => DropOutcome::Refuse,
        }
    }
}

impl Drops {
    /// One look into the folder of a partner.
    pub(super) async fn take_in(&self, partner: &Partner, seen: &mut Seen, stop: &CancellationToken) -> Result<(), LookFault> {
        let link = Link::open(partner, &self.key).await?;
        let looked = self.take_in_at(&link, partner, seen, stop).await;
        link.close().await;
        looked
    }

    async fn take_in_at(&self, link: &Link, partner: &Partner, seen: &mut Seen, stop: &CancellationToken) -> Result<(), LookFault> {
        let files = self.inbox(link, partner, seen).await?;
        // 1. What the partner answered to drops of ours.
        for name in answers(&files, partner) {
            if stop.is_cancelled() {
                return Ok(());
            }
            alone(partner, &name, self.answered(link, partner, &name).await)?;
        }
        // 2. What it left, in order.
        let names = || files.iter().map(|file| file.name.as_str());
        for name in received::complete(names()).into_iter().filter(|name| name.sender == partner.institution) {
            if stop.is_cancelled() {
                return Ok(());
            }
            alone(partner, &name, self.one(link, partner, &name, &files, seen).await)?;
        }
        // 3. What a crash left behind of drops that were decided.
        self.tidy(link, partner).await
    }

    /// What lies there; says of a folder that nobody empties, before it has too many files to be listed at all.
    async fn inbox(&self, link: &Link, partner: &Partner, seen: &mut Seen) -> Result<Vec<Listed>, LookFault> {
        let (inbox, outbox) = (link.list(&partner.inbox).await, link.list(&partner.outbox).await);
        let full = |listed: &Result<Vec<Listed>, WireFault>| match listed {
            Ok(files) => files.len() > super::CROWDED,
            Err(fault) => *fault == WireFault::TooLarge,
        };
        let crowded = full(&inbox) || full(&outbox);
        if crowded && !seen.crowded {
            metrics::gauge!(super::FULL).increment(1.0);
            tracing::error!(partner = %partner.institution, "nobody empties a folder of a partner: at 20,000 files nothing more is exchanged");
        } else if !crowded && seen.crowded {
            metrics::gauge!(super::FULL).decrement(1.0);
        }
        seen.crowded = crowded;
        Ok(inbox?)
    }

    /// One drop whose list and signature are there.
    async fn one(&self, link: &Link, partner: &Partner, name: &DropName, files: &[Listed], seen: &mut Seen) -> Result<(), LookFault> {
        let sequence = name.sequence;
        let list = read(link, partner, name, (Part::Manifest, MAX_LIST)).await;
        let (list, jws) = match (list, read(link, partner, name, (Part::ManifestSignature, MAX_SIGNATURE)).await) {
            (Ok(list), Ok(jws)) => (list, jws),
            (Err(WireFault::TooLarge), _) | (_, Err(WireFault::TooLarge)) => {
                let finding = Finding::new(Place::Whole, "too-large", "Le manifeste ou sa signature est trop grand.");
                return self.turn_away(link, partner, sequence, &[finding]).await;
            }
            (Err(fault), _) | (_, Err(fault)) => return Err(fault.into()),
        };
        // 1. Whose list it is. One that is not the partner's takes no number: whoever can write there decides nothing by it.
        let kid = match signature::verify(&jws, &list, |signed| partner.signed(signed)) {
            Ok(kid) => kid,
            Err(Refused(findings)) => return self.turn_away(link, partner, sequence, &findings).await,
        };
        let manifest = match Manifest::read(&list).and_then(|manifest| meant(&manifest, partner, sequence)) {
            Ok(manifest) => manifest,
            Err(Refused(findings)) => return self.turn_away(link, partner, sequence, &findings).await,
        };
        // 2. Whether it is its turn.
        let sum = sha256(&list);
        let earlier = self.rooms.store.received_drop(&partner.institution, sequence.number()).await.map_err(Refusal::from)?;
        let last = self.rooms.store.last_received_drop(&partner.institution).await.map_err(Refusal::from)?.and_then(Sequence::new);
        let same = match &earlier {
            None => Earlier::None,
            Some(known) if known.manifest == sum => Earlier::SameBytes,
            Some(_) => Earlier::OtherBytes,
        };
        match (received::turn(sequence, last, same), earlier) {
            (Turn::Take, _) => {}
            // The one before it may be on its way. A danger does not wait for ever behind a number that never came.
            (Turn::Wait(_), _) if seen.waits(sequence, self.rooms.clock.now()) => return Ok(()),
            (Turn::Wait(_), _) => {
                metrics::counter!(super::SUSPECT).increment(1);
                tracing::error!(partner = %partner.institution, sequence = sequence.number(), "a drop is taken although the one before it never came: ask its partner");
            }
            (Turn::Repeat, Some(known)) => return self.answer(link, partner, sequence, &known).await,
            (Turn::Repeat, None) => return Ok(()),
            (Turn::Conflict(finding), Some(_)) => return self.turn_away(link, partner, sequence, &[finding]).await,
            // A number that is past and that nothing was decided under: it came late. Every decision is kept, so that this is sure.
            (Turn::Conflict(_), None) => {}
        }
        // 3. Whether everything is there as the list says.
        let (contents, findings) = self.compared(link, partner, &manifest, files).await?;
        let torn = findings.iter().any(|finding| matches!(finding.code, "missing-file" | "truncated" | "too-long"));
        if torn && seen.grows(sequence, files) {
            return Ok(());
        }
        let fatal: Vec<Finding> = findings.iter().filter(|finding| FATAL.contains(&finding.code)).cloned().collect();
        let decided = if fatal.is_empty() {
            // 4. Accept: exchange by exchange, each under a key of its own.
            let told = findings.iter().map(|finding| Remark::of(None, finding)).collect();
            self.accepted(partner, &manifest, &kid, contents, told).await?
        } else {
            let altered = fatal.iter().any(|finding| finding.code == "wrong-digest");
            Decided::refused(&fatal, altered)
        };
        // 5. Keep the answer, then give it. A crash before: the same is decided again, since each exchange is a repeat.
        let known = self.kept(partner, sequence, sum, decided).await?;
        seen.torn.remove(&sequence.number());
        seen.waiting.remove(&sequence.number());
        self.answer(link, partner, sequence, &known).await
    }

    /// The contents of the files of a list, and every difference between the list and what lies there.
    async fn compared(
        &self,
        link: &Link,
        partner: &Partner,
        manifest: &Manifest,
        files: &[Listed],
    ) -> Result<(Vec<Vec<u8>>, Vec<Finding>), LookFault> {
        let whole = manifest.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
        if whole > partner.at_most {
            let detail = format!("Le dépôt dépasse {} Mio.", partner.at_most >> 20);
            return Ok((Vec::new(), vec![Finding::new(Place::Whole, "drop-too-large", detail).cured_by("Déposez-le en plusieurs fois.")]));
        }
        let (mut contents, mut sums) = (Vec::new(), BTreeMap::new());
        for InList { name, size, .. } in &manifest.files {
            let name = name.to_string();
            if files.iter().any(|file| file.name == name && file.size == *size) {
                let content = link.read(&format!("{}/{name}", partner.inbox), *size).await?;
                sums.insert(name, hex(&content));
                contents.push(content);
            }
        }
        let present = files.iter().map(|file| Present {
            name: file.name.clone(),
            size: file.size,
            sha256: sums.get(&file.name).cloned().unwrap_or_default(),
        });
        Ok((contents, received::compare(manifest, &present.collect::<Vec<_>>())))
    }

    async fn kept(&self, partner: &Partner, sequence: Sequence, manifest: [u8; 32], decided: Decided) -> Result<ReceivedDrop, LookFault> {
        let outcome = decided.word();
        match outcome {
            DropOutcome::Accept => metrics::counter!(super::RECEIVED).increment(1),
            DropOutcome::Refuse => metrics::counter!(super::REFUSED).increment(1),
        }
        if decided.suspect {
            metrics::counter!(super::SUSPECT).increment(1);
            tracing::error!(partner = %partner.institution, sequence = sequence.number(), "a drop is not what its sender signed: look at it");
        }
        let answer = self.acknowledgement(partner, sequence, decided)?;
        let signature = self.signed(&answer);
        let write = DecideDrop {
            partner: partner.institution.clone(),
            sequence: sequence.number(),
            manifest,
            outcome,
            answer: answer.clone(),
            signature: signature.clone(),
            at: self.rooms.clock.now(),
        };
        self.rooms.store.write(write).await.map_err(Refusal::from)?;
        Ok(ReceivedDrop { manifest: manifest.to_vec(), outcome, answer, signature })
    }

    fn acknowledgement(&self, partner: &Partner, sequence: Sequence, decided: Decided) -> Result<Vec<u8>, Refusal> {
        let answer = Acknowledgement {
            sender: partner.institution.clone(),
            recipient: partner.serves.clone(),
            sequence,
            instant: self.rooms.clock.now(),
            outcome: decided.outcome,
            remarks: decided.remarks,
        };
        answer.write().map_err(|_| Refusal::Internal("acknowledgement"))
    }

    /// Gives the answer to a drop that was decided, and puts it away: its files first, what says that it is there last.
    async fn answer(&self, link: &Link, partner: &Partner, sequence: Sequence, known: &ReceivedDrop) -> Result<(), LookFault> {
        self.put_answer(link, partner, sequence, (&known.answer, &known.signature)).await?;
        self.put_away(link, partner, sequence, known.outcome).await
    }

    async fn put_answer(&self, link: &Link, partner: &Partner, sequence: Sequence, (answer, jws): (&[u8], &[u8])) -> Result<(), LookFault> {
        let name = |part| DropName { sender: partner.institution.clone(), sequence, part }.to_string();
        let mine = nonce()?;
        // What a try that broke off left of it is nobody's.
        let own = name(Part::Acknowledgement).replace(".json", "");
        link.remove_all(&partner.outbox, |file| file.starts_with(&own) && file.ends_with(".part")).await?;
        link.put(&partner.outbox, &name(Part::Acknowledgement), &mine, once(answer.to_vec())).await?;
        Ok(link.put(&partner.outbox, &name(Part::AcknowledgementSignature), &mine, once(jws.to_vec())).await?)
    }

    /// A drop that is not the partner's, or whose number is another's: it is answered, and takes no number.
    async fn turn_away(&self, link: &Link, partner: &Partner, sequence: Sequence, findings: &[Finding]) -> Result<(), LookFault> {
        metrics::counter!(super::REFUSED).increment(1);
        metrics::counter!(super::SUSPECT).increment(1);
        let code = findings.first().map_or("", |finding| finding.code);
        tracing::error!(partner = %partner.institution, sequence = sequence.number(), code, "a drop is refused that its partner cannot have meant: look at it");
        // An answer that was given under this number and not taken yet is worth more than this one.
        let own = DropName { sender: partner.institution.clone(), sequence, part: Part::Acknowledgement }.to_string();
        if !link.list(&partner.outbox).await?.iter().any(|file| file.name == own) {
            let answer = self.acknowledgement(partner, sequence, Decided::refused(findings, true))?;
            let jws = self.signed(&answer);
            self.put_answer(link, partner, sequence, (&answer, &jws)).await?;
        }
        self.put_away(link, partner, sequence, DropOutcome::Refuse).await
    }

    async fn put_away(&self, link: &Link, partner: &Partner, sequence: Sequence, outcome: DropOutcome) -> Result<(), LookFault> {
        let own = |file: &Listed| {
            file.name.parse::<DropName>().ok().filter(|name| name.sender == partner.institution && name.sequence == sequence)
        };
        let mut names: Vec<DropName> = link.list(&partner.inbox).await?.iter().filter_map(own).collect();
        names.sort_by_key(|name| last_of_all(&name.part));
        self.moved(link, partner, &names, outcome).await
    }

    async fn moved(&self, link: &Link, partner: &Partner, names: &[DropName], outcome: DropOutcome) -> Result<(), LookFault> {
        let folder = format!(
            "{}/{}",
            partner.inbox,
            match outcome {
                DropOutcome::Accept => TAKEN,
                DropOutcome::Refuse => TURNED_AWAY,
            }
        );
        link.folder(&folder).await?;
        for name in names {
            let left = format!("{}/{name}", partner.inbox);
            // What was taken over lies sealed here: there is no use for it in clear. Its list says what it was.
            if outcome == DropOutcome::Accept && matches!(name.part, Part::File { .. }) {
                link.remove(&left).await?;
            } else {
                link.replace(&left, &format!("{folder}/{name}")).await?;
            }
        }
        Ok(())
    }

    /// What is left of drops that were decided, and of answers that were read, after a crash between two moves.
    async fn tidy(&self, link: &Link, partner: &Partner) -> Result<(), LookFault> {
        let names: BTreeSet<DropName> = link.list(&partner.inbox).await?.iter().filter_map(|file| file.name.parse().ok()).collect();
        let whole = received::complete(names.iter().map(ToString::to_string).collect::<Vec<_>>().iter().map(String::as_str));
        for name in names {
            let number = name.sequence.number();
            let alone = whole.iter().all(|known| known.sender != name.sender || known.sequence != name.sequence);
            if name.sender == partner.institution && alone && !matches!(name.part, Part::Acknowledgement | Part::AcknowledgementSignature) {
                let known = self.rooms.store.received_drop(&partner.institution, number).await.map_err(Refusal::from)?;
                if let Some(known) = known {
                    self.moved(link, partner, &[name], known.outcome).await?;
                }
            } else if name.sender == partner.serves && name.part == Part::AcknowledgementSignature {
                let sent = self.rooms.store.sent_drop(&partner.institution, number).await.map_err(Refusal::from)?;
                if sent.is_some_and(|sent| sent.answered_at.is_some()) {
                    self.moved(link, partner, &[name], DropOutcome::Accept).await?;
                }
            }
        }
        Ok(())
    }

    /// What the partner answered to one drop of ours.
    async fn answered(&self, link: &Link, partner: &Partner, name: &DropName) -> Result<(), LookFault> {
        let answer = read(link, partner, name, (Part::Acknowledgement, MAX_ANSWER)).await;
        let (bytes, jws) = match (answer, read(link, partner, name, (Part::AcknowledgementSignature, MAX_SIGNATURE)).await) {
            (Ok(bytes), Ok(jws)) => (bytes, jws),
            (Err(WireFault::TooLarge), _) | (_, Err(WireFault::TooLarge)) => return self.strange_answer(link, partner, name).await,
            (Err(fault), _) | (_, Err(fault)) => return Err(fault.into()),
        };
        let signed = signature::verify(&jws, &bytes, |signed| partner.signed(signed)).is_ok();
        let number = name.sequence.number();
        let sent = self.rooms.store.sent_drop(&partner.institution, number).await.map_err(Refusal::from)?;
        let (Ok(answer), Some(sent), true) = (Acknowledgement::read(&bytes), sent, signed) else {
            return self.strange_answer(link, partner, name).await;
        };
        if answer.sender != partner.serves || answer.recipient != partner.institution || answer.sequence != name.sequence {
            return self.strange_answer(link, partner, name).await;
        }
        if sent.answered_at.is_none()
            && let Some(delivery) = self.rooms.store.delivery(sent.delivery).await.map_err(Refusal::from)?
        {
            let law = self.rooms.law.load_full();
            let endpoint = law.directory.party(&delivery.recipient).and_then(|known| known.unit).and_then(|unit| unit.push.as_ref());
            let system = endpoint.filter(|_| sent.content).and_then(|endpoint| reader(&law, &delivery, endpoint));
            let outcome = match answer.outcome {
                Outcome::Accept(_) => DropOutcome::Accept,
                Outcome::Refuse => DropOutcome::Refuse,
            };
            let said_at = answer.instant;
            acknowledge_drop(
                &self.rooms,
                Acknowledged { partner: &partner.institution, sequence: number, delivery: &delivery, system, outcome, said_at },
            )
            .await?;
            if outcome == DropOutcome::Refuse {
                metrics::counter!(super::NOT_TAKEN).increment(1);
                let remarks = answer.remarks.len();
                tracing::error!(partner = %partner.institution, sequence = number, delivery.id = %delivery.id, remarks, "a partner did not take a drop: its unit must be told otherwise");
            }
        }
        self.moved(link, partner, &both(name), DropOutcome::Accept).await
    }

    async fn strange_answer(&self, link: &Link, partner: &Partner, name: &DropName) -> Result<(), LookFault> {
        metrics::counter!(super::SUSPECT).increment(1);
        tracing::error!(partner = %partner.institution, sequence = name.sequence.number(), "an answer to a drop is not the partner's, or to no drop of ours: look at it");
        self.moved(link, partner, &both(name), DropOutcome::Refuse).await
    }
}

/// What ends a look; what one drop alone suffers from is told, and those behind it do not wait for it.
fn alone(partner: &Partner, name: &DropName, looked: Result<(), LookFault>) -> Result<(), LookFault> {
    let told = match &looked {
        Err(LookFault::Wire(fault)) => !fault.is_dark(),
        Err(LookFault::Ours(_)) => true,
        Ok(()) => false,
    };
    if let (true, Err(fault)) = (told, &looked) {
        metrics::counter!(super::SUSPECT).increment(1);
        tracing::error!(partner = %partner.institution, sequence = name.sequence.number(), error = %fault, "a drop, or an answer, cannot be worked on: look at it");
        return Ok(());
    }
    looked
}

impl Seen {
    /// Whether the files of a drop changed since the last look, or are looked at for the first time.
    fn grows(&mut self, sequence: Sequence, files: &[Listed]) -> bool {
        let own = |file: &&Listed| file.name.parse::<DropName>().is_ok_and(|name| name.sequence == sequence);
        let now: Vec<Listed> = files.iter().filter(own).cloned().collect();
        self.torn.insert(sequence.number(), now.clone()).is_none_or(|before| before != now)
    }

    /// Whether a drop may still wait for the one before it.
    fn waits(&mut self, sequence: Sequence, now: Instant) -> bool {
        let since = *self.waiting.entry(sequence.number()).or_insert(now);
        now.since(since) < PATIENCE
    }
}

/// Another file of the same drop, and how large it may be.
async fn read(link: &Link, partner: &Partner, name: &DropName, (part, at_most): (Part, u64)) -> Result<Vec<u8>, WireFault> {
    link.read(&format!("{}/{}", partner.inbox, name.beside(part)), at_most).await
}

/// Answers to drops of ours that are there with their signature.
fn answers(files: &[Listed], partner: &Partner) -> Vec<DropName> {
    let names: BTreeSet<DropName> = files.iter().filter_map(|file| file.name.parse().ok()).collect();
    let ours = |name: &&DropName| name.sender == partner.serves && name.part == Part::Acknowledgement;
    names.iter().filter(ours).filter(|name| names.contains(&name.beside(Part::AcknowledgementSignature))).cloned().collect()
}

fn both(name: &DropName) -> [DropName; 2] {
    [name.beside(Part::Acknowledgement), name.beside(Part::AcknowledgementSignature)]
}

/// A list that is of this partner, for whom it serves, and of this number.
fn meant(manifest: &Manifest, partner: &Partner, sequence: Sequence) -> Result<Manifest, Refused> {
    let wrong = |at: &str| Finding::new(Place::Path(at.to_owned()), "bad-value", "Ce n’est pas ce que dit le nom du manifeste.");
    let mut findings = Vec::new();
    findings.extend((manifest.sender != partner.institution).then(|| wrong("$.sender")));
    findings.extend((manifest.recipient != partner.serves).then(|| wrong("$.recipient")));
    findings.extend((manifest.sequence != sequence).then(|| wrong("$.sequence")));
    if findings.is_empty() { Ok(manifest.clone()) } else { Err(Refused(findings)) }
}

const fn last_of_all(part: &Part) -> u8 {
    match part {
        Part::File { .. } | Part::Acknowledgement | Part::AcknowledgementSignature => 0,
        Part::Manifest => 1,
        Part::ManifestSignature => 2,
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap_or([0; 32])
}

/// How long a drop waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(600);
/// Differences after which nothing of a drop is taken.
const FATAL: [&str; 5] = ["missing-file", "truncated", "too-long", "wrong-digest", "drop-too-large"];
/// Folders beside what was left: for what was taken over, and for what was not.
const TAKEN: &str = "traite";
const TURNED_AWAY: &str = "refuse";
/// Bytes of a list, of a signature, of an answer: what their formats take, and one more.
const MAX_LIST: u64 = (1 << 20) + 1;
const MAX_SIGNATURE: u64 = 4097;
const MAX_ANSWER: u64 = (4 << 20) + 1;
