//! Emergency: a person of the recipient's institution reads what is not in the own mailbox, with a written reason, some
//! classes, and for a short time. It never reaches the reporter, a place of care, or somebody from whom the file is sealed;
//! the data-protection officer and the head of the CRIP are told in the same commit, and review it.

use std::{collections::BTreeSet, time::Duration};

use exchange::{ClockId, DataClass, DeliveryId, ExchangeId, FollowUpId, GrantId, Instant, Party, envelope::Excluded};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Loaded, document, load, nothing_there, rectified, refused, release, released};
use crate::{
    directory::{Professional, Role, day::day_in_france},
    flows::{Caller, Law, REVIEW, Rooms, sealed_from_whom},
    log::Event,
    policy::{Opening, Release},
    refusal::{Refusal, TaskFault},
    seal,
    source::sha256_base64url,
    store::{
        StoreError,
        break_glass::{Grant, GrantAccess, NewReview, UseAccess},
        clocks::{NewClock, Told},
        delivery::DeliveryRow,
        follow_up::NewFollowUp,
    },
};

/// What is to be read, by whichever id the person has.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// A delivery.
    Delivery(DeliveryId),
    /// An exchange that came to the person's institution.
    Exchange(ExchangeId),
}

/// What is asked in an emergency.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emergency {
    /// Why, in 20 characters at least; needless while an earlier access to these classes lasts. Kept sealed.
    #[serde(default)]
    pub reason: Option<String>,
    /// Data classes to read; absent: those of the access that lasts.
    #[serde(default)]
    pub classes: Vec<String>,
    /// How long; absent: as long as the gateway allows.
    #[serde(default)]
    pub minutes: Option<u32>,
}

/// A new access as it was asked for, whole.
struct Request<'a> {
    reason: &'a str,
    classes: BTreeSet<DataClass>,
    minutes: u32,
}

/// Reads in an emergency.
///
/// # Errors
/// [`TaskFault`] when reason, classes or duration are missing or too much, whether or not anything is there;
/// [`Refusal::NotFound`] for what does not exist or may not be known of.
#[tracing::instrument(level = "debug", skip_all, name = "urgence")]
pub async fn open(rooms: &Rooms, caller: &Caller, target: Target, ask: Emergency) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Find: only what came to this person's institution and is not sealed from this person.
    let professional = caller.professional(&law)?;
    let delivery = find(rooms, professional, target).await?;
    // 2. Under an access that lasts, or for a new one with everything that it needs.
    let classes = classes(&ask)?;
    let lasting = match &delivery {
        Some(delivery) => rooms.store.grant_in_force(delivery.exchange, &professional.id, now).await?,
        None => None,
    };
    let lasting = lasting.filter(|grant| classes.is_subset(&grant.classes));
    let request = match &lasting {
        Some(_) => None,
        // Asked before anything is said of what is there: an incomplete request tells nothing.
        None => Some(request(rooms, &ask, &classes)?),
    };
    let Some(delivery) = delivery else { return Err(hidden(rooms, &law, professional, target, now).await) };
    let loaded = match load(rooms, delivery.exchange).await {
        Err(Refusal::Erased { .. }) => return Err(hidden(rooms, &law, professional, target, now).await),
        other => other?,
    };
    let asked = match (&lasting, &request) {
        (Some(grant), _) if classes.is_empty() => grant.classes.clone(),
        (_, _) => classes,
    };
    // 3. Decide: an action of its own, on what was asked for and nothing else.
    let present: Vec<DataClass> = loaded.classes.iter().copied().filter(|class| asked.contains(class)).collect();
    let opening = Opening::BreakGlass { reason: true, in_time: true, classes: &asked };
    let release = match release(&law, professional, &delivery, &loaded, &present, opening, now)? {
        Ok(release) => release,
        Err(denial) => return Err(refused(rooms, &law, professional, &delivery, denial, now).await),
    };
    // Nothing is granted, and nobody alarmed, for what nobody reads any more; told only to who could have read it.
    if let Some(at) = loaded.taken_back(&law) {
        return Err(Refusal::Withdrawn { at });
    }
    // 4. Write it down, tell those who review it, and wait until it cannot be unwritten.
    let (grant, until) = match (lasting, request) {
        (Some(grant), _) => again(rooms, &law, professional, &delivery, grant, &release, now).await?,
        (None, Some(request)) => grant(rooms, &law, professional, &delivery, &loaded, request, &release, now).await?,
        (None, None) => return Err(Refusal::Internal("urgence")),
    };
    // 5. Release.
    let (content, unsorted) = released(rooms, &law, &loaded, &release, |class| asked.contains(&class)).await?;
    let mut document = document(&delivery, &loaded.row, &loaded.route, content.reveal(), (release.withheld(), unsorted));
    rectified::tell(rooms, professional, &delivery, &loaded, &mut document).await?;
    if let Value::Object(document) = &mut document {
        document.insert("urgence".into(), json!({"grant": grant, "until": until, "classes": asked}));
    }
    Ok(document)
}

