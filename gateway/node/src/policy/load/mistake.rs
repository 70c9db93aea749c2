//! Mistakes of one rule: where in its text each stands, and how a jurist is told of it.
//!
//! Cedar tells its own in English, with a place; here they get a French beginning and a byte of the text.

use cedar_policy::{CedarSchemaError, ParseErrors, ValidationError, ValidationWarning};
use miette::Diagnostic;

/// What is wrong with a rule, and at which byte of its text.
pub(super) struct Mistake {
    pub(super) at: usize,
    pub(super) what: String,
}

impl Mistake {
    /// About the place where `words` stand in the text of a rule; about its beginning when they do not.
    pub(super) fn near(text: &str, words: &str, what: String) -> Self {
        Self { at: text.find(words).unwrap_or_default(), what }
    }

    /// The text cannot be read as a rule.
    pub(super) fn syntax(text: &str, errors: &ParseErrors) -> Self {
        let (at, said) = place(text, errors);
        let what = if said.is_empty() {
            "faute de syntaxe : la règle s’arrête ici sans être finie".to_owned()
        } else {
            format!("faute de syntaxe à « {said} »")
        };
        let expected = errors.labels().into_iter().flatten().find_map(|label| label.label()?.strip_prefix("expected ").map(french));
        let what = match expected {
            Some(expected) => format!("{what} : il faudrait {expected}"),
            None => format!("{what} (Cedar : {errors})"),
        };
        Self { at, what }
    }

    /// The schema itself has a mistake.
    pub(super) fn schema(text: &str, error: &CedarSchemaError) -> Self {
        Self { at: place(text, error).0, what: format!("le schéma ne se lit pas (Cedar : {error})") }
    }

    /// The schema does not admit the rule.
    pub(super) fn unfit(text: &str, error: &ValidationError) -> Self {
        // Cedar's list is longer, and may grow.
        let what = if matches!(error, ValidationError::UnrecognizedEntityType(_)) {
            "le schéma ne connaît pas cette sorte d’entité"
        } else if matches!(error, ValidationError::UnrecognizedActionId(_)) {
            "le schéma ne connaît pas cette action"
        } else if matches!(error, ValidationError::UnsafeAttributeAccess(_)) {
            "le schéma ne connaît pas ce fait"
        } else if matches!(error, ValidationError::UnexpectedType(_) | ValidationError::IncompatibleTypes(_)) {
            "ces mots ne sont pas du même type"
        } else {
            "le schéma n’admet pas cette règle"
        };
        Self::of_cedar(text, error, what, &error.to_string())
    }

    /// The rule does not do what its author meant.
    pub(super) fn doubtful(text: &str, warning: &ValidationWarning) -> Self {
        let never = matches!(warning, ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_));
        let what = if never { "cette règle ne s’applique jamais" } else { "ce texte trompe qui le lit" };
        Self::of_cedar(text, warning, what, &warning.to_string())
    }

    fn of_cedar(text: &str, diagnostic: &dyn Diagnostic, what: &str, message: &str) -> Self {
        let (at, said) = place(text, diagnostic);
        // It names the rule, whose line is told.
        let message = message.strip_prefix("for policy `").and_then(|rest| Some(rest.split_once("`, ")?.1)).unwrap_or(message);
        let said = if said.is_empty() { String::new() } else { format!(", « {said} »") };
        Self { at, what: format!("{what}{said} (Cedar : {message})") }
    }
}

/// Where something stands, and the words there.
fn place<'t>(text: &'t str, diagnostic: &dyn Diagnostic) -> (usize, &'t str) {
    let Some(span) = diagnostic.labels().into_iter().flatten().next() else { return (0, "") };
    let end = text.trim_end().len();
    let said = text.get(span.offset()..span.offset() + span.len()).unwrap_or_default();
    // A whole rule is no place: its beginning is.
    let said = if said.lines().count() > 1 { "" } else { said.trim() };
    (span.offset().min(end), said)
}

/// What Cedar would have expected, as a list in French.
fn french(expected: &str) -> String {
    let words = [
        (", or ", " ou "),
        (" or ", " ou "),
        ("identifier", "un nom"),
        ("number", "un nombre"),
        ("string literal", "un texte entre guillemets"),
    ];
    words.iter().fold(expected.to_owned(), |told, (english, french)| told.replace(english, french))
}
