//! Re-identification: who stands behind a pseudonym, for a written reason, when two other people of two functions approve.
//!
//! Order: somebody asks, two approve, the asker opens, once and within thirty minutes. Each step is an entry of the log;
//! what is shown waits until its entry stands in a signed checkpoint (invariant 5). A pseudonym that leads to nobody, that
//! belongs to another domain, whose domain is closed or whose person an exchange that is sealed from those who act speaks
//! of, answers alike, after the same work (invariant 15).

use std::{collections::BTreeSet, time::Duration};

use exchange::{AgreementId, ExchangeId, Identity, Instant, InstitutionId, Kind, ProfessionalId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Caller, Law, Rooms};
use crate::{
    directory::{Professional, Role},
    log::{Event, entry::field},
    policy::{Denial, DualControl, Protected, Reidentification},
    refusal::Refusal,
    seal::{
        Place, Secret, body,
        pseudonym::{Domain, DomainKey, Pseudonym},
    },
    source::sha256_base64url,
    store::{
        StoreError,
        audit::AppendEntries,
        reidentification::{ApproveReidentification, ReidentificationRow, RequestReidentification, UseReidentification},
        vault::matching::Decider,
    },
};

/// What somebody asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The pseudonym, as it was given.
    pub pseudonym: String,
    /// To which institution it was given.
    pub recipient: InstitutionId,
    /// For which purpose.
    pub purpose: String,
    /// Under which agreement, if any.
    #[serde(default)]
    pub agreement: Option<AgreementId>,
    /// Why: 20 characters at least.
    pub reason: String,
}

/// A request as it was taken down.
#[derive(Debug, Serialize)]
pub struct Requested {
    /// The request.
    pub id: ExchangeId,
    /// Until when two people may approve and the asker open.
    pub until: Instant,
}

/// What is sealed of a request.
#[derive(Serialize, Deserialize)]
struct Sealed {
    pseudonym: String,
    reason: String,
}

/// Takes a request down. Whether the pseudonym leads to anybody is not looked at.
///
/// # Errors
/// [`Refusal::RoleMissing`], [`Refusal::Malformed`], [`Refusal::UnknownRecipient`], [`Refusal::Denied`] when even two approvals
/// would not do, [`Refusal::TooMany`].
pub async fn request(rooms: &Rooms, caller: &Caller, request: Request) -> Result<Requested, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Who asks, for what?
    let asker = caller.professional(&law)?;
    Decider::entitled(&law.directory, &rooms.departement, &asker.institution, &asker.id.subject, now)
        .ok_or(Refusal::RoleMissing("habilitation en cours de validité pour une CRIP de ce département"))?;
    let pseudonym: Pseudonym = request.pseudonym.parse().map_err(|_| Refusal::Malformed("pseudonym"))?;
    let reason = request.reason.trim();
    if reason.chars().count() < REASON_CHARACTERS || reason.len() > REASON_BYTES {
        return Err(Refusal::Malformed("reason"));
    }
    if !law.catalogue.has_code("CL-purpose", &request.purpose) {
        return Err(Refusal::Malformed("purpose"));
    }
    let domain = Domain { recipient: request.recipient, purpose: request.purpose, agreement: request.agreement };
    let id = ExchangeId::new();
    // 2. Would it be permitted, if the two approved whom this Département asks? A request without issue is not taken.
    let imagined = imagined();
    let asked = question(&law, id, &domain, asker, &imagined, (true, true), now)?;
    if let Err(denial) = law.policies.reidentify(&asked) {
        return Err(refused(rooms, &law, asker, id, denial, now).await);
    }
    // 3. Keep and log.
    let sealed = seal(rooms, id, &Sealed { pseudonym: pseudonym.to_string(), reason: reason.to_owned() })?;
    let statement = rooms
        .state(&law, Event::DecisionMade, None, now)
        .commit("action", &"reidentification-requested")
        .commit("request", &id)
        .commit("professional", &asker.id.to_string())
        .commit("pseudonym", &pseudonym.to_string())
        // A reason may name somebody: the log keeps the digest of its ciphertext.
        .commit("words", &sha256_base64url(&sealed));
    let write = RequestReidentification {
        id,
        institution: asker.institution.clone(),
        asker: asker.id.clone(),
        domain,
        sealed,
        at: now,
        at_most: REQUESTS,
        within: PER,
        entry: rooms.entry(statement)?,
    };
    if !rooms.store.write(write).await? {
        return Err(Refusal::TooMany { retry_after: PER });
    }
    metrics::counter!(STEPS, "step" => "requested").increment(1);
    tracing::warn!(gateway = %rooms.gateway, request.id = %id, "somebody asks who stands behind a pseudonym");
    Ok(Requested { id, until: now.plus(VALID) })
}

