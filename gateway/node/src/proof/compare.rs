//! What a change of rules or catalogue opens, and what it closes: asked of the solver, action by action.
//!
//! The same request has other facts under another catalogue (is this type a danger type? is this recipient foreseen?).
//! So each side has facts of its own: the new rules ask the facts, the old ones their twins (`other_…`), and each copy
//! agrees with its own catalogue. What the new side permits and the old one does not is opened.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Policy, PolicySet, RequestEnv, Schema};
use exchange::{DataClass, Instant};
use serde_json::{Map, Value};

use super::{
    ProofFault, Prover, Witness, changes, guards,
    twin::{Words, asking_others, linked},
    world::{ABOUT_AN_EXCHANGE, GIVEN, World, of_type, world},
};
use crate::{catalogue::Catalogue, policy::Policies};

/// One side: rules with their catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Set<'a> {
    /// Rules.
    pub policies: &'a Policies,
    /// Catalogue.
    pub catalogue: &'a Catalogue,
    /// The words of the rules.
    pub words: &'a Words,
}

/// Something that one side permits and the other does not.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Opened by the change, else closed.
    pub opens: bool,
    /// Action of the schema.
    pub action: String,
    /// The exchange type, class or field concerned; empty when the action has none.
    pub part: String,
    /// Kinds of recipients it concerns.
    pub to: BTreeSet<String>,
    /// Kinds of senders it concerns: of sending only.
    pub from: BTreeSet<String>,
    /// The simplest request that shows it.
    pub example: Witness,
    /// Every fact at its ordinary value, to tell the example by what is odd in it.
    pub ordinary: Map<String, Value>,
}

/// What is compared: both sides as sets that one kind of request can be put to.
struct Sides {
    schema: Schema,
    /// What exists on both sides: a difference is looked for there.
    both: Vec<Policy>,
    new: PolicySet,
    old: PolicySet,
    /// What exists on one side only refuses everything else there.
    new_only: Vec<Policy>,
    old_only: Vec<Policy>,
    words: Words,
    /// Kind → its secrecy and role under the old catalogue, then under the new one.
    kinds: BTreeMap<String, [(String, String); 2]>,
    types: BTreeSet<String>,
    fields: BTreeSet<String>,
}

/// Everything that `new` opens or closes, against `old`, on the day of `at`. `step` hears how many of how many parts are done.
///
/// # Errors
/// [`ProofFault`]: no solver, or the old rules do not speak the new words.
pub async fn compare(
    prover: &mut Prover,
    old: Set<'_>,
    new: Set<'_>,
    at: Instant,
    step: &dyn Fn(usize, usize),
) -> Result<Vec<Difference>, ProofFault> {
    let sides = Sides::of(old, new, at)?;
    let mut found: Vec<Difference> = Vec::new();
    let touched = changes::actions(old.policies, new.policies, at)?;
    let given = old.catalogue.hash() != new.catalogue.hash();
    let asked = |env: &RequestEnv| {
        let action = env.action().id().unescaped();
        touched.contains(action) || touched.contains(changes::ANY) || (given && ABOUT_AN_EXCHANGE.contains(&action))
    };
    let mut envs: Vec<RequestEnv> = sides.schema.request_envs().filter(asked).collect();
    envs.sort_by_key(|env| (place(env), env.principal().to_string(), env.resource().to_string()));
    let (mut done, all) = (0, envs.iter().map(|env| 2 * sides.parts(env).len()).sum());
    for env in &envs {
        for opens in [true, false] {
            for (part, only) in sides.parts(env) {
                step(done, all);
                done += 1;
                let Some(difference) = sides.difference(prover, env, opens, part, only).await? else { continue };
                // Sent by a person or by an institution alone: told once.
                let alike = |one: &&mut Difference| (one.opens, &one.action, &one.part) == (opens, &difference.action, &difference.part);
                match found.iter_mut().find(alike) {
                    Some(known) => {
                        known.to.extend(difference.to);
                        known.from.extend(difference.from);
                    }
                    None => found.push(difference),
                }
            }
        }
    }
    Ok(found)
}

/// Sending first, then opening, then what is shown.
fn place(env: &RequestEnv) -> usize {
    let action = env.action();
    let order = ["submit", "open", "break_glass", "receive", "disclose"];
    order.iter().position(|one| *one == action.id().unescaped()).unwrap_or(order.len())
}