/// Puts what alarms on the board before it counts, so that its first move is seen.
pub fn count_from_zero() {
    metrics::counter!(ACCESSES).increment(0);
}

async fn find(rooms: &Rooms, professional: &Professional, target: Target) -> Result<Option<DeliveryRow>, Refusal> {
    let found = match target {
        Target::Delivery(id) => rooms.store.delivery(id).await?,
        Target::Exchange(id) => {
            let all = rooms.store.deliveries_of(id).await?;
            all.into_iter().find(|delivery| delivery.recipient.institution == professional.institution)
        }
    };
    let Some(delivery) = found.filter(|delivery| delivery.recipient.institution == professional.institution) else { return Ok(None) };
    let sealed = rooms.store.sealed_from(delivery.exchange, &professional.institution, &professional.id).await?;
    Ok(Some(delivery).filter(|_| !sealed))
}

fn classes(ask: &Emergency) -> Result<BTreeSet<DataClass>, TaskFault> {
    ask.classes.iter().map(|class| class.parse()).collect::<Result<_, _>>().map_err(|_| TaskFault::Classes)
}

fn request<'a>(rooms: &Rooms, ask: &'a Emergency, classes: &BTreeSet<DataClass>) -> Result<Request<'a>, TaskFault> {
    let reason = ask.reason.as_deref().map(str::trim).unwrap_or_default();
    if !(20..=4000).contains(&reason.chars().count()) {
        return Err(TaskFault::Reason);
    }
    if classes.is_empty() {
        return Err(TaskFault::Classes);
    }
    let at_most = rooms.emergency_minutes;
    let minutes = ask.minutes.unwrap_or(at_most);
    if minutes == 0 || minutes > at_most {
        return Err(TaskFault::Duration { minutes: at_most });
    }
    Ok(Request { reason, classes: classes.clone(), minutes })
}

async fn hidden(rooms: &Rooms, law: &Law, professional: &Professional, target: Target, now: Instant) -> Refusal {
    match target {
        Target::Delivery(id) => nothing_there(rooms, law, professional, &id, now).await,
        Target::Exchange(id) => nothing_there(rooms, law, professional, &id, now).await,
    }
}

/// A new access: kept with its reviews, their clocks, and who is told of them, in the commit of the entry.
#[expect(clippy::too_many_arguments, reason = "what an access consists of, each once")]
async fn grant(
    rooms: &Rooms,
    law: &Law,
    professional: &Professional,
    delivery: &DeliveryRow,
    loaded: &Loaded,
    request: Request<'_>,
    release: &Release,
    now: Instant,
) -> Result<(GrantId, Instant), Refusal> {
    let id = GrantId::new();
    let until = now.plus(Duration::from_secs(u64::from(request.minutes) * 60));
    let reviews = reviews(law, professional, &delivery.recipient, &sealed_from_whom(rooms, delivery.exchange).await?, id, now)
        .ok_or(TaskFault::NobodyReviews)?;
    let reason = seal::seal_column(&loaded.key, "break_glass", delivery.exchange, &id.to_string(), request.reason.as_bytes())
        .map_err(|_| Refusal::Internal("seal"))?;
    let entry = rooms.entry(
        rooms
            .state(law, Event::BreakGlass, Some(delivery.exchange), now)
            .commit("grant", &id)
            .commit("delivery", &delivery.id)
            .commit("recipient", &delivery.recipient)
            .commit("professional", &professional.id)
            .commit("classes", &request.classes)
            .commit("until", &until)
            // Words that may name somebody die with the content: the log keeps the digest of their ciphertext.
            .commit("reason", &sha256_base64url(&reason))
            .commit("decision", &json!({"result": "permit", "record": release.record()})),
    )?;
    let leaf = entry.leaf_hash;
    let grant = Grant {
        id,
        exchange: delivery.exchange,
        delivery: delivery.id,
        institution: professional.institution.clone(),
        reader: professional.id.clone(),
        classes: request.classes,
        rules: release.record().rules.clone(),
        reason,
        granted_at: now,
        until,
        uses: 1,
    };
    rooms.store.write(GrantAccess { grant, reviews, entry }).await?;
    metrics::counter!(ACCESSES).increment(1);
    tracing::warn!(exchange.id = %delivery.exchange, grant = %id, unit = %delivery.recipient, "an emergency access was given: it awaits its review");
    rooms.signed(&leaf).await?;
    Ok((id, until))
}

