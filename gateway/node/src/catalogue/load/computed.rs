//! What the gateway computes, from what a file writes.

use exchange::Kind;

use super::{
    shared::Words,
    written::{WrittenComputed, WrittenField},
};
use crate::{
    catalogue::{Computed, Shape},
    source::{Source, SourceFault},
};

/// How a field is computed, and what is wrong with how it is written. `root` is where the paths that it names begin.
pub(super) fn read(
    words: &Words<'_>,
    source: &Source,
    written: &WrittenField,
    shape: &Shape,
    root: &str,
) -> (Option<Computed>, Vec<SourceFault>) {
    let mut faults = Vec::new();
    let Some(word) = &written.computed else { return (None, faults) };
    let mut say = |at: usize, what: &str, cure: &str| faults.push(source.fault(at, what, cure));
    let from = written.computed_from.as_ref().map(|from| from.get_ref().clone());
    let path = from.as_ref().map(|from| format!("{root}{from}"));
    let computed = match word.get_ref() {
        WrittenComputed::InReplyTo => Some(Computed::InReplyTo),
        WrittenComputed::SenderOrigin => Some(Computed::SenderOrigin),
        WrittenComputed::SenderInstitution => Some(Computed::SenderInstitution),
        WrittenComputed::SenderSiret => Some(Computed::SenderSiret),
        WrittenComputed::SenderAgent => Some(Computed::SenderAgent),
        WrittenComputed::SenderSecrecy => Some(Computed::SenderSecrecy),
        WrittenComputed::Purpose => Some(Computed::Purpose),
        WrittenComputed::Now => Some(Computed::Now),
        WrittenComputed::Standing => Some(Computed::Standing),
        WrittenComputed::Gateway => Some(Computed::Gateway),
        WrittenComputed::Deadline => from.filter(|clock| words.clock_names.contains(clock)).map(Computed::Deadline),
        WrittenComputed::Departement => path.map(Computed::Departement),
        WrittenComputed::OneOf => {
            let values = written.computed_is.iter().map(|value| value.get_ref().clone()).collect();
            path.filter(|_| *shape == Shape::Bool && !written.computed_is.is_empty()).map(|path| Computed::OneOf(path, values))
        }
        WrittenComputed::SenderKind => {
            for (kind, code) in &written.computed_by {
                let known = matches!(shape, Shape::Code(list) if words.has_code(list, code.get_ref()));
                if !known || !words.is_kind_or_group(kind) {
                    say(code.span().start, "this is no code of a kind of sender", "write a kind of `_kinds.toml` and a code of the list");
                }
            }
            let by = written.computed_by.iter().filter_map(|(kind, code)| Some((kind.parse::<Kind>().ok()?, code.get_ref().clone())));
            (!written.computed_by.is_empty()).then(|| Computed::SenderKind(by.collect()))
        }
    };
    if computed.is_none() {
        let cure = "write `computed_from` (a field, or the clock of a `deadline`), `computed_is` or `computed_by` as the word needs";
        say(word.span().start, "it is not said what this is computed from", cure);
    }
    (computed, faults)
}
