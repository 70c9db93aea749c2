use std::fs;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    archive::tests::zipped,
    frames::hospital,
    health::Context,
    reading::{Letter, Place, Reading, Refused},
};

fn context() -> Context {
    hospital("parquet-toulouse:permanence")
}

fn issue() -> Issue<'static> {
    let at = "2026-11-21T17:45:00Z".parse().unwrap();
    Issue { id: "0190b8c5-0000-7000-8000-0000000000d1", at, from: "Département inventé", title: "Information préoccupante" }
}

fn vector(name: &str) -> Vec<u8> {
    fs::read(format!("{}/vectors/xdm/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn read_ip(bytes: &[u8]) -> Result<Reading, Refused> {
    read(bytes, &context(), "information-preoccupante")
}

fn told(reading: &Reading) -> Vec<(String, &'static str)> {
    reading.reported.iter().map(|finding| (finding.place.to_string(), finding.code)).collect()
}

/// An archive with one CDA of these words, described with our type code or not.
fn archive_of(cda: &str) -> Vec<u8> {
    let metadata = "<a><RegistryObjectList><ExtrinsicObject mimeType='text/xml'><Slot name='URI'><ValueList><Value>DOC0001.XML</Value></ValueList></Slot></ExtrinsicObject></RegistryObjectList></a>";
    zipped(&[("IHE_XDM/SUBSET01/METADATA.XML", metadata.as_bytes()), ("IHE_XDM/SUBSET01/DOC0001.XML", cda.as_bytes())])
}

#[test]
fn reads_the_archive_of_a_hospital() {
    let reading = read_ip(&vector("IHE_XDM.zip")).unwrap();
    let Letter { envelope, attachments, beside } = &reading.letters[0];
    let expected: Value = serde_json::from_slice(&vector("IHE_XDM.expected.json")).unwrap();
    assert_eq!(*envelope, expected["envelope"], "{envelope:#}");
    assert_eq!(attachments.len(), 2, "the PDF that the CDA wraps is joined once");
    let told: Vec<_> = told(&reading).into_iter().map(|(place, code)| json!([place, code])).collect();
    assert_eq!(json!(told), expected["reported"], "{told:#?}");
    let kept: Vec<_> = beside.iter().map(|one| json!([one.place.to_string(), one.value])).collect();
    assert_eq!(json!(kept), expected["beside"], "{kept:#?}");
    assert!(
        !envelope.to_string().contains("2142099") && !kept.iter().any(|one| one.to_string().contains("2142099")),
        "no NIR but in the document"
    );
    assert!(!format!("{told:?}").contains("FICTIVE"), "a name that a sender chose may name a child");
}

/// What becomes of a file of an archive: other bytes, or nothing.
type Change<'a> = &'a dyn Fn(&str, &[u8]) -> Option<Vec<u8>>;

#[test]
fn what_was_changed_or_is_not_described_is_told_and_kept() {
    let whole = vector("IHE_XDM.zip");
    let files = archive::read(&whole).unwrap().files;
    let with = |change: Change<'_>| {
        let files: Vec<_> = files.iter().filter_map(|file| Some((file.name.as_str(), change(&file.name, &file.bytes)?))).collect();
        zipped(&files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect::<Vec<_>>())
    };
    let codes = |bytes: &[u8]| told(&read_ip(bytes).unwrap()).into_iter().map(|(_, code)| code).collect::<Vec<_>>();
    let altered = with(&|name, bytes| Some(if name.ends_with("DOC0001.XML") { [bytes, b" "].concat() } else { bytes.to_vec() }));
    assert!(codes(&altered).contains(&"bad-hash") && codes(&altered).contains(&"bad-size"));
    let bare = with(&|name, bytes| (!name.ends_with("METADATA.XML")).then(|| bytes.to_vec()));
    let reading = read_ip(&bare).unwrap();
    assert!(codes(&bare).contains(&"missing") && reading.letters[0].attachments.len() == 2);
    assert_eq!(reading.letters[0].envelope["type"], "signalement", "the document itself says it");
    let gone = with(&|name, bytes| (!name.ends_with("DOC0001.XML")).then(|| bytes.to_vec()));
    assert!(codes(&gone).contains(&"file-not-there"));
    let dtd = with(&|name, bytes| {
        Some(if name.ends_with(".XML") {
            [b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>".as_slice(), bytes].concat()
        } else {
            bytes.to_vec()
        })
    });
    let reading = read_ip(&dtd).unwrap();
    assert!(codes(&dtd).contains(&"doctype") && reading.letters[0].attachments.len() == 3, "kept, the metadata too, and not looked into");
    assert_eq!(
        (&reading.letters[0].envelope["type"], reading.letters[0].envelope.get("subjects")),
        (&json!("information-preoccupante"), None)
    );
    assert!(codes(&dtd).contains(&"unknown-type"));
}

#[test]
fn refuses_only_what_is_no_archive_or_holds_nothing() {
    let refused = |bytes: &[u8]| read_ip(bytes).unwrap_err().0[0].code;
    assert_eq!(refused(&vec![0; MAX_BYTES + 1]), "too-large");
    assert_eq!(refused(b"PK"), "not-zip");
    let mut cut = vector("IHE_XDM.zip");
    cut.truncate(cut.len() / 2);
    assert_eq!(refused(&cut), "not-zip");
    assert_eq!(refused(&zipped(&[("a.txt", &vec![0; 3 * 1024 * 1024])])), "too-large", "a bomb and nothing else");
}

#[test]
fn a_danger_comes_in_an_odd_archive() {
    let whole = read_ip(&vector("IHE_XDM.zip")).unwrap();
    // Bytes of a mail server behind its end: the archive itself is kept too.
    let longer = [vector("IHE_XDM.zip"), b"\r\n-- \r\n".to_vec()].concat();
    let reading = read_ip(&longer).unwrap();
    assert_eq!(reading.letters[0].envelope["subjects"], whole.letters[0].envelope["subjects"]);
    assert!(told(&reading).contains(&("l’ensemble".into(), "after-end")));
    assert_eq!(reading.letters[0].attachments.last(), Some(&longer));
    assert_eq!(reading.letters[0].envelope["attachments"][2]["name"], "IHE_XDM.zip");
    // Backslashes of a Windows program, a bomb among good files, a name that leaves the archive.
    let files = archive::read(&vector("IHE_XDM.zip")).unwrap().files;
    let names: Vec<_> = files.iter().map(|file| file.name.replace('/', "\\")).collect();
    let mut odd: Vec<(&str, &[u8])> = files.iter().zip(&names).map(|(file, name)| (name.as_str(), file.bytes.as_slice())).collect();
    let bomb = vec![0; 3 * 1024 * 1024];
    odd.push(("IHE_XDM\\SUBSET01\\BOMB.TXT", &bomb));
    odd.push(("../../dupont\r\nBcc: x.txt", b"vu seule"));
    let reading = read_ip(&zipped(&odd)).unwrap();
    assert_eq!(reading.letters[0].envelope["subjects"], whole.letters[0].envelope["subjects"]);
    let codes: Vec<_> = told(&reading).into_iter().map(|(_, code)| code).collect();
    assert!(codes.contains(&"too-large") && codes.contains(&"bad-name"), "{codes:?}");
    assert_eq!(reading.letters[0].attachments.last().unwrap(), b"vu seule");
    assert_eq!(reading.letters[0].envelope["attachments"][2]["name"], "dupontBcc_ x.txt");
    assert!(reading.letters[0].beside.iter().any(|one| one.value == "../../dupont\r\nBcc: x.txt"));
    assert!(!format!("{:?}", reading.reported).contains("dupont"));
}

#[test]
fn only_what_describes_the_archive_is_left_out_of_it() {
    let reading = read_ip(&zipped(&[
        ("README.TXT", b"Ouvrez INDEX.HTM"),
        ("IHE_XDM/SUBSET01/COMPTE-README.TXT", b"Seule le soir."),
        ("IHE_XDM/SUBSET01/README.TXT", b"Le soir."),
        ("IHE_XDM/SUBSET01/METADATA.XML", b"<pas de fin"),
        ("AUTRE-METADATA.XML", b"<a/>"),
        ("IHE_XDM/SUBSET02/METADATA.XML", b"<a><b>Seule</b></a>"),
    ]))
    .unwrap();
    let kept: Vec<_> = reading.letters[0].attachments.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert_eq!(kept, ["Seule le soir.", "Le soir.", "<pas de fin", "<a/>", "<a><b>Seule</b></a>"]);
    assert!(told(&reading).contains(&("fichier « METADATA.XML »".into(), "not-xml")));
}

#[test]
fn metadata_say_who_a_document_is_about_that_does_not_say_it_itself() {
    let slot = |name: &str, values: &[&str]| {
        let values: String = values.iter().map(|value| format!("<Value>{}</Value>", crate::elements::escaped(value))).collect();
        format!("<Slot name='{name}'><ValueList>{values}</ValueList></Slot>")
    };
    let described = |uri: &str, born: &str| {
        let info = ["PID-5|FICTIVE^Capucine^^^^^L", "PID-7|20140227", "PID-8|F", &format!("PID-11|{born}")];
        let author = [
            slot("authorPerson", &["79927398713^INVENTEE^Odile^^^^^^&1.2.250.1.71.4.2.1&ISO^D"]),
            slot("authorSpecialty", &["SM40^Pédiatrie^1.2.250"]),
            slot("authorInstitution", &["CHU inventé"]),
        ];
        format!(
            "<ExtrinsicObject mimeType='application/pdf'>{}{}<Classification classificationScheme='urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d'>{}\
             </Classification></ExtrinsicObject>",
            slot("URI", &[uri]),
            slot("sourcePatientInfo", &info),
            author.concat()
        )
    };
    let archive = |objects: &str, more: &[(&str, &[u8])]| {
        let metadata = format!("<a><RegistryObjectList>{objects}</RegistryObjectList></a>");
        zipped(&[&[("S/METADATA.XML", metadata.as_bytes()), ("S/LETTRE.PDF", b"%PDF-1.7".as_slice())], more].concat())
    };
    // A PDF alone: the metadata are all that names the child.
    let twice = described("LETTRE.PDF", "Blagnac") + &described("AILLEURS.PDF", "Blagnac");
    let reading = read_ip(&archive(&twice, &[])).unwrap();
    let Letter { envelope, beside, .. } = &reading.letters[0];
    let child = json!({"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine"], "birth_date": "2014-02-27", "sex": "F"});
    assert_eq!(envelope["subjects"], json!([child]));
    assert_eq!(envelope["payload"]["declarant"], json!({"nom": "INVENTEE", "prenom": "Odile", "fonction": "Pédiatrie"}));
    assert_eq!(envelope["payload"]["constats_sante"]["auteur"], "79927398713");
    let kept: Vec<_> = beside.iter().map(|one| one.value.clone()).collect();
    assert!(kept.contains(&json!("PID-11|Blagnac")) && kept.contains(&json!("CHU inventé")), "{kept:?}");
    assert_eq!(told(&reading).iter().filter(|(_, code)| *code == "not-taken").count(), kept.len());
    // With a document that says it: what it says counts, and another child of the metadata stands beside.
    let cda = "<ClinicalDocument><recordTarget><patientRole><patient><name><family>AUTRE</family></name></patient></patientRole></recordTarget></ClinicalDocument>";
    let reading = read_ip(&archive(&described("LETTRE.PDF", ""), &[("S/DOC0002.XML", cda.as_bytes())])).unwrap();
    assert_eq!(reading.letters[0].envelope["subjects"], json!([{"ref": "s1", "role": "enfant", "birth_name": "AUTRE"}]));
    assert!(reading.letters[0].beside.iter().any(|one| one.value["birth_name"] == "FICTIVE"));
    // The same child, said twice, is one.
    let same = "<ClinicalDocument><recordTarget><patientRole><patient><name><family>FICTIVE</family><given>Capucine</given><given>Lise</given></name>\
        <administrativeGenderCode code='F'/><birthTime value='20140227'/></patient></patientRole></recordTarget></ClinicalDocument>";
    let reading = read_ip(&archive(&described("LETTRE.PDF", ""), &[("S/DOC0002.XML", same.as_bytes())])).unwrap();
    assert_eq!(reading.letters[0].envelope["subjects"].as_array().unwrap().len(), 1);
    assert!(!reading.letters[0].beside.iter().any(|one| one.value.to_string().contains("FICTIVE")));
}

#[test]
fn a_hidden_address_stays_where_it_is() {
    let document = json!({"type": "signalement", "subjects": [
        {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "address": {"lines": ["1 rue Cachée"], "city": "Blagnac", "hidden": true}},
        {"ref": "s2", "role": "mere", "birth_name": "EXEMPLE", "address": {"lines": ["2 rue Dite"], "hidden": false}}],
        "payload": {"derniere_adresse": {"lines": ["3 rue Cachée"], "hidden": true}}});
    let archive = write(&document, &issue(), &[]).unwrap();
    let files = archive::read(&archive).unwrap().files;
    let all: String = files.iter().map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).collect();
    assert!(!all.contains("Cachée") && !all.contains("Blagnac") && all.contains("2 rue Dite"));
    let reading = read_ip(&archive).unwrap();
    assert_eq!(reading.letters[0].envelope["subjects"][0]["address"], json!({"hidden": true}), "that there is one is said");
}

