//! Witnesses: one request, whole, that shows what a claim or a change is about.

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use serde_json::{Map, Value};

/// A request with every fact, as the engine that decides takes it.
#[derive(Debug, Clone)]
pub struct Witness {
    /// Who asks.
    pub principal: EntityUid,
    /// What for.
    pub action: EntityUid,
    /// About what.
    pub resource: EntityUid,
    /// Every fact.
    pub facts: Map<String, Value>,
    /// Who belongs to which institution.
    pub entities: Entities,
}

impl Witness {
    /// The request that the solver found.
    pub fn of(request: &Request, entities: Entities) -> Option<Self> {
        let Ok(Value::Object(facts)) = request.context()?.to_json_value() else { return None };
        Some(Self {
            principal: request.principal()?.clone(),
            action: request.action()?.clone(),
            resource: request.resource()?.clone(),
            facts,
            entities,
        })
    }

    /// What the deciding engine says. An error is never a permission.
    pub fn permitted_by(&self, rules: &PolicySet) -> bool {
        let Ok(context) = Context::from_json_value(Value::Object(self.facts.clone()), None) else { return false };
        let whole = Request::new(self.principal.clone(), self.action.clone(), self.resource.clone(), context, None);
        let Ok(request) = whole else { return false };
        let answer = Authorizer::new().is_authorized(&request, rules, &self.entities);
        answer.decision() == Decision::Allow && answer.diagnostics().errors().next().is_none()
    }

    /// The same request with the fewest facts that are not ordinary, as long as it still shows what it shows.
    #[must_use]
    pub fn simplest(mut self, ordinary: &Map<String, Value>, still: &dyn Fn(&Self) -> bool) -> Self {
        // Twice: a fact may become free once another one is ordinary.
        for _ in 0..2 {
            for (name, value) in ordinary {
                let Some(old) = self.facts.insert(name.clone(), value.clone()) else {
                    self.facts.remove(name);
                    continue;
                };
                if !still(&self) {
                    self.facts.insert(name.clone(), old);
                }
            }
            let sets: Vec<String> = self.facts.iter().filter(|(_, value)| value.is_array()).map(|(name, _)| name.clone()).collect();
            for name in sets {
                self.shrink(&name, still);
            }
        }
        self
    }

    /// Takes away the members of a set that play no part.
    fn shrink(&mut self, name: &str, still: &dyn Fn(&Self) -> bool) {
        let Some(Value::Array(members)) = self.facts.get(name).cloned() else { return };
        for member in members {
            let Some(Value::Array(now)) = self.facts.get(name).cloned() else { return };
            let fewer = now.iter().filter(|one| **one != member).cloned().collect();
            self.facts.insert(name.to_owned(), Value::Array(fewer));
            if !still(self) {
                self.facts.insert(name.to_owned(), Value::Array(now));
            }
        }
    }
}
