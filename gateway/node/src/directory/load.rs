//! Reads the directory: every file of a folder, checked as a whole, all mistakes at once.
//!
//! A directory with one mistake is no directory: nothing half-read ever serves a request.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use exchange::{Kind, ProfessionalId};
use serde_json::Value;

use super::{Directory, Habilitation, Institution, Professional, TokenIssuer, Unit, codes, keys, written};
use crate::source::{Folder, Item, Source, SourceFault};

impl Directory {
    /// Reads `dir` and the folders below it: `[[institution]]` and `[[professional]]` in any `.toml` file, keys of
    /// issuers in the JWK sets they name.
    ///
    /// # Errors
    /// Every mistake of every file. Within one table only the first mistake of shape shows.
    pub fn load(dir: &Path, is_kind: &dyn Fn(&Kind) -> bool) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Vec::new();
        let folder = Folder::read(dir, &mut faults);
        let mut reading = Reading { dir, folder: &folder, is_kind, issuers: BTreeMap::new(), thumbprints: BTreeMap::new(), faults };

        let (mut institutions, mut professionals, mut named) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let mut people: Vec<(&Source, Item<written::Professional>)> = Vec::new();
        for source in folder.toml() {
            for (key, value) in source.lists(&["institution", "professional"], &mut reading.faults) {
                if key == "professional" {
                    people.extend(source.item(value, &mut reading.faults).map(|item| (source, item)));
                } else if let Some(item) = source.item::<written::Institution>(value, &mut reading.faults) {
                    let at = item.value.id.span().start;
                    let institution = reading.institution(source, item.value, &mut named);
                    if institutions.contains_key(&institution.id) {
                        reading.say(source, at, format!("institution `{}` is declared twice", institution.id), "keep one declaration");
                    } else {
                        institutions.insert(institution.id.clone(), institution);
                    }
                }
            }
        }
        for (source, item) in people {
            let at = item.value.sub.span().start;
            if let Some(person) = reading.professional(source, item, &institutions) {
                if professionals.contains_key(&person.id) {
                    reading.say(source, at, format!("professional `{}` is declared twice", person.id.subject), "keep one declaration");
                } else {
                    professionals.insert(person.id.clone(), person);
                }
            }
        }
        for Named { source, at, issuer, subject, part } in named {
            let id = ProfessionalId { issuer, subject };
            let known = professionals.get(&id).map(Professional::is_system);
            if known.is_none() {
                let cure = "declare this professional, or name another of the same institution";
                reading.say(source, at, format!("the {part} of this unit is no professional of its institution"), cure);
            } else if known != Some(part == READER) {
                let cure = "a system has the profession `systeme`, and a person any other";
                reading.say(source, at, format!("the {part} of this unit is not what it must be"), cure);
            }
        }

        let mut faults = reading.faults;
        if faults.is_empty() {
            return Ok(Self { hash: folder.hash, institutions, professionals });
        }
        faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Err(faults)
    }
}

/// A lead or deputy, to be found once all professionals are read.
struct Named<'a> {
    source: &'a Source,
    at: usize,
    issuer: String,
    subject: String,
    part: &'static str,
}

struct Reading<'a> {
    dir: &'a Path,
    folder: &'a Folder,
    is_kind: &'a dyn Fn(&Kind) -> bool,
    /// `iss` → institution.
    issuers: BTreeMap<String, String>,
    /// Thumbprint of a key → `iss`.
    thumbprints: BTreeMap<String, String>,
    faults: Vec<SourceFault>,
}

impl<'a> Reading<'a> {
    fn say(&mut self, source: &Source, at: usize, what: impl Into<String>, cure: impl Into<String>) {
        self.faults.push(source.fault(at, what, cure));
    }

    fn kind(&mut self, source: &Source, kind: &toml::Spanned<Kind>) {
        if !(self.is_kind)(kind.get_ref()) {
            self.say(source, kind.span().start, format!("unknown kind `{}`", kind.get_ref()), "use a kind of `_kinds.toml`");
        }
    }