/// Approves a request of somebody else.
///
/// # Errors
/// [`Refusal::NotFound`] when it does not exist for this person, [`Refusal::RoleMissing`], [`Refusal::Over`].
pub async fn approve(rooms: &Rooms, caller: &Caller, id: ExchangeId) -> Result<(), Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    let professional = caller.with_role(&law, &APPROVERS, "délégué à la protection des données ou cadre de la CRIP")?;
    let row = of_the_institution(rooms, professional, id).await?;
    if row.asker == professional.id {
        return Err(Refusal::RoleMissing("une autre personne que celle qui demande"));
    }
    if row.used_at.is_some() || !in_time(&row, now) {
        return Err(Refusal::Over("Cette demande a plus de trente minutes, ou a déjà servi"));
    }
    let statement = rooms
        .state(&law, Event::DecisionMade, None, now)
        .commit("action", &"reidentification-approved")
        .commit("request", &id)
        .commit("professional", &professional.id.to_string());
    let entry = rooms.entry(statement)?;
    match rooms.store.write(ApproveReidentification { id, by: professional.id.clone(), at: now, entry }).await {
        Err(StoreError::AlreadyThere) => Err(Refusal::Over("Vous avez déjà donné votre accord")),
        other => Ok(other?),
    }?;
    metrics::counter!(STEPS, "step" => "approved").increment(1);
    Ok(())
}

/// The requests of the institution: for its data-protection officer, its auditors and the heads of its CRIP. Without reasons.
///
/// # Errors
/// [`Refusal::RoleMissing`].
pub async fn list(rooms: &Rooms, caller: &Caller) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let professional = caller.with_role(&law, &READERS, "délégué à la protection des données, cadre de la CRIP ou auditeur")?;
    let now = rooms.clock.now();
    let rows = rooms.store.reidentifications(&professional.institution).await?;
    Ok(json!({"reidentifications": rows.iter().map(|row| shown(row, now)).collect::<Vec<_>>()}))
}

/// One request with its reason, for who may approve it: words of a person, which leave after their entry is signed.
///
/// # Errors
/// As [`approve`].
pub async fn reason(rooms: &Rooms, caller: &Caller, id: ExchangeId) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    let professional = caller.with_role(&law, &READERS, "délégué à la protection des données, cadre de la CRIP ou auditeur")?;
    let row = of_the_institution(rooms, professional, id).await?;
    let statement = rooms
        .state(&law, Event::DecisionMade, None, now)
        .commit("action", &"reidentification-read")
        .commit("request", &id)
        .commit("professional", &professional.id.to_string());
    let entry = rooms.entry(statement)?;
    let leaf = entry.leaf_hash;
    rooms.store.write(AppendEntries(vec![entry])).await?;
    rooms.signed(&leaf).await?;
    let mut one = shown(&row, now);
    if let Value::Object(fields) = &mut one {
        fields.insert("reason".into(), json!(unseal(rooms, &row)?.reason));
    }
    Ok(one)
}

