//! What is deposited, and what the law makes of it: who sends it to whom, which words may be read by whom, which clocks it
//! starts and until when. Written from the catalogue, not from the gateway.

use exchange::Instant;
use gateway::demo::{envelopes, requests};
use serde_json::{Value, json};

use super::{
    calendar,
    chance::Chance,
    people::{Person, Unit},
};
use crate::people::{ASE, CADRE, EVALUATOR, HEADMASTER, HOSPITAL, MAGISTRATE, SCHOOL};

/// A kind of deposit. Answers name what they answer by a number among what can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The school is worried: a danger.
    Concern(Urgency, Form),
    /// The CRIP's signalement to the parquet: a danger.
    Report(Urgency),
    /// The hospital's own signalement: a danger, of which the CRIP gets a copy that the gateway makes.
    DirectReport,
    /// The CRIP tells the school what became of its concern.
    Feedback(usize),
    /// The CRIP acknowledges a concern by a document.
    Receipt(usize),
    /// The parquet answers a signalement.
    Suites(usize),
    /// The evaluators ask the collège, under an agreement.
    Question,
    /// The collège answers.
    Answer(usize),
    /// The ASE tells the caisse of a placement, under the first agreement or the one that follows it.
    Placement(bool),
}

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Now, night and day.
    Immediate,
    /// Within a worked day.
    Priority,
    /// As usual.
    Ordinary,
}

/// How a concern is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With everything that is expected.
    Whole,
    /// A sentence.
    Bare,
    /// With fields that nobody knows, and a date that is none.
    Odd,
    /// About a child of one year.
    Young,
    /// Sealed from an agent of the CRIP.
    Sealed,
    /// To an institution that nobody knows.
    Astray,
}

impl Urgency {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Priority => "priority",
            Self::Ordinary => "ordinary",
        }
    }
}

/// When somebody is told that something is due, and what stops that.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// Whose people are told.
    pub owner: Unit,
    /// The function that is told instead of a unit.
    pub role: &'static str,
    /// The last instant.
    pub limit: Instant,
    /// Instants of which somebody is still to be told, the limit last.
    pub fires: Vec<Instant>,
    /// What stops it: `opened`, `acknowledged`, `answered:TYPE`, `recorded:CODE`, `task:ID`.
    pub stops: Vec<String>,
}

impl Clock {
    /// A clock with warnings; those that lie before its start, or not before its limit, are none.
    pub fn new(name: &'static str, owner: Unit, (start, limit): (Instant, Instant), warnings: &[Instant], stops: &[&str]) -> Self {
        let mut fires: Vec<Instant> = warnings.iter().copied().filter(|at| *at >= start && *at < limit).collect();
        fires.push(limit);
        fires.sort();
        fires.dedup();
        Self { name, owner, role: "", limit, fires, stops: stops.iter().map(|stop| (*stop).to_owned()).collect() }
    }
}

/// Words that stand in one exchange alone; what is read shows them or must not.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Read by whoever reads it in the ordinary way.
    pub ordinary: Vec<String>,
    /// Read in an emergency too.
    pub emergency: Vec<String>,
    /// Kept, and handed to nobody.
    pub never: Vec<String>,
}

impl Document {
    /// One of them.
    pub fn choose(chance: &mut Chance) -> Self {
        let urgency = chance.of(&[Urgency::Immediate, Urgency::Priority, Urgency::Ordinary, Urgency::Ordinary]);
        let form = chance.of(&[Form::Whole, Form::Whole, Form::Bare, Form::Odd, Form::Young, Form::Sealed, Form::Astray]);
        let of = chance.any();
        match chance.below(16) {
            0..6 => Self::Concern(urgency, form),
            6..8 => Self::Report(chance.of(&[Urgency::Immediate, Urgency::Priority])),
            8 => Self::DirectReport,
            9..11 => Self::Feedback(of),
            11 => Self::Receipt(of),
            12 => Self::Suites(of),
            13 => Self::Question,
            14 => Self::Answer(of),
            _ => Self::Placement(chance.one_in(2)),
        }
    }