#[test]
fn an_address_for_a_time_is_not_home() {
    let cda = "<ClinicalDocument><recordTarget><patientRole><addr use='TMP'><city>Ailleurs</city></addr><addr use='HP OLD'><city>Avant</city></addr>\
        <addr use='HP'><city>Blagnac</city></addr><patient><name><family>FICTIVE</family></name></patient></patientRole></recordTarget></ClinicalDocument>";
    let reading = read_ip(&archive_of(cda)).unwrap();
    assert_eq!(reading.letters[0].envelope["subjects"][0]["address"], json!({"city": "Blagnac"}));
}

#[test]
fn codes_of_both_forms_hide_a_document_and_odd_headers_are_read() {
    let hidden = |code: &str| {
        let cda = format!("<ClinicalDocument xmlns='urn:hl7-org:v3'><confidentialityCode code='{code}'/></ClinicalDocument>");
        told(&read_ip(&archive_of(&cda)).unwrap()).iter().any(|(_, code)| *code == "hidden")
    };
    assert!(hidden("INVISIBLE_PATIENT") && !hidden("N"));
    assert!(!hidden("INVISIBLE_REP_LEGAUX"), "nothing says that the parents are told: the envelope says as much");
    let cda = "<ClinicalDocument><recordTarget/><recordTarget><patientRole><patient nullFlavor='MSK'/></patientRole></recordTarget><author><assignedAuthor>\
        <id root='1.2.250.1.71.4.2.1' extension='10000000008'/><assignedPerson/></assignedAuthor></author>\
        <component><nonXMLBody><text representation='B64'>pas du base64 !</text></nonXMLBody></component></ClinicalDocument>";
    let reading = read_ip(&archive_of(cda)).unwrap();
    assert_eq!(reading.letters[0].envelope.get("subjects"), None);
    let codes: Vec<_> = told(&reading).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["bad-rpps", "bad-base64", "unknown-type"]);
}