impl Sides {
    fn of(old: Set<'_>, new: Set<'_>, at: Instant) -> Result<Self, ProofFault> {
        let given: Vec<String> = GIVEN.iter().map(|fact| (*fact).to_owned()).collect();
        let (before, after) = (world(old.catalogue, at), world(new.catalogue, at));
        let about = |name: &str, expressions: &[String]| guards(name, &ABOUT_AN_EXCHANGE, expressions);
        let others = |rules: Vec<Policy>| rules.iter().map(|rule| asking_others(rule, &given)).collect::<Result<Vec<_>, _>>();
        let mut both =
            about("world/new", &[after.follows.clone(), after.words.clone(), unchanged(old.catalogue, new.catalogue, at)].concat())?;
        both.extend(others(about("world/old", &before.follows)?)?);
        let limits = |world: &World| [world.kinds.clone(), world.types.clone()].concat();
        let names = |catalogue: &Catalogue| catalogue.types_on(at).map(|one| one.code.as_str().to_owned()).collect::<BTreeSet<_>>();
        let mut kinds = BTreeMap::new();
        for kind in old.catalogue.kinds.keys().chain(new.catalogue.kinds.keys()) {
            let rule = |catalogue: &Catalogue| {
                let rule = catalogue.kinds.get(kind);
                rule.map(|rule| (rule.secrecy.as_str().to_owned(), rule.role.as_str().to_owned())).unwrap_or_default()
            };
            kinds.insert(kind.as_str().to_owned(), [rule(old.catalogue), rule(new.catalogue)]);
        }
        let rules = |set: Set<'_>| {
            let whole = set.policies.whole(at);
            let mut rules: Vec<Policy> = whole.rules.into_values().collect();
            if let Some(template) = &whole.template {
                rules.push(linked(template, ("partie-expeditrice", "partie-destinataire"))?);
            }
            Ok::<_, ProofFault>(rules)
        };
        Ok(Self {
            schema: new.words.with_others(&given)?,
            both,
            new: set(rules(new)?)?,
            old: set(others(rules(old)?)?)?,
            new_only: about("limits/new", &limits(&after))?,
            old_only: about("limits/old", &limits(&before))?,
            words: new.words.clone(),
            kinds,
            types: names(old.catalogue).union(&names(new.catalogue)).cloned().collect(),
            fields: old.policies.named_fields().chain(new.policies.named_fields()).map(str::to_owned).collect(),
        })
    }

    /// What one kind of request is about, each with the expression that says so.
    fn parts(&self, env: &RequestEnv) -> Vec<(String, Option<String>)> {
        match (env.action().id().unescaped(), env.resource().to_string().as_str()) {
            ("submit", _) => self.types.iter().map(|name| (name.clone(), Some(format!("context.type == {name:?}")))).collect(),
            (_, "DataClass") => DataClass::ALL
                .iter()
                .map(|class| (class.as_str().to_owned(), Some(format!("resource == DataClass::{:?}", class.as_str()))))
                .collect(),
            (_, "Field") => self.fields.iter().map(|path| (path.clone(), Some(format!("resource == Field::{path:?}")))).collect(),
            _ => vec![(String::new(), None)],
        }
    }

    async fn difference(
        &self,
        prover: &mut Prover,
        env: &RequestEnv,
        opens: bool,
        part: String,
        only: Option<String>,
    ) -> Result<Option<Difference>, ProofFault> {
        let (more, more_only, less, less_only) = if opens {
            (&self.new, &self.new_only, &self.old, &self.old_only)
        } else {
            (&self.old, &self.old_only, &self.new, &self.new_only)
        };
        let mut premise = more.clone();
        add(&mut premise, self.both.iter().chain(more_only).cloned())?;
        add(&mut premise, guards("part", &[env.action().id().unescaped()], &only.into_iter().collect::<Vec<_>>())?)?;
        let mut conclusion = less.clone();
        add(&mut conclusion, less_only.iter().cloned())?;
        let Some(first) = prover.implies((&self.schema, env), &premise, &conclusion).await? else { return Ok(None) };
        let mut ordinary = self.ordinary(env.action().id().unescaped());
        let still = |one: &Witness| one.permitted_by(&premise) && !one.permitted_by(&conclusion);
        let example = first.simplest(&ordinary, &still);
        ordinary.retain(|name, _| !name.starts_with("other_"));
        let (mut to, mut from) = (BTreeSet::new(), BTreeSet::new());
        if example.facts.contains_key("to_kind") {
            to = self.each(prover, env, "to", &premise, &conclusion, &example).await?;
        }
        if env.action().id().unescaped() == "submit" {
            from = self.each(prover, env, "from", &premise, &conclusion, &example).await?;
        }
        Ok(Some(Difference { opens, action: env.action().id().unescaped().to_owned(), part, to, from, example, ordinary }))
    }

    /// Every kind of one end for which the difference exists. Each is first tried in a request that is known; then the
    /// solver is asked for one more, until it says that there is none.
    async fn each(
        &self,
        prover: &mut Prover,
        env: &RequestEnv,
        end: &str,
        premise: &PolicySet,
        conclusion: &PolicySet,
        example: &Witness,
    ) -> Result<BTreeSet<String>, ProofFault> {
        let fact = format!("{end}_kind");
        let mut found = BTreeSet::new();
        let mut known = example.clone();
        loop {
            let rest = self.kinds.iter().filter(|(kind, _)| !found.contains(*kind));
            let alike: Vec<String> = rest
                .filter(|(kind, facts)| {
                    tried(&known, end, kind, facts).any(|one| one.permitted_by(premise) && !one.permitted_by(conclusion))
                })
                .map(|(kind, _)| kind.clone())
                .collect();
            found.extend(alike);
            let mut rest = premise.clone();
            let known_kinds: Vec<String> = found.iter().map(|kind: &String| format!("context.{fact} != {kind:?}")).collect();
            add(&mut rest, guards("found", &[env.action().id().unescaped()], &known_kinds)?)?;
            let Some(next) = prover.implies((&self.schema, env), &rest, conclusion).await? else { return Ok(found) };
            match next.facts.get(&fact).and_then(Value::as_str) {
                Some(kind) if found.insert(kind.to_owned()) => known = next,
                _ => return Ok(found),
            }
        }
    }

    /// Ordinary values that a person recognises, twins included.
    fn ordinary(&self, action: &str) -> Map<String, Value> {
        let mut ordinary = self.words.ordinary(action);
        for (name, value) in USUAL {
            if let Some(fact) = ordinary.get_mut(*name) {
                *fact = Value::from(*value);
            }
        }
        let twins: Vec<_> = GIVEN.iter().filter_map(|name| Some((format!("other_{name}"), ordinary.get(*name)?.clone()))).collect();
        ordinary.extend(twins);
        ordinary
    }
}

