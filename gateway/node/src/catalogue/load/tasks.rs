//! The life of tasks as `_obligations.toml` writes it, and clocks that wait for what a document says: held to the words
//! that exist, so that a misspelt code does not silently close a way out or keep a clock from starting.

use std::collections::{BTreeMap, BTreeSet};

use exchange::TypeCode;
use toml::Spanned;

use super::{
    shared::{Words, span},
    written::{WrittenDeferral, WrittenObligation},
};
use crate::{
    catalogue::{ClockRule, ClockStop, DeferralRule, ExchangeType, TaskLife},
    source::{Source, SourceFault},
};

impl Words<'_> {
    /// How the task of one obligation ends. Obligations that findings open are checked once all are read.
    pub(super) fn life(
        &self,
        source: &Source,
        written: WrittenObligation,
        types: &BTreeSet<TypeCode>,
        faults: &mut Vec<SourceFault>,
    ) -> TaskLife {
        let means = self.codes_of(source, "CL-moyen", written.means, faults);
        let dispenses = self.codes_of(source, "CL-base-report", written.dispense, faults);
        let findings = self.codes_of(source, "CL-constat", written.findings, faults);
        for (finding, opened) in written.opens.iter().filter(|(finding, _)| !findings.contains(*finding)) {
            let what = format!("`{finding}` opens something and is no finding of this obligation");
            faults.push(source.fault(opened.span().start, what, "name it in `findings` too"));
        }
        let deferral = written.defer.and_then(|deferral| self.deferral(source, deferral, faults));
        let closed_by = written.closed_by.iter().filter_map(|stop| self.end(source, stop, types, faults)).collect();
        let opens = written.opens.into_iter().map(|(finding, code)| (finding, code.into_inner())).collect();
        TaskLife { asks: written.asks, means, dispenses, deferral, findings, opens, closed_by }
    }

    fn deferral(&self, source: &Source, written: WrittenDeferral, faults: &mut Vec<SourceFault>) -> Option<DeferralRule> {
        let bases = self.codes_of(source, "CL-base-report", written.basis, faults);
        let (at_most, in_all) = (span(source, &written.at_most, faults)?, span(source, &written.in_all, faults)?);
        Some(DeferralRule { bases, by: written.by, at_most, in_all })
    }

    /// A type that is planned may be named: nothing is closed by it before it has its file.
    fn end(&self, source: &Source, stop: &Spanned<String>, types: &BTreeSet<TypeCode>, faults: &mut Vec<SourceFault>) -> Option<ClockStop> {
        let known = |code: &TypeCode| types.contains(code) || self.has_code("CL-type-prevu", code.as_str());
        let end = match stop.get_ref().split_once(':') {
            None if stop.get_ref() == "acknowledged" => Some(ClockStop::Acknowledged),
            Some(("answered-by", code)) => code.parse().ok().filter(known).map(ClockStop::AnsweredBy),
            None | Some(_) => None,
        };
        if end.is_none() {
            let what = format!("`{}` ends no task", stop.get_ref());
            faults.push(source.fault(stop.span().start, what, "write `acknowledged`, or `answered-by:TYPE` with a type that exists"));
        }
        end
    }

    fn codes_of(&self, source: &Source, list: &str, written: Vec<Spanned<String>>, faults: &mut Vec<SourceFault>) -> BTreeSet<String> {
        for one in written.iter().filter(|one| !self.has_code(list, one.get_ref())) {
            let what = format!("`{}` is no code of {list}", one.get_ref());
            faults.push(source.fault(one.span().start, what, "add it to `_codes.toml`, or use one that is there"));
        }
        written.into_iter().map(Spanned::into_inner).collect()
    }
}

/// What keeps a clock that one type names from ever starting: a field that the type does not have.
pub(super) fn unknown_path(rule: &ClockRule, exchange_type: &ExchangeType) -> Option<String> {
    let condition = rule.only_if.as_ref().map(|condition| &condition.path);
    let has = |path: &&String| !exchange_type.fields.iter().any(|field| field.path == **path);
    condition.into_iter().chain(&rule.starts_on).find(has).cloned()
}

/// Obligations that findings open and that are nobody's task.
pub(super) fn unknown_opened(obligations: &BTreeMap<String, crate::catalogue::ObligationRule>) -> Vec<String> {
    let opened = obligations.values().flat_map(|rule| rule.life.opens.values());
    opened.filter(|code| !obligations.get(*code).is_some_and(|rule| rule.task)).cloned().collect()
}