#[test]
fn a_document_is_written_with_its_labels_and_what_was_withheld() {
    let document = json!({"type": "information-preoccupante", "subjects": [{"ref": "s1", "role": "enfant", "birth_name": "FICTIVE"}],
        "withheld": [{"part": "declarant", "reasons": [{"rule": "R33", "explain": "Le déclarant n’est pas communiqué."}]}],
        "payload": {"faits": [{"texte": "Vu seul.", "date_debut": "2026-11-16"}], "types_danger": ["negligences"]}});
    let pdf = Joined { media_type: "application/pdf", bytes: b"%PDF-1.7" };
    let archive = write(&document, &issue(), &[pdf]).unwrap();
    assert_eq!(archive, write(&document, &issue(), &[pdf]).unwrap(), "the same bytes for the same document");
    let files = archive::read(&archive).unwrap().files;
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    let folder = "IHE_XDM/SUBSET01/";
    assert_eq!(
        names,
        ["INDEX.HTM", "README.TXT", &format!("{folder}METADATA.XML"), &format!("{folder}DOC0001.XML"), &format!("{folder}DOC0002.PDF")]
    );
    let text = |n: usize| String::from_utf8(files[n].bytes.clone()).unwrap();
    assert!(text(2).contains("INVISIBLE_REPRESENTANTS_LEGAUX") && !text(2).contains("FICTIVE"), "metadata name nobody");
    assert!(text(3).contains("Le déclarant n’est pas communiqué.") && text(3).contains("payload.types_danger[] : negligences"));
    let reading = read_ip(&archive).unwrap();
    assert_eq!(reading.letters[0].attachments[1], pdf.bytes);
    assert!(told(&reading).is_empty(), "{:?}", told(&reading));
    assert!(write(&document, &Issue { id: "d1", ..issue() }, &[]).is_err());
}