/// Says who stands behind the pseudonym, to who asked, once.
///
/// # Errors
/// [`Refusal::NotFound`] when the request is not this person's, or nobody stands there for this person; [`Refusal::Denied`] with what is
/// missing; [`Refusal::Over`] when two open at once.
pub async fn open(rooms: &Rooms, caller: &Caller, id: ExchangeId) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Find: the request is its asker's alone, who must still be entitled.
    let asker = caller.professional(&law)?;
    let row = rooms.store.reidentification(id).await?.filter(|row| row.asker == asker.id).ok_or(Refusal::NotFound)?;
    Decider::entitled(&law.directory, &rooms.departement, &asker.institution, &asker.id.subject, now)
        .ok_or(Refusal::RoleMissing("habilitation en cours de validité pour une CRIP de ce département"))?;
    // 2. Decide, with the functions that the approvers have today.
    let approvals = approvals(&law, &row, now);
    let asked = question(&law, id, &row.domain, asker, &approvals, (in_time(&row, now), row.used_at.is_none()), now)?;
    let proof: DualControl = match law.policies.unmask(&asked) {
        Ok(proof) => proof,
        Err(denial) => return Err(refused(rooms, &law, asker, id, denial, now).await),
    };
    // 3. Spend it, write it down, and wait until it cannot be unwritten.
    let statement = rooms
        .state(&law, Event::IdentityReidentified, None, now)
        .commit("request", &id)
        .commit("professional", &asker.id.to_string())
        .commit(field::APPROVERS, &two_functions(&approvals))
        .commit("decision", &json!({"result": "permit", "record": proof.record()}));
    let entry = rooms.entry(statement)?;
    let leaf = entry.leaf_hash;
    match rooms.store.write(UseReidentification { id, at: now, entry }).await {
        Err(StoreError::NotThere(_)) => return Err(Refusal::Over("Cette demande a déjà servi")),
        other => other?,
    }
    rooms.signed(&leaf).await?;
    metrics::counter!(STEPS, "step" => "opened").increment(1);
    tracing::warn!(gateway = %rooms.gateway, request.id = %id, "a pseudonym was turned back into a person, by two approvers");
    // 4. Look: the same work, whether the domain has a key, and the key a person, or not. Where an exchange is sealed from
    // the asker or from who approved, without knowing of whom, nobody stands either.
    let mut sealed = BTreeSet::new();
    for who in [&asker.id].into_iter().chain(approvals.iter().map(|(who, _)| who)) {
        sealed.extend(rooms.store.all_sealed_from(&row.institution, who).await?);
    }
    let pseudonym: Pseudonym = unseal(rooms, &row)?.pseudonym.parse().map_err(|_| Refusal::Internal("pseudonym"))?;
    let key = match rooms.keys.domain_key_of(&row.domain, pseudonym.epoch()).await {
        Err(StoreError::NotThere(_)) => DomainKey::new(Secret::random().map_err(|_| Refusal::Internal("seal"))?, pseudonym.epoch()),
        other => other?,
    };
    let identity = rooms.vault.behind(&proof, &rooms.keys, &key, &pseudonym, &sealed).await?.ok_or(Refusal::NotFound)?;
    Ok(json!({"id": id, "identity": traits(&identity)}))
}

/// What tells a person from others, and nothing of where that person lives or is cared for (R64).
fn traits(identity: &Identity) -> Value {
    let all = identity.reveal().reveal();
    let fields = TRAITS.iter().filter_map(|name| Some(((*name).to_owned(), all.get(name)?.clone())));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn shown(row: &ReidentificationRow, now: Instant) -> Value {
    let state = match row.used_at {
        Some(_) => "opened",
        None if !in_time(row, now) => "over",
        None => "waiting",
    };
    let approvals: Vec<Value> = row.approvals.iter().map(|(by, at)| json!({"professional": by.subject, "at": at})).collect();
    json!({
        "id": row.id, "state": state, "asker": row.asker.subject,
        "domain": {"recipient": row.domain.recipient, "purpose": row.domain.purpose, "agreement": row.domain.agreement},
        "requested_at": row.requested_at, "until": row.requested_at.plus(VALID), "opened_at": row.used_at, "approvals": approvals,
    })
}

/// A request of the institution for which this person answers; nothing else exists.
async fn of_the_institution(rooms: &Rooms, professional: &Professional, id: ExchangeId) -> Result<ReidentificationRow, Refusal> {
    let row = rooms.store.reidentification(id).await?;
    row.filter(|row| row.institution == professional.institution).ok_or(Refusal::NotFound)
}

fn in_time(row: &ReidentificationRow, now: Instant) -> bool {
    now <= row.requested_at.plus(VALID)
}

/// The approvals that count now: people whom the directory still knows, with their functions of today.
fn approvals(law: &Law, row: &ReidentificationRow, now: Instant) -> Vec<(ProfessionalId, BTreeSet<Role>)> {
    let of = |(id, at): &(ProfessionalId, Instant)| {
        let known = law.directory.professional(id).filter(|known| known.institution == row.institution)?;
        let functions: BTreeSet<Role> = known.roles.iter().copied().filter(|role| APPROVERS.contains(role)).collect();
        (now <= at.plus(VALID) && !functions.is_empty()).then(|| (id.clone(), functions))
    };
    row.approvals.iter().filter_map(of).collect()
}

/// Two approvers, each with a function that the other does not stand for here: what the log states and `verify` checks.
fn two_functions(approvals: &[(ProfessionalId, BTreeSet<Role>)]) -> Value {
    for (n, (one, functions)) in approvals.iter().enumerate() {
        for (other, others) in approvals.iter().skip(n + 1) {
            let pair = functions.iter().flat_map(|f| others.iter().map(move |g| (f, g))).find(|(f, g)| f != g);
            if let Some((f, g)) = pair {
                return json!([{"professional": one.to_string(), "role": f}, {"professional": other.to_string(), "role": g}]);
            }
        }
    }
    json!([])
}

/// The two whom this Département asks, as if they had approved.
fn imagined() -> Vec<(ProfessionalId, BTreeSet<Role>)> {
    let of = |role: Role, subject: &str| (ProfessionalId { issuer: String::new(), subject: subject.to_owned() }, BTreeSet::from([role]));
    vec![of(Role::Dpo, "dpo"), of(Role::CadreCrip, "cadre-crip")]
}

fn question<'a>(
    law: &'a Law,
    request: ExchangeId,
    domain: &'a Domain,
    asker: &'a Professional,
    approvals: &'a [(ProfessionalId, BTreeSet<Role>)],
    (in_time, unused): (bool, bool),
    now: Instant,
) -> Result<Reidentification<'a>, Refusal> {
    let institution = law.directory.institution(&domain.recipient).ok_or(Refusal::UnknownRecipient)?;
    let kind: &Kind = &institution.kind;
    let protected = if domain.purpose == "statistics" { Protected::Statistics } else { Protected::Ordinary };
    Ok(Reidentification {
        request,
        domain: &domain.recipient,
        domain_kind: kind,
        protected,
        asker,
        reason: true,
        approvals,
        in_time,
        unused,
        now,
    })
}

