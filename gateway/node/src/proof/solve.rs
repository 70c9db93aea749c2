//! The solver: one process, asked one question after the other.

use cedar_policy::{Policy, PolicyId, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicy, CompiledPolicySet,
    err::Error as SymccError,
    solver::{LocalSolver, SolverError},
};

use super::{ProofFault, Witness};

/// Time the solver may take for one question, in ms. Ordinary ones take less than a hundred.
const PER_QUESTION: &str = "--tlimit-per=30000";

/// A running solver.
#[derive(Debug)]
pub struct Prover {
    compiler: CedarSymCompiler<LocalSolver>,
    /// Questions put so far.
    pub asked: usize,
}

impl Prover {
    /// Starts `cvc5`: the one that the variable `CVC5` names, else the first on the `PATH`.
    ///
    /// # Errors
    /// [`ProofFault::NoSolver`].
    pub fn start() -> Result<Self, ProofFault> {
        let solver = LocalSolver::cvc5_with_args([PER_QUESTION]).map_err(|error| ProofFault::NoSolver(error.to_string()))?;
        Ok(Self { compiler: CedarSymCompiler::new(solver).map_err(unfit)?, asked: 0 })
    }

    /// A request that `premise` permits and `conclusion` does not, or none when there is none at all.
    ///
    /// # Errors
    /// [`ProofFault`].
    pub async fn implies(
        &mut self,
        (schema, env): (&Schema, &RequestEnv),
        premise: &PolicySet,
        conclusion: &PolicySet,
    ) -> Result<Option<Witness>, ProofFault> {
        let formula = |set| CompiledPolicySet::compile(set, env, schema).map_err(unfit);
        self.asked += 1;
        let found = self.compiler.check_implies_with_counterexample_opt(&formula(premise)?, &formula(conclusion)?).await.map_err(unfit)?;
        let Some(found) = found else { return Ok(None) };
        let witness = Witness::of(&found.request, found.entities).ok_or(ProofFault::Broken)?;
        // What the solver says is believed only when the engine says it too.
        if witness.permitted_by(premise) && !witness.permitted_by(conclusion) { Ok(Some(witness)) } else { Err(ProofFault::Broken) }
    }

    /// A request that both sets permit, or none when there is none at all.
    ///
    /// # Errors
    /// [`ProofFault`].
    pub async fn overlap(
        &mut self,
        (schema, env): (&Schema, &RequestEnv),
        one: &PolicySet,
        other: &PolicySet,
    ) -> Result<Option<Witness>, ProofFault> {
        let formula = |set| CompiledPolicySet::compile(set, env, schema).map_err(unfit);
        self.asked += 1;
        let found = self.compiler.check_disjoint_with_counterexample_opt(&formula(one)?, &formula(other)?).await.map_err(unfit)?;
        let Some(found) = found else { return Ok(None) };
        let witness = Witness::of(&found.request, found.entities).ok_or(ProofFault::Broken)?;
        if witness.permitted_by(one) && witness.permitted_by(other) { Ok(Some(witness)) } else { Err(ProofFault::Broken) }
    }

    /// Whether no request makes a rule fail.
    ///
    /// # Errors
    /// [`ProofFault`].
    pub async fn never_fails(&mut self, (schema, env): (&Schema, &RequestEnv), rule: &Policy) -> Result<bool, ProofFault> {
        self.asked += 1;
        let formula = CompiledPolicy::compile(rule, env, schema).map_err(unfit)?;
        self.compiler.check_never_errors_opt(&formula).await.map_err(unfit)
    }
}

/// A set that permits exactly what an expression of Cedar says, for some actions or (none named) for all.
///
/// # Errors
/// [`ProofFault::Unfit`]: it cannot be read.
pub fn claim(actions: &[impl AsRef<str>], expression: &str) -> Result<PolicySet, ProofFault> {
    let text = format!("permit (principal, {}, resource) when {{ {expression} }};", scope(actions));
    let rule =
        Policy::parse(Some(PolicyId::new("claim")), text).map_err(|error| ProofFault::Unfit(format!("{error} in `{expression}`")))?;
    PolicySet::from_policies([rule]).map_err(|error| ProofFault::Unfit(error.to_string()))
}

/// Prohibitions of everything but what each expression says, for some actions or (none named) for all: added to a set,
/// they limit a question to that part.
///
/// # Errors
/// [`ProofFault::Unfit`]: one cannot be read.
pub fn guards(name: &str, actions: &[impl AsRef<str>], expressions: &[impl AsRef<str>]) -> Result<Vec<Policy>, ProofFault> {
    let scope = scope(actions);
    let guard = |(number, expression): (usize, &str)| {
        let text = format!("forbid (principal, {scope}, resource) unless {{ {expression} }};");
        Policy::parse(Some(PolicyId::new(format!("{name}/{number}"))), text)
            .map_err(|error| ProofFault::Unfit(format!("{error} in `{expression}`")))
    };
    expressions.iter().map(AsRef::as_ref).enumerate().map(guard).collect()
}

/// Runs what builds formulas. They are deep trees, walked by recursion: the ordinary stack of an unoptimised build is too
/// small for them.
///
/// # Errors
/// What the work gives; [`ProofFault::Unfit`] when it cannot run or stops on its own.
pub fn on_a_deep_stack<T: Send, E: From<ProofFault> + Send>(work: impl FnOnce() -> Result<T, E> + Send) -> Result<T, E> {
    std::thread::scope(|scope| {
        let unfit = |what: String| ProofFault::Unfit(what);
        let worker = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).map_err(|error| unfit(error.to_string()))?;
        worker.join().map_err(|_| unfit("it stopped on its own".to_owned()))?
    })
}

/// Bytes of a deep stack.
const STACK: usize = 256 << 20;

fn scope(actions: &[impl AsRef<str>]) -> String {
    if actions.is_empty() {
        return "action".to_owned();
    }
    let named: Vec<String> = actions.iter().map(|action| format!("Action::{:?}", action.as_ref())).collect();
    format!("action in [{}]", named.join(", "))
}

fn unfit(error: SymccError) -> ProofFault {
    if let SymccError::PolicyNotWellTyped { errs } = &error {
        return ProofFault::Unfit(errs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ; "));
    }
    if matches!(error, SymccError::SolverUnknown) {
        return ProofFault::Unknown;
    }
    if let SymccError::SolverError(SolverError::Io(error)) = error {
        return ProofFault::NoSolver(error.to_string());
    }
    ProofFault::Unfit(error.to_string())
}