/// What an archive says without loss: the README names the rest.
fn envelope() -> impl Strategy<Value = Value> {
    let word = || "[A-Za-zéèàç'’«»<>&\"]([A-Za-zéèàç'’«» .,;:<>&\"\n-]{0,20}[A-Za-zé])?";
    let name = || "[A-Z][A-Za-zéè-]{1,8}( [A-Z][a-z]{1,5})?";
    let person = (
        (prop::option::of(name()), prop::collection::vec(name(), 0..3), prop::option::of(name())),
        (prop::option::of("\\+33[0-9]{9}"), prop::option::of("[a-z]{1,6}@exemple\\.fr")),
        (prop::collection::vec("[0-9]{1,2} rue [A-Za-zé]{2,9}", 0..3), prop::option::of("[0-9]{5}"), prop::option::of(name())),
    );
    let person = person.prop_map(|((birth, given, used), (phone, email), (lines, code, city))| {
        let address = filled(json!({"lines": lines, "postcode": code, "city": city, "city_code": code}));
        filled(json!({"birth_name": birth, "given_names": given, "use_name": used, "phone": phone, "email": email, "address": address}))
    });
    let child = (
        person.clone(),
        prop::option::of(prop::sample::select(vec!["F", "M", "inconnu"])),
        prop::option::of("20[0-2][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"),
        prop::option::of("[0-9]{5}"),
    );
    let roles = vec!["fratrie", "mere", "pere", "autre-parent", "beau-parent", "grand-parent", "tuteur", "autre-adulte", "enfant"];
    let others = prop::collection::vec((person, prop::option::of(prop::sample::select(roles))), 0..3);
    let texts =
        (prop::collection::vec(word(), 0..3), prop::collection::vec(word(), 0..3), prop::option::of(word()), prop::option::of(word()));
    let by = prop::option::of((name(), prop::option::of(name()), prop::option::of(word()), prop::option::of("\\+33[0-9]{9}")));
    (child, others, texts, by).prop_map(|((mut child, sex, born, place), others, (facts, words, health, free), by)| {
        let merge = |into: &mut Value, more: Value| into.as_object_mut().unwrap().extend(filled(more).as_object().unwrap().clone());
        // A person without any name is nobody to a header.
        let family = child.get("birth_name").cloned().unwrap_or(json!("FICTIVE"));
        merge(&mut child, json!({"birth_name": family, "role": "enfant", "sex": sex, "birth_date": born, "birth_place": place}));
        let mut subjects = vec![child];
        for (n, (mut person, role)) in others.into_iter().enumerate() {
            merge(&mut person, json!({"birth_name": format!("EXEMPLE{n}"), "role": role}));
            subjects.push(person);
        }
        for (n, subject) in subjects.iter_mut().enumerate() {
            subject["ref"] = json!(format!("s{}", n + 1));
        }
        let facts: Vec<_> = facts.into_iter().map(|texte| json!({"texte": texte})).collect();
        let words: Vec<_> = words.into_iter().map(|verbatim| json!({"verbatim": verbatim})).collect();
        let declarant = by.map(|(nom, prenom, fonction, telephone)| filled(json!({"nom": nom, "prenom": prenom, "fonction": fonction, "telephone": telephone})));
        let payload = filled(json!({"faits": facts, "propos_enfant": words, "constats_sante": filled(json!({"texte": health})), "texte_libre": free, "declarant": declarant}));
        filled(json!({"type": "signalement", "sender": context().sender, "recipient": context().recipient, "subjects": subjects, "payload": payload}))
    })
}