/// Another reading under an access that lasts: logged like the first.
async fn again(
    rooms: &Rooms,
    law: &Law,
    professional: &Professional,
    delivery: &DeliveryRow,
    grant: Grant,
    release: &Release,
    now: Instant,
) -> Result<(GrantId, Instant), Refusal> {
    let entry = rooms.entry(
        rooms
            .state(law, Event::BreakGlass, Some(delivery.exchange), now)
            .commit("grant", &grant.id)
            .commit("delivery", &delivery.id)
            .commit("recipient", &delivery.recipient)
            .commit("professional", &professional.id)
            .commit("classes", &grant.classes)
            .commit("until", &grant.until)
            .commit("decision", &json!({"result": "permit", "record": release.record()})),
    )?;
    let leaf = entry.leaf_hash;
    match rooms.store.write(UseAccess { id: grant.id, at: now, entry }).await {
        Ok(()) => {}
        // It ended in between.
        Err(StoreError::NotThere(_)) => return Err(TaskFault::Reason.into()),
        Err(error) => return Err(error.into()),
    }
    rooms.signed(&leaf).await?;
    Ok((grant.id, grant.until))
}

/// Who reviews: the data-protection officer and the head of the CRIP of the institution, never the reader alone. Where one
/// of them is missing an auditor; where all are, the unit that received it. `None`: nobody could.
fn reviews(
    law: &Law,
    reader: &Professional,
    recipient: &Party,
    exclus: &[Excluded],
    grant: GrantId,
    now: Instant,
) -> Option<Vec<NewReview>> {
    // For whom the exchange does not exist, its review does not either.
    let may = |person: &Professional| person.id != reader.id && !exclus.contains(&Excluded::Professional(person.id.clone()));
    let other = |role: Role| law.directory.holders(&reader.institution, role).any(may);
    let mut functions: Vec<Role> = [Role::Dpo, Role::CadreCrip].into_iter().filter(|role| other(*role)).collect();
    // Two reviews are of two people: where one person holds both functions, one review is somebody else's.
    let people = |roles: &[Role]| {
        let held = roles.iter().flat_map(|role| law.directory.holders(&reader.institution, *role));
        held.filter(|person| may(person)).map(|person| &person.id).collect::<BTreeSet<_>>().len()
    };
    if people(&functions) < functions.len() {
        functions.truncate(1);
    }
    if functions.len() < 2 && other(Role::Auditeur) {
        functions.push(Role::Auditeur);
    }
    let institution = Party { institution: reader.institution.clone(), unit: None };
    let mut reviews: Vec<NewReview> = functions
        .into_iter()
        .map(|role| {
            let told = Told::function(
                "warning",
                &institution,
                role,
                law.directory.holders(&reader.institution, role).filter(|person| may(person)),
            );
            review(law, &institution, Some(role), told, grant, now)
        })
        .collect();
    if reviews.is_empty() {
        let unit = recipient.unit.as_ref()?;
        let today = day_in_france(now);
        let in_unit =
            |person: &&Professional| person.institution == recipient.institution && may(person) && person.habilitated(unit, today);
        law.directory.professionals().find(in_unit)?;
        let told = Told { stage: "warning", professional: String::new(), unit: recipient.clone(), role: None };
        reviews.push(review(law, recipient, None, told, grant, now));
    }
    Some(reviews)
}

fn review(law: &Law, owner: &Party, role: Option<Role>, told: Told, grant: GrantId, now: Instant) -> NewReview {
    let follow_up = NewFollowUp { id: FollowUpId::new(), code: REVIEW.to_owned(), owner: owner.clone(), details: vec![grant.to_string()] };
    let clocks = law.catalogue.clocks_of_task(REVIEW).filter_map(|rule| {
        let due = law.catalogue.due_for_task(rule, now)?;
        Some(NewClock::of_task(ClockId::new(), &rule.name, owner, follow_up.id, now, due.limit, due.warnings))
    });
    let clocks = clocks.collect();
    NewReview { role, follow_up, clocks, told }
}

const ACCESSES: &str = "passerelle_emergency_accesses_total";