    /// Its type.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Concern(..) => "information-preoccupante",
            Self::Report(_) | Self::DirectReport => "signalement",
            Self::Feedback(_) => "retour-information",
            Self::Receipt(_) => "accuse-reception",
            Self::Suites(_) => "suites-judiciaires",
            Self::Question => "demande-information",
            Self::Answer(_) => "reponse-information",
            Self::Placement(_) => "notification-placement",
        }
    }

    /// Whether a child is in danger.
    pub fn danger(self) -> bool {
        matches!(self, Self::Concern(..) | Self::Report(_) | Self::DirectReport)
    }

    /// Who sends it.
    pub fn author(self) -> Person {
        match self {
            Self::Concern(..) => SCHOOL,
            Self::Report(_) | Self::Feedback(_) | Self::Receipt(_) => CADRE,
            Self::DirectReport => HOSPITAL,
            Self::Suites(_) => MAGISTRATE,
            Self::Question => EVALUATOR,
            Self::Answer(_) => HEADMASTER,
            Self::Placement(_) => ASE,
        }
    }

    /// From which unit, to which.
    pub fn ends(self) -> (Unit, Unit) {
        match self {
            Self::Concern(..) => (Unit::SSFE, Unit::CRIP),
            Self::Report(_) => (Unit::CRIP, Unit::PERMANENCE),
            Self::DirectReport => (Unit::EMERGENCIES, Unit::PERMANENCE),
            Self::Feedback(_) | Self::Receipt(_) => (Unit::CRIP, Unit::SSFE),
            Self::Suites(_) => (Unit::PERMANENCE, Unit::CRIP),
            Self::Question => (Unit::EVALUATORS, Unit::COLLEGE),
            Self::Answer(_) => (Unit::COLLEGE, Unit::EVALUATORS),
            Self::Placement(_) => (Unit::ASE, Unit::CAISSE),
        }
    }

    /// How fast it must be read.
    pub fn urgency(self) -> Urgency {
        match self {
            Self::Concern(urgency, _) | Self::Report(urgency) => urgency,
            Self::DirectReport => Urgency::Immediate,
            Self::Feedback(_) | Self::Receipt(_) | Self::Suites(_) | Self::Question | Self::Answer(_) | Self::Placement(_) => {
                Urgency::Ordinary
            }
        }
    }

    /// The envelope, with words of its own, of the `n`-th deposit; `answered` is the exchange that it answers.
    pub fn envelope(self, n: usize, answered: &str, now: Instant) -> (Value, Words) {
        let word = |of: &str| format!("{of}{}", letters(n));
        let (child, text, reporter, why) = (word("Enfant"), word("Texte"), word("Declarant"), word("Motif"));
        let mut words = Words::default();
        let mut envelope = match self {
            Self::Concern(_, form) => {
                words.ordinary = vec![child.clone(), text.clone()];
                words.emergency = words.ordinary.clone();
                concern(form, (&child, &text, &reporter), now, &mut words)
            }
            Self::Report(_) | Self::DirectReport => {
                words.ordinary = vec![child.clone(), text.clone()];
                words.emergency = words.ordinary.clone();
                let mut envelope = if self == Self::DirectReport { requests::direct_signalement() } else { envelopes::signalement("") };
                envelope["subjects"] = json!([subject(&child)]);
                envelope["payload"]["texte_libre"] = json!(text);
                envelope
            }
            Self::Feedback(_) => envelopes::retour(answered),
            Self::Receipt(_) => {
                let mut envelope = envelopes::retour(answered);
                envelope["type"] = json!("accuse-reception");
                envelope["payload"] = json!({"etat": "recue"});
                envelope
            }
            Self::Suites(_) => {
                let mut envelope = envelopes::suites(answered);
                envelope["payload"]["date_suite"] = json!(calendar::day(now).to_string());
                envelope["payload"]["numero_parquet"] = json!(text);
                words.ordinary = vec![text];
                envelope
            }
            Self::Question => {
                let mut envelope = requests::to_the_school(&["scolarite.assiduite"]);
                envelope["subjects"] = json!([subject(&child)]);
                envelope["payload"]["necessite"] = json!(why);
                (words.ordinary, words.never) = (vec![child], vec![why]);
                envelope
            }
            Self::Answer(_) => {
                let mut envelope = requests::of_the_school(answered);
                envelope["payload"]["reponses"] = json!([{"question": "scolarite.lien-famille-ecole", "texte": text}]);
                words.ordinary = vec![text];
                envelope
            }
            Self::Placement(second) => {
                let mut envelope = requests::placement();
                envelope["subjects"][0]["given_names"] = json!([child]);
                for day in ["date_decision", "date_effet"] {
                    envelope["payload"][day] = json!(calendar::day(now).to_string());
                }
                envelope["agreement"] = json!(if second { "l01-caf" } else { "l00-caf" });
                words.ordinary = vec![child];
                envelope
            }
        };
        envelope["urgency"] = json!(self.urgency().word());
        (envelope, words)
    }

    /// The clocks that its acceptance starts.
    pub fn clocks(self, at: Instant) -> Vec<Clock> {
        let (sender, recipient) = self.ends();
        let urgency = self.urgency();
        let worked = |n: u32| {
            if urgency == Urgency::Immediate { calendar::days(at, i64::from(n)) } else { calendar::worked_days(at, n) }
        };
        let two_hours = Instant::from_unix_ms(at.unix_ms() + 2 * 3_600_000);
        let analysis = match urgency {
            Urgency::Immediate => two_hours,
            Urgency::Priority => worked(1),
            Urgency::Ordinary => worked(5),
        };
        let three_months = calendar::months(at, 3);
        let before = |limit: Instant, days: &[i64]| days.iter().map(|n| calendar::days(limit, -n)).collect::<Vec<_>>();
        let accuse = |recipient| Clock::new("accuse", recipient, (at, worked(1)), &[], &["acknowledged", "answered:accuse-reception"]);
        let feedback = |recipient| {
            Clock::new("retour-pro", recipient, (at, three_months), &before(three_months, &[15]), &["answered:retour-information"])
        };
        let analysed = |recipient| Clock::new("premiere-analyse", recipient, (at, analysis), &[], &["recorded:premiere-analyse"]);
        match self {
            Self::Concern(_, form) => {
                let limit = if form == Form::Young { calendar::months(at, 1) } else { three_months };
                let evaluation = Clock::new("evaluation", recipient, (at, limit), &before(limit, &[30, 15]), &["recorded:evaluation"]);
                vec![accuse(recipient), analysed(recipient), evaluation, feedback(recipient)]
            }
            Self::Report(_) | Self::DirectReport => {
                let depot = if urgency == Urgency::Immediate { two_hours } else { worked(1) };
                let warnings = [calendar::days(at, 30), calendar::days(at, 60)];
                vec![
                    accuse(recipient),
                    Clock::new("depot", recipient, (at, depot), &[], &["opened"]),
                    Clock::new("suites", recipient, (at, calendar::days(at, 90)), &warnings, &["answered:suites-judiciaires"]),
                    Clock::new("avis-ecrit-parents", sender, (at, calendar::days(at, 8)), &[], &["recorded:written-notice-parents"]),
                ]
            }
            Self::Suites(_) => {
                let start = calendar::begins(calendar::day(at));
                let (warning, limit) = (calendar::days(start, 5), calendar::days(start, 8));
                vec![Clock::new("opp-je", sender, (start, limit), &[warning], &["recorded:seize-judge"])]
            }
            Self::Question => {
                // Eight worked days, as the agreement says, until people go home on that day.
                let limit = calendar::closes(calendar::day(calendar::worked_days(at, 8)));
                vec![
                    Clock::new("reponse", recipient, (at, limit), &before(limit, &[2]), &["answered:reponse-information"]),
                    Clock::new("reponse-attendue", sender, (at, limit), &[], &["answered:reponse-information"]),
                ]
            }
            Self::Placement(_) => {
                let stops = ["opened", "acknowledged", "answered:notification-placement"];
                // From the day of the placement itself.
                let start = calendar::begins(calendar::day(at));
                vec![Clock::new("placement-caf", sender, (start, calendar::worked_days(start, 5)), &[], &stops)]
            }
            Self::Feedback(_) | Self::Receipt(_) | Self::Answer(_) => Vec::new(),
        }
    }

    /// The clocks of the copy that the CRIP gets of a direct signalement.
    pub fn clocks_of_copy(at: Instant) -> Vec<Clock> {
        let concern = Self::Concern(Urgency::Immediate, Form::Whole);
        concern.clocks(at).into_iter().filter(|clock| clock.name != "evaluation").collect()
    }
}