/// Without what is empty.
fn filled(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let empty =
        |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
    Value::Object(map.into_iter().filter(|(_, value)| !empty(value)).collect())
}

proptest! {
    // Each case packs and unpacks an archive.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn an_archive_gives_back_persons_author_and_texts(envelope in envelope()) {
        let archive = write(&envelope, &issue(), &[]).unwrap();
        let reading = read_ip(&archive).unwrap();
        let mut back = reading.letters[0].envelope.clone();
        back.as_object_mut().unwrap().remove("attachments");
        prop_assert_eq!(&back, &envelope);
        prop_assert!(reading.reported.is_empty(), "{:?}", told(&reading));
        // From the native side: what was read writes the same header and texts again.
        prop_assert_eq!(write(&back, &issue(), &[]).unwrap(), archive);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..2000, byte: u8) {
        let _ = read_ip(&bytes);
        let _ = disposition(&bytes);
        let _ = Subject::read(&String::from_utf8_lossy(&bytes));
        // A byte of a good archive, another one.
        let mut archive = vector("IHE_XDM.zip");
        let at = at % archive.len();
        archive[at] = byte;
        if let Err(Refused(findings)) = read_ip(&archive) {
            prop_assert!(findings.iter().all(|finding| matches!(finding.place, Place::Whole | Place::File(_))));
        }
    }
}