    fn institution(&mut self, source: &'a Source, from: written::Institution, named: &mut Vec<Named<'a>>) -> Institution {
        let (first, last) = source.period(from.from.as_ref(), from.to.as_ref(), &mut self.faults);
        self.kind(source, &from.kind);
        for (name, code) in &from.codes {
            self.code(source, name, code);
        }
        if !codes::is_departement(from.departement.get_ref()) {
            let what = format!("`{}` is not a département", from.departement.get_ref());
            self.say(source, from.departement.span().start, what, "write its INSEE code, for example `31`");
        }
        for issuer in &from.certificate_issuers {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if issuer.get_ref().is_empty() || !issuer.get_ref().bytes().all(plain) {
                let what = format!("`{}` cannot name a certificate authority", issuer.get_ref());
                self.say(source, issuer.span().start, what, "write the name of its file in the trust folder, without extension");
            }
        }
        let id = from.id.into_inner();
        let token_issuer = from.token_issuer.map(|issuer| self.issuer(source, id.as_str(), issuer));
        let mut units = BTreeMap::new();
        for unit in from.unit {
            let at = unit.id.span().start;
            let unit = self.unit(source, id.as_str(), unit, token_issuer.as_ref(), named);
            if units.contains_key(&unit.id) {
                self.say(source, at, format!("unit `{}` is declared twice in `{id}`", unit.id), "keep one declaration");
            } else {
                units.insert(unit.id.clone(), unit);
            }
        }
        Institution {
            id,
            name: from.name,
            kind: from.kind.into_inner(),
            codes: from.codes.into_iter().map(|(name, code)| (name, code.into_inner())).collect(),
            departement: from.departement.into_inner(),
            certificate_issuers: from.certificate_issuers.into_iter().map(toml::Spanned::into_inner).collect(),
            token_issuer,
            units,
            from: first,
            to: last,
        }
    }

    fn code(&mut self, source: &Source, name: &str, code: &toml::Spanned<String>) {
        let (text, at) = (code.get_ref(), code.span().start);
        let (fits, cure) = match name {
            "siret" => (codes::is_siret(text), "write the 14 digits of the SIRET"),
            "siren" => (codes::is_siren(text), "write the 9 digits of the SIREN"),
            "uai" => (codes::is_uai(text), "write the 7 digits of the UAI and their key letter"),
            "finess" => (codes::is_finess(text), "write the 9 characters of the FINESS"),
            "insee" => (codes::is_insee(text), "write the 5 characters of the INSEE code of the commune"),
            _ => return self.say(source, at, format!("unknown code `{name}`"), "use `siret`, `siren`, `uai`, `finess` or `insee`"),
        };
        if !fits {
            self.say(source, at, format!("`{text}` is not a valid {}", name.to_uppercase()), cure);
        }
    }

    fn issuer(&mut self, source: &Source, institution: &str, from: written::Issuer) -> TokenIssuer {
        let (at, issuer) = (from.iss.span().start, from.iss.into_inner());
        if let Some(other) = self.issuers.insert(issuer.clone(), institution.to_owned()) {
            let what = format!("issuer `{issuer}` is claimed by `{other}` and by `{institution}`");
            self.say(source, at, what, "give each institution an issuer of its own: nobody acts for another");
        } else if issuer.strip_prefix("urn:passerelle:institution:").is_some_and(|named| named != institution) {
            self.say(
                source,
                at,
                format!("issuer `{issuer}` names another institution"),
                format!("write `urn:passerelle:institution:{institution}`"),
            );
        }
        let mut keys = BTreeMap::new();
        for key in from.keys {
            let at = key.span().start;
            let jwk = key.into_inner().into_iter().map(|(name, text)| (name, Value::String(text))).collect();
            self.key(source, at, &issuer, Value::Object(jwk), &mut keys);
        }
        if let Some(written) = from.keys_file {
            let path = Path::new(written.get_ref());
            if !path.components().all(|part| matches!(part, Component::Normal(_))) || path.extension().is_none_or(|ext| ext != "json") {
                let cure = "name a `.json` file inside the folder of the directory";
                self.say(source, written.span().start, format!("`{}` cannot be a key file", written.get_ref()), cure);
            } else if let Some(set) = self.folder.at(&self.dir.join(path)) {
                // A set that is not there yet is no mistake: no token of this issuer is accepted until it is.
                match serde_json::from_str::<Value>(&set.text).ok().as_mut().and_then(|set| set.get_mut("keys")).map(Value::take) {
                    Some(Value::Array(list)) => list.into_iter().for_each(|jwk| self.key(set, 0, &issuer, jwk, &mut keys)),
                    _ => self.say(set, 0, "not a JWK set", "write `{\"keys\": [ … ]}` (RFC 7517)"),
                }
            }
        }
        TokenIssuer { issuer, keys }
    }

