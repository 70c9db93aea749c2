//! Invariants that are no sentence about one request: of a rule, of the set, of two requests, of two agreements.

use cedar_policy::{Effect, Policy, PolicySet, RequestEnv};
use gateway::proof::{
    ProofFault, Prover, claim, guards,
    twin::{asking_others, linked},
    world::ABOUT_AN_EXCHANGE,
};
use serde_json::Value;

use crate::{
    Fault,
    check::{Outcome, Row, extend, told},
    ground::{Ground, PARTIES},
    written::Sentences,
};

/// What these are asked of.
const SUBMIT: [&str; 1] = ["submit"];

/// All of them, in the order of the table.
///
/// # Errors
/// The solver is not there; a set cannot be built.
pub(crate) async fn all(prover: &mut Prover, ground: &Ground, sentences: &Sentences) -> Result<Vec<Row>, Fault> {
    let mut rows = quick(prover, ground, sentences).await?;
    rows.push(no_rule_fails(prover, ground).await?);
    rows.push(no_rule_is_dead(prover, ground).await?);
    Ok(rows)
}

/// Those that ask a few questions, and not some for each rule.
///
/// # Errors
/// As [`all`].
pub(crate) async fn quick(prover: &mut Prover, ground: &Ground, sentences: &Sentences) -> Result<Vec<Row>, Fault> {
    Ok(vec![
        danger_needs_no_form(prover, ground, &sentences.completeness).await?,
        agreement_binds_its_parties(prover, ground).await?,
        any_parties_would_do(ground)?,
        agreements_stay_apart(prover, ground).await?,
        law_prevails(prover, ground).await?,
    ])
}

fn row(id: &str, rules: &[&str], statement: &str, outcome: Outcome) -> Row {
    let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
    Row { id: id.to_owned(), rules, statement: statement.to_owned(), outcome, remark: String::new() }
}

/// Turns the solver's failures into an outcome, but for its absence.
fn outcome(result: Result<Option<String>, ProofFault>) -> Result<Outcome, Fault> {
    match result {
        Ok(None) => Ok(Outcome::Proved),
        Ok(Some(what)) => Ok(Outcome::Refuted(what)),
        Err(fault @ ProofFault::NoSolver(_)) => Err(fault.into()),
        Err(fault) => Ok(Outcome::Undecided(fault.to_string())),
    }
}

/// Two deposits of one danger type that differ in nothing but their completeness get the same answer.
///
/// Both requests are symbolic: the second one's facts are a second copy of each (`other_…`), which the second copy of
/// the rules asks. So this is proved for every pair, and not for a permit against a list of gaps.
async fn danger_needs_no_form(prover: &mut Prover, ground: &Ground, facts: &[String]) -> Result<Row, Fault> {
    let statement = "Une alerte n’est jamais arrêtée par une formalité : deux dépôts qui ne diffèrent que par ce qui les dit complets \
         ont la même réponse.";
    let schema = ground.words.with_others(facts)?;
    let mut premise = ground.rules()?;
    extend(&mut premise, guards("danger", &SUBMIT, &["context.danger"])?)?;
    extend(&mut premise, guards("world", &SUBMIT, &ground.world)?)?;
    for other in guards("other-world", &SUBMIT, &ground.world)? {
        extend(&mut premise, [asking_others(&other, facts)?])?;
    }
    let mut conclusion = PolicySet::new();
    for rule in ground.rules()?.policies() {
        extend(&mut conclusion, [asking_others(rule, facts)?])?;
    }
    let mut found = Ok(None);
    for env in schema.request_envs().filter(|env| env.action().id().unescaped() == "submit") {
        match prover.implies((&schema, &env), &premise, &conclusion).await {
            Ok(None) => {}
            Ok(Some(witness)) => {
                let mut ordinary = ground.words.ordinary("submit");
                let others: Vec<_> = facts.iter().filter_map(|name| Some((format!("other_{name}"), ordinary.get(name)?.clone()))).collect();
                ordinary.extend(others);
                let still = |one: &gateway::proof::Witness| one.permitted_by(&premise) && !one.permitted_by(&conclusion);
                found = Ok(Some(told(&witness.simplest(&ordinary, &still), ground)));
                break;
            }
            Err(fault) => {
                found = Err(fault);
                break;
            }
        }
    }
    let mut row = row("danger-sans-forme", &["R02", "R05", "R08"], statement, outcome(found)?);
    row.remark = format!("faits laissés libres des deux côtés : {}", facts.join(", "));
    Ok(row)
}