async fn refused(rooms: &Rooms, law: &Law, asker: &Professional, id: ExchangeId, denial: Denial, now: Instant) -> Refusal {
    let (refusal, record) = match denial {
        Denial::Forbidden { explanations, hidden, record, .. } => {
            (if hidden { Refusal::NotFound } else { Refusal::Denied(explanations) }, record)
        }
        Denial::Undecidable { record } => (Refusal::Undecidable, record),
    };
    let statement = rooms
        .state(law, Event::DecisionMade, None, now)
        .commit("action", &"reidentification-refused")
        .commit("request", &id)
        .commit("professional", &asker.id.to_string())
        .commit("decision", &json!({"result": "refusal", "record": record}));
    rooms.refuse(statement, refusal).await
}

fn seal(rooms: &Rooms, id: ExchangeId, what: &Sealed) -> Result<Vec<u8>, Refusal> {
    let plain = serde_json::to_vec(what).map_err(|_| Refusal::Internal("request"))?;
    let key = rooms.keystore.wrapping("reidentification").map_err(|_| Refusal::Internal("seal"))?;
    body::seal_bytes(&key, &place(&id.to_string()), &plain).map_err(|_| Refusal::Internal("seal"))
}

fn unseal(rooms: &Rooms, row: &ReidentificationRow) -> Result<Sealed, Refusal> {
    let key = rooms.keystore.wrapping("reidentification").map_err(|_| Refusal::Internal("seal"))?;
    let plain = body::open_bytes(&key, &place(&row.id.to_string()), &row.sealed).map_err(|_| Refusal::Internal("request"))?;
    serde_json::from_slice(&plain).map_err(|_| Refusal::Internal("request"))
}

fn place(row: &str) -> Place<'_> {
    Place { table: "reidentification", row, column: "sealed", class: "identite", epoch: 1 }
}

/// How long after the request two may approve and the asker open.
const VALID: Duration = Duration::from_secs(30 * 60);
/// Requests of one person in [`PER`].
const REQUESTS: u32 = 5;
const PER: Duration = Duration::from_secs(24 * 3600);
const REASON_CHARACTERS: usize = 20;
const REASON_BYTES: usize = 4000;
/// Whose approval is asked: the functions of `policies/local/coffre.cedar`.
const APPROVERS: [Role; 2] = [Role::Dpo, Role::CadreCrip];
const READERS: [Role; 3] = [Role::Dpo, Role::CadreCrip, Role::Auditeur];
const TRAITS: [&str; 7] = ["birth_name", "use_name", "given_names", "sex", "birth_date", "birth_date_quality", "birth_place"];
const STEPS: &str = "passerelle_reidentifications_total";