/// A request with another kind at one end, foreseen by the catalogues or not: the guards say which of these can be.
fn tried<'a>(known: &'a Witness, end: &'a str, kind: &'a str, facts: &'a [(String, String); 2]) -> impl Iterator<Item = Witness> + 'a {
    let [(was_secrecy, was_role), (secrecy, role)] = facts;
    [(true, true), (false, false), (true, false), (false, true)].into_iter().map(move |(was_ok, ok)| {
        let mut one = known.clone();
        for (name, value) in [
            (format!("{end}_kind"), Value::from(kind)),
            (format!("{end}_secrecy"), Value::from(secrecy.as_str())),
            (format!("{end}_role"), Value::from(role.as_str())),
            (format!("other_{end}_secrecy"), Value::from(was_secrecy.as_str())),
            (format!("other_{end}_role"), Value::from(was_role.as_str())),
            (format!("{end}_ok"), Value::from(ok)),
            (format!("other_{end}_ok"), Value::from(was_ok)),
        ] {
            one.facts.insert(name, value);
        }
        one
    })
}

/// Ordinary words, where the empty text is none.
const USUAL: &[(&str, &str)] = &[
    ("actor", "professional"),
    ("actor_secrecy", "aucun"),
    ("actor_role", "none"),
    ("urgency", "ordinary"),
    ("agreement", "aucune"),
    ("parents", "non-renseigne"),
    ("child", "non-renseigne"),
    ("person", "non-renseigne"),
];

/// What both catalogues say alike of a type is the same on both sides, even where they leave it to the moment or to the
/// form of the document.
fn unchanged(old: &Catalogue, new: &Catalogue, at: Instant) -> Vec<String> {
    // Two of the five facts come from what is written, whatever the catalogue.
    let secret = ["necessary", "informed"].map(|fact| format!("context.secret.{fact} == context.other_secret.{fact}"));
    let mut same = secret.to_vec();
    let of_the_type = ["danger", "human_send", "agreement_need", "purpose_ok", "from_ok", "to_ok"];
    for one in new.types_on(at) {
        if old.types_on(at).any(|other| other.code == one.code && of_type(other) == of_type(one)) {
            let alike = of_the_type.map(|fact| format!("context.{fact} == context.other_{fact}")).join(" && ");
            same.push(format!("if context.type == {:?} then {alike} else true", one.code.as_str()));
        }
    }
    same
}

fn set(rules: Vec<Policy>) -> Result<PolicySet, ProofFault> {
    PolicySet::from_policies(rules).map_err(|error| ProofFault::Unfit(error.to_string()))
}

fn add(set: &mut PolicySet, rules: impl IntoIterator<Item = Policy>) -> Result<(), ProofFault> {
    rules.into_iter().try_for_each(|rule| set.add(rule).map_err(|error| ProofFault::Unfit(error.to_string())))
}