/// Where an agreement is needed, what its template opens, and the whole set with it, stays between its parties.
///
/// A rule may also ask whether an agreement is in force, without its link. That this fact is true only of the two
/// parties is the gateway's to see to (`AgreementState::towards`, and the register), and is assumed here.
async fn agreement_binds_its_parties(prover: &mut Prover, ground: &Ground) -> Result<Row, Fault> {
    let statement =
        "Un protocole n’ouvre que ce qui va de l’une de ses parties à l’autre, quand il est en vigueur et que le catalogue le prévoit.";
    let between = format!("principal in Institution::{:?} && resource in Institution::{:?}", PARTIES.0, PARTIES.1);
    let Some(template) = &ground.whole.template else {
        return Ok(row("protocole-parties", &["R05"], statement, Outcome::Undecided("aucun modèle de protocole".to_owned())));
    };
    let mut alone = PolicySet::new();
    extend(&mut alone, [linked(template, PARTIES)?])?;
    let foreseen = claim(&SUBMIT, &format!(r#"{between} && context.agreement == "en-vigueur" && context.from_ok && context.to_ok"#))?;
    let mut result = never(prover, ground, "submit", &alone, &foreseen).await;
    if matches!(result, Ok(None)) {
        let mut whole = ground.rules()?;
        let needed = r#"!context.danger && context.agreement_need == "required""#.to_owned();
        let fact = format!(r#"context.agreement != "en-vigueur" || ({between})"#);
        extend(&mut whole, guards("needed", &SUBMIT, &[needed, fact])?)?;
        result = never(prover, ground, "submit", &whole, &claim(&SUBMIT, &between)?).await;
    }
    Ok(row("protocole-parties", &["R05"], statement, outcome(result)?))
}

/// No rule names an institution, a unit, a person or an exchange: what is proved of one agreement holds of each.
fn any_parties_would_do(ground: &Ground) -> Result<Row, Fault> {
    let mut named = Vec::new();
    for (id, rule) in &ground.whole.rules {
        let json = rule.to_json().map_err(|error| Fault::File(error.to_string()))?;
        if names_somebody(&json) {
            named.push(id.clone());
        }
    }
    let outcome = if named.is_empty() { Outcome::Proved } else { Outcome::Refuted(named.join(", ")) };
    let statement =
        "Aucune règle ne nomme une institution, un service, une personne ou un échange : ce qui vaut d’un protocole vaut de tous.";
    Ok(row("personne-nommee", &["R01"], statement, outcome))
}

fn names_somebody(json: &Value) -> bool {
    match json {
        Value::Object(map) => {
            let kind = map.get("type").and_then(Value::as_str);
            let one =
                map.contains_key("id") && kind.is_some_and(|kind| ["Institution", "Unit", "Professional", "Exchange"].contains(&kind));
            one || map.values().any(names_somebody)
        }
        Value::Array(items) => items.iter().any(names_somebody),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Two départements' agreements open nothing in common, and nothing of each other's.
///
/// That an institution belongs to itself alone, and a professional or an exchange to one institution, is how the gateway
/// builds its entities; Cedar cannot say it in the schema, so that it is said here.
async fn agreements_stay_apart(prover: &mut Prover, ground: &Ground) -> Result<Row, Fault> {
    let statement = "Les protocoles de deux départements n’ouvrent rien de commun, et rien des échanges l’un de l’autre.";
    let Some(template) = &ground.whole.template else {
        return Ok(row("departements-disjoints", &["R05"], statement, Outcome::Undecided("aucun modèle de protocole".to_owned())));
    };
    let one_parent = [
        r#"!(principal in Institution::"31-ecole" && principal in Institution::"32-ecole")"#,
        r#"!(resource in Institution::"31-crip" && resource in Institution::"32-crip")"#,
    ];
    let (mut first, mut second) = (PolicySet::new(), PolicySet::new());
    extend(&mut first, [linked(template, ("31-ecole", "31-crip"))?])?;
    extend(&mut second, [linked(template, ("32-ecole", "32-crip"))?])?;
    extend(&mut first, guards("one-parent", &SUBMIT, &one_parent)?)?;
    let mut result = Ok(None);
    for env in ground.envs(&["submit".to_owned()], None) {
        result = prover.overlap((&ground.whole.schema, &env), &first, &second).await.map(|found| found.map(|one| told(&one, ground)));
        if !matches!(result, Ok(None)) {
            break;
        }
    }
    if matches!(result, Ok(None)) {
        // The whole set of the first, asked about an exchange towards the second.
        let mut whole = ground.set(&|id| AsRef::<str>::as_ref(template.id()) != id)?;
        extend(&mut whole, [linked(template, ("31-ecole", "31-crip"))?])?;
        // As above: the first one's agreements are in force towards its own parties only.
        let theirs = [
            r#"!context.danger && context.agreement_need == "required""#,
            r#"resource in Institution::"32-crip" && !(resource in Institution::"31-crip")"#,
            r#"context.agreement != "en-vigueur" || resource in Institution::"31-crip""#,
        ];
        extend(&mut whole, guards("theirs", &SUBMIT, &theirs)?)?;
        result = never(prover, ground, "submit", &whole, &PolicySet::new()).await;
    }
    Ok(row("departements-disjoints", &["R05"], statement, outcome(result)?))
}

/// Nothing local lifts a prohibition.
async fn law_prevails(prover: &mut Prover, ground: &Ground) -> Result<Row, Fault> {
    let statement = "La loi prime : ce que permettent loi et règles locales, la loi seule le permet, quoi qu’un Département ouvre.";
    let rules = ground.rules()?;
    let law = ground.law(&|_| true)?;
    let mut result = Ok(None);
    for env in ground.envs(&[], None) {
        result = prover.implies((&ground.whole.schema, &env), &rules, &law).await.map(|found| found.map(|one| told(&one, ground)));
        if !matches!(result, Ok(None)) {
            break;
        }
    }
    Ok(row("loi-prime", &["R01"], statement, outcome(result)?))
}

/// No request makes a rule fail.
async fn no_rule_fails(prover: &mut Prover, ground: &Ground) -> Result<Row, Fault> {
    let mut found = Ok(None);
    let rules = ground.rules()?;
    'rules: for rule in rules.policies() {
        for env in ground.envs(&[], None) {
            match prover.never_fails((&ground.whole.schema, &env), rule).await {
                Ok(true) => {}
                Ok(false) => found = Ok(Some(rule.id().to_string())),
                Err(fault) => found = Err(fault),
            }
            if !matches!(found, Ok(None)) {
                break 'rules;
            }
        }
    }
    let mut row = row("aucune-erreur", &["R01"], "Aucune règle ne peut échouer, quels que soient les faits.", outcome(found)?);
    row.remark = format!("{} règles", rules.policies().count());
    Ok(row)
}

/// Each rule plays a part in some answer to a request that can exist.
///
/// Four grades, the best that a rule reaches: taking it away changes an answer today; or would, were everything else
/// permitted (a prohibition that stands behind the default no); or it stands beside another one that answers the same,
/// and adds its obligation or its article. A rule of the fourth grade never speaks at all: it is dead.
async fn no_rule_is_dead(prover: &mut Prover, ground: &Ground) -> Result<Row, Fault> {
    let (mut biting, mut guarding, mut beside, mut dead) = (0_usize, 0_usize, Vec::new(), Vec::new());
    let mut failed = None;
    for (id, rule) in &ground.whole.rules {
        match grade(prover, ground, id, rule).await {
            Ok(Grade::Bites) => biting += 1,
            Ok(Grade::Guards) => guarding += 1,
            Ok(Grade::Beside) => beside.push(id.as_str()),
            Ok(Grade::Dead) => dead.push(id.as_str()),
            Err(Fault::Proof(fault @ ProofFault::NoSolver(_))) => return Err(fault.into()),
            Err(fault) => failed = Some(format!("{id} : {fault}")),
        }
    }
    let outcome = match failed {
        Some(what) => Outcome::Undecided(what),
        None if dead.is_empty() => Outcome::Proved,
        None => Outcome::Refuted(format!("jamais entendues : {}", dead.join(", "))),
    };
    let mut row =
        row("aucune-morte", &["R01"], "Aucune règle n’est morte : chacune décide, garde, ou ajoute une obligation ou un article.", outcome);
    row.remark = format!(
        "{biting} changent une réponse ; {guarding} gardent ce que rien n’ouvre aujourd’hui ; {} accompagnent : {}",
        beside.len(),
        beside.join(", ")
    );
    Ok(row)
}

enum Grade {
    Bites,
    Guards,
    Beside,
    Dead,
}

async fn grade(prover: &mut Prover, ground: &Ground, id: &str, rule: &Policy) -> Result<Grade, Fault> {
    let world = guards("world", &ABOUT_AN_EXCHANGE, &ground.world)?;
    let (mut with, mut without) = (ground.rules()?, ground.set(&|other| other != id)?);
    extend(&mut with, world.clone())?;
    extend(&mut without, world.clone())?;
    let permit = rule.effect() == Effect::Permit;
    let (more, less) = if permit { (&with, &without) } else { (&without, &with) };
    if somewhere(prover, ground, rule, more, less).await? {
        return Ok(Grade::Bites);
    }
    if permit {
        let mut alone = PolicySet::new();
        extend(&mut alone, [rule.clone()])?;
        for env in envs_of(ground, rule) {
            if prover.overlap((&ground.whole.schema, &env), &alone, &with).await?.is_some() {
                return Ok(Grade::Beside);
            }
        }
        return Ok(Grade::Dead);
    }
    let (mut all, mut all_but) = (ground.law(&|_| true)?, ground.law(&|other| other != id)?);
    extend(&mut all, world.clone())?;
    extend(&mut all_but, world.clone())?;
    if somewhere(prover, ground, rule, &all_but, &all).await? {
        return Ok(Grade::Guards);
    }
    let mut free = claim(&[""; 0], "true")?;
    extend(&mut free, world)?;
    let mut only = free.clone();
    extend(&mut only, [rule.clone()])?;
    Ok(if somewhere(prover, ground, rule, &free, &only).await? { Grade::Beside } else { Grade::Dead })
}

async fn somewhere(prover: &mut Prover, ground: &Ground, rule: &Policy, more: &PolicySet, less: &PolicySet) -> Result<bool, Fault> {
    for env in envs_of(ground, rule) {
        if prover.implies((&ground.whole.schema, &env), more, less).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The kinds of request that a rule speaks of, by its action.
fn envs_of(ground: &Ground, rule: &Policy) -> Vec<RequestEnv> {
    let actions = match rule.action_constraint() {
        cedar_policy::ActionConstraint::Any => Vec::new(),
        cedar_policy::ActionConstraint::Eq(action) => vec![action.id().unescaped().to_owned()],
        cedar_policy::ActionConstraint::In(actions) => actions.iter().map(|action| action.id().unescaped().to_owned()).collect(),
    };
    ground.envs(&actions, None)
}

/// A request of one action that `premise` permits outside `conclusion`.
async fn never(
    prover: &mut Prover,
    ground: &Ground,
    action: &str,
    premise: &PolicySet,
    conclusion: &PolicySet,
) -> Result<Option<String>, ProofFault> {
    for env in ground.envs(&[action.to_owned()], None) {
        if let Some(found) = prover.implies((&ground.whole.schema, &env), premise, conclusion).await? {
            return Ok(Some(told(&found, ground)));
        }
    }
    Ok(None)
}