    fn key(&mut self, source: &Source, at: usize, issuer: &str, jwk: Value, keys: &mut BTreeMap<String, Value>) {
        let thumbprint = match keys::thumbprint(&jwk) {
            Ok(thumbprint) => thumbprint,
            Err(why) => return self.say(source, at, format!("unfit key: {why}"), "publish an EC P-256 or Ed25519 public key"),
        };
        let kid = jwk.get("kid").and_then(Value::as_str).unwrap_or(&thumbprint).to_owned();
        match self.thumbprints.insert(thumbprint, issuer.to_owned()) {
            Some(other) if other != issuer => {
                self.say(source, at, format!("key `{kid}` belongs to `{other}` and to `{issuer}`"), "give each issuer a key of its own");
            }
            Some(_) | None => {}
        }
        if keys.insert(kid.clone(), jwk).is_some() {
            self.say(source, at, format!("key `{kid}` is declared twice"), "give each key its own `kid`");
        }
    }

    fn unit(
        &mut self,
        source: &'a Source,
        institution: &str,
        from: written::Unit,
        issuer: Option<&TokenIssuer>,
        named: &mut Vec<Named<'a>>,
    ) -> Unit {
        self.kind(source, &from.kind);
        for (part, written) in [("lead", &from.lead), ("deputy", &from.deputy)] {
            let (Some(written), issuer) = (written, issuer.map_or(String::new(), |issuer| issuer.issuer.clone())) else { continue };
            named.push(Named { source, at: written.span().start, issuer, subject: written.get_ref().clone(), part });
        }
        if let Some(push) = &from.push {
            let (at, push) = (push.span().start, push.get_ref());
            let partner = push.partner();
            if partner.map_or(!push.url.starts_with("https://"), |partner| partner != institution) {
                let cure = format!("write an `https://` address, `sftp:{institution}` or `mssante:{institution}`");
                self.say(source, at, format!("`{}` cannot be a push address", push.url), cure);
            }
            if partner.is_some() && push.system && (push.reader.is_none() || push.agreement.is_none()) {
                let cure = "write `reader`, the subject of that system in this directory, and `agreement`, under which it reads";
                self.say(source, at, "nobody says which system reads, and under what", cure);
            }
            if let (Some(reader), Some(issuer)) = (&push.reader, issuer) {
                named.push(Named { source, at, issuer: issuer.issuer.clone(), subject: reader.clone(), part: READER });
            }
        }
        Unit {
            id: from.id.into_inner(),
            name: from.name,
            kind: from.kind.into_inner(),
            telephone: from.telephone,
            lead: from.lead.map(toml::Spanned::into_inner),
            deputy: from.deputy.map(toml::Spanned::into_inner),
            push: from.push.map(toml::Spanned::into_inner),
        }
    }

    fn professional(
        &mut self,
        source: &Source,
        item: Item<written::Professional>,
        institutions: &BTreeMap<exchange::InstitutionId, Institution>,
    ) -> Option<Professional> {
        let from = item.value;
        let (at, subject) = (from.sub.span().start, from.sub.into_inner());
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(3..=40).contains(&subject.len()) || !subject.bytes().all(plain) {
            self.say(source, at, "a `sub` is 3 to 40 of `a-z0-9-`", "give an opaque id such as `p-4f7k2`, never a name");
            return None;
        }
        let Some(institution) = institutions.get(from.institution.get_ref()) else {
            let what = format!("unknown institution `{}`", from.institution.get_ref());
            self.say(source, from.institution.span().start, what, "declare the institution, or mend its id");
            return None;
        };
        let Some(issuer) = &institution.token_issuer else {
            let what = format!("institution `{}` has professionals and no token issuer", institution.id);
            self.faults.push(crate::source::fault(&source.file, item.line, what, "write its `[institution.token_issuer]`"));
            return None;
        };
        for unit in from.units.iter().chain(from.habilitation.iter().map(|h| &h.unit)) {
            if !institution.units.contains_key(unit.get_ref()) {
                let what = format!("unknown unit `{}` of `{}`", unit.get_ref(), institution.id);
                self.say(source, unit.span().start, what, "declare the unit in its institution, or mend its id");
            }
        }
        let mut habilitations = Vec::new();
        for written in from.habilitation {
            let (first, last) = source.period(Some(&written.from), written.to.as_ref(), &mut self.faults);
            habilitations.extend(first.map(|first| Habilitation { unit: written.unit.into_inner(), from: first, to: last }));
        }
        Some(Professional {
            id: ProfessionalId { issuer: issuer.issuer.clone(), subject },
            institution: institution.id.clone(),
            units: from.units.into_iter().map(toml::Spanned::into_inner).collect(),
            profession: from.profession,
            secrecy: from.secrecy,
            protection: from.protection,
            roles: from.roles,
            habilitations,
        })
    }
}

/// What the entry of a system is to a unit.
const READER: &str = "reader";

#[cfg(test)]
mod tests;