fn concern(form: Form, (child, text, reporter): (&str, &str, &str), now: Instant, words: &mut Words) -> Value {
    let mut envelope = envelopes::of_the_school();
    envelope["subjects"] = json!([subject(child)]);
    envelope["payload"]["texte_libre"] = json!(text);
    envelope["payload"]["declarant"]["nom"] = json!(reporter);
    words.ordinary.push(reporter.to_owned());
    match form {
        Form::Whole => {}
        Form::Bare => {
            envelope["payload"] = json!({"texte_libre": text});
            envelope.as_object_mut().unwrap().remove("information");
            words.ordinary.pop();
        }
        Form::Odd => {
            envelope["payload"]["champ_inconnu"] = json!({"a": [1, 2]});
            envelope["payload"]["faits"][0]["date_debut"] = json!("avant-hier");
            envelope["fantaisie"] = json!(true);
        }
        Form::Young => {
            let born = calendar::day(now).saturating_sub(time::Duration::days(365));
            envelope["subjects"][0]["birth_date"] = json!(born.to_string());
        }
        Form::Sealed => {
            let (institution, subject) = super::people::SEALED;
            envelope["exclus"] = json!([{"issuer": format!("urn:passerelle:institution:{institution}"), "subject": subject}]);
        }
        Form::Astray => envelope["recipient"] = json!({"institution": "departement-99", "unit": "crip"}),
    }
    envelope
}

fn subject(child: &str) -> Value {
    json!({"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": [child], "sex": "F", "birth_date": "2014-02-27", "birth_place": "31555"})
}

/// A number as letters: a name has no digits.
fn letters(mut n: usize) -> String {
    let mut word = String::from("z");
    loop {
        word.insert(0, char::from(b'a' + u8::try_from(n % 25).unwrap()));
        n /= 25;
        if n == 0 {
            return word;
        }
    }
}
