//! Synthetic children, always the same for one seed: names as frequent as French statistics have them (a few very common,
//! a long tail), families with siblings, twins among them, homonyms by themselves; and what happens to a description on its
//! way through a form.

use exchange::{Identity, document::Leaves};
use serde_json::{Value, json};

/// A child as the civil registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Child {
    pub(crate) name: String,
    pub(crate) given: Vec<String>,
    pub(crate) female: bool,
    /// Year, month, day.
    pub(crate) birth: (u32, u32, u32),
    pub(crate) place: String,
    /// The mother's name, under which a form may call the child.
    pub(crate) mother: String,
    /// Where the family lives, which a form may take for the place of birth.
    pub(crate) home: String,
    /// Born together with the child before this one.
    pub(crate) twin: bool,
}

/// A generator of numbers (SplitMix64): the same seed, the same children, on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True `per_mille` times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: usize) -> bool {
        self.below(1000) < per_mille
    }

    /// One of these, the first ones oftener: of a hundred, the first nearly three times in a hundred.
    fn often<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        of[((unit.powf(1.3) * of.len() as f64) as usize).min(of.len() - 1)]
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// `count` children in families of one to four.
pub(crate) fn children(count: usize, dice: &mut Dice) -> Vec<Child> {
    let mut all: Vec<Child> = Vec::with_capacity(count);
    while all.len() < count {
        let (name, mother) = (family_name(dice), family_name(dice));
        let home = place(dice);
        let size = [1, 1, 2, 2, 2, 3, 3, 4][dice.below(8)];
        let mut year = 2008 + dice.below(12) as u32;
        let mut called: Vec<String> = Vec::new();
        for nth in 0..size {
            // Twins: 17 births in a thousand; two thirds of them of the same sex.
            let twin = nth > 0 && dice.chance(17 * 2);
            let before = all.last().cloned();
            let child = match before {
                Some(before) if twin => {
                    let female = if dice.chance(667) { before.female } else { !before.female };
                    Child { given: given_names(dice, female, before.given.first(), &called), female, twin, ..before }
                }
                _ => {
                    let female = dice.chance(488);
                    let born = (year, 1 + dice.below(12) as u32, 1 + dice.below(28) as u32);
                    let place = if dice.chance(700) { home.clone() } else { place(dice) };
                    Child {
                        name: name.clone(),
                        given: given_names(dice, female, None, &called),
                        female,
                        birth: born,
                        place,
                        mother: mother.clone(),
                        home: home.clone(),
                        twin: false,
                    }
                }
            };
            called.push(child.given[0].clone());
            all.push(child);
            year += 1 + dice.below(3) as u32;
        }
    }
    all.truncate(count);
    all
}

/// The child as a form describes it; every field is wrong or missing `per_cent` times in a hundred.
pub(crate) fn described(child: &Child, per_cent: usize, dice: &mut Dice) -> Identity {
    let wrong = |dice: &mut Dice| dice.chance(per_cent * 10);
    let mut whole = json!({
        "role": "enfant", "birth_name": child.name, "given_names": child.given,
        "sex": if child.female { "F" } else { "M" }, "birth_date": date(child.birth), "birth_place": child.place,
    });
    if wrong(dice) {
        whole["birth_name"] = match dice.below(10) {
            0..=4 => json!(typo(&child.name, dice)),
            5..=7 => json!(respelt(&child.name, dice)),
            8 => json!(child.mother),
            _ => Value::Null,
        };
    }
    if wrong(dice) {
        let mut given = child.given.clone();
        match dice.below(10) {
            0..=2 => given[0] = typo(&given[0], dice),
            3..=4 => given[0] = respelt(&given[0], dice),
            5..=7 => given.truncate(1),
            8 => given.reverse(),
            _ => given.clear(),
        }
        whole["given_names"] = json!(given);
    }
    // One form in fifty of those with errors has name and given name in each other's place.
    if wrong(dice) && dice.chance(20) {
        whole["birth_name"] = json!(child.given[0]);
        whole["given_names"] = json!([child.name]);
    }
    if wrong(dice) {
        let (year, month, day) = child.birth;
        whole["birth_date"] = match dice.below(10) {
            0..=3 if day <= 12 => json!(date((year, day, month))),
            0..=3 => json!(date((year, month, 1 + (day + 9) % 28))),
            4..=5 => json!(date((year, 1 + month % 12, day))),
            6..=7 => json!(date((year - 1 + 2 * dice.below(2) as u32, month, day))),
            _ => Value::Null,
        };
    }
    if wrong(dice) {
        whole["sex"] = if dice.chance(400) { json!(if child.female { "M" } else { "F" }) } else { json!("inconnu") };
    }
    if wrong(dice) {
        whole["birth_place"] = match dice.below(3) {
            0 => json!(child.home),
            1 => json!(place(dice)),
            _ => Value::Null,
        };
    }
    if let Value::Object(fields) = &mut whole {
        fields.retain(|_, value| !value.is_null());
    }
    Identity::new("s1".into(), Leaves::of(&whole))
}

fn date((year, month, day): (u32, u32, u32)) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

fn typo(text: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = dice.below(letters.len());
    let letter = char::from(b'a' + dice.below(26) as u8);
    match dice.below(4) {
        0 => letters[at] = letter,
        1 => letters.insert(at, letter),
        2 if letters.len() > 2 => drop(letters.remove(at)),
        _ if at + 1 < letters.len() => letters.swap(at, at + 1),
        _ => letters.push(letter),
    }
    letters.into_iter().collect()
}

/// As somebody writes it who hears it, or whose keyboard has no accents.
fn respelt(text: &str, dice: &mut Dice) -> String {
    let upper = text.to_uppercase();
    match dice.below(6) {
        0 => upper.replace(['É', 'È'], "E").replace('Ç', "C").replace('Ï', "I").replace('-', " "),
        1 => upper.replace(' ', "-"),
        2 => text.replacen("ph", "f", 1).replacen("th", "t", 1),
        3 => upper.replacen("LL", "L", 1).replacen("TT", "T", 1).replacen("NN", "N", 1),
        4 => upper.replacen('Y', "I", 1).replacen("AU", "O", 1),
        _ => format!("{text}s"),
    }
}

fn family_name(dice: &mut Dice) -> String {
    if dice.chance(350) {
        dice.often(NAMES).to_owned()
    } else {
        // The long tail: most French family names are borne by few.
        let mut name = format!("{}{}", dice.one(BEGIN), dice.one(MIDDLE));
        if dice.chance(500) {
            name.push_str(dice.one(MIDDLE));
        }
        name.push_str(dice.one(END));
        if dice.chance(60) { format!("{name}-{}", dice.often(NAMES)) } else { name }
    }
}

/// One to three; of a twin, often one that begins like the other's.
fn given_names(dice: &mut Dice, female: bool, sister_of: Option<&String>, called: &[String]) -> Vec<String> {
    let list = if female { GIRLS } else { BOYS };
    let mut names = Vec::new();
    let alike = sister_of.filter(|_| dice.chance(400)).and_then(|other| {
        let begins = other.chars().next();
        list.iter().find(|name| name.chars().next() == begins && *name != other)
    });
    names.push(alike.copied().unwrap_or_else(|| dice.often(list)).to_owned());
    let more = [0, 1, 1, 2][dice.below(4)];
    while names.len() <= more {
        let next = dice.often(list).to_owned();
        if !names.contains(&next) {
            names.push(next);
        }
    }
    // Two children of one family never bear one name.
    if called.contains(&names[0]) { given_names(dice, female, sister_of, called) } else { names }
}

fn place(dice: &mut Dice) -> String {
    match dice.below(100) {
        0..=54 => "31555".to_owned(),
        55..=89 => format!("31{:03}", 1 + dice.below(586)),
        90..=95 => format!("{:02}{:03}", 1 + dice.below(94), 1 + dice.below(400)),
        _ => dice.one(&["99350", "99351", "99352", "99139", "99134", "99208", "99243", "99341"]).to_owned(),
    }
}

const NAMES: &[&str] = &[
    "Martin",
    "Bernard",
    "Thomas",
    "Petit",
    "Robert",
    "Richard",
    "Durand",
    "Dubois",
    "Moreau",
    "Laurent",
    "Simon",
    "Michel",
    "Lefebvre",
    "Leroy",
    "Roux",
    "David",
    "Bertrand",
    "Morel",
    "Fournier",
    "Girard",
    "Bonnet",
    "Dupont",
    "Lambert",
    "Fontaine",
    "Rousseau",
    "Vincent",
    "Muller",
    "Lefèvre",
    "Faure",
    "André",
    "Mercier",
    "Blanc",
    "Guérin",
    "Boyer",
    "Garnier",
    "Chevalier",
    "François",
    "Legrand",
    "Gauthier",
    "Garcia",
    "Perrin",
    "Robin",
    "Clément",
    "Morin",
    "Nicolas",
    "Henry",
    "Roussel",
    "Mathieu",
    "Gautier",
    "Masson",
    "Marchand",
    "Duval",
    "Denis",
    "Dumont",
    "Marie",
    "Lemaire",
    "Noël",
    "Meyer",
    "Dufour",
    "Meunier",
    "Brun",
    "Blanchard",
    "Giraud",
    "Joly",
    "Rivière",
    "Lucas",
    "Brunet",
    "Gaillard",
    "Barbier",
    "Arnaud",
    "Martinez",
    "Gérard",
    "Roche",
    "Renard",
    "Schmitt",
    "Roy",
    "Leroux",
    "Colin",
    "Vidal",
    "Caron",
    "Picard",
    "Roger",
    "Fabre",
    "Aubert",
    "Lemoine",
    "Renaud",
    "Dumas",
    "Lacroix",
    "Olivier",
    "Philippe",
    "Bourgeois",
    "Pierre",
    "Benoit",
    "Rey",
    "Leclerc",
    "Payet",
    "Rolland",
    "Leclercq",
    "Guillaume",
    "Lecomte",
    "Lopez",
    "Jean",
    "Dupuy",
    "Guillot",
    "Hubert",
    "Berger",
    "Carpentier",
    "Sanchez",
    "Dupuis",
    "Moulin",
    "Louis",
    "Deschamps",
    "Huet",
    "Vasseur",
    "Perez",
    "Boucher",
    "Fleury",
    "Royer",
    "Klein",
    "Jacquet",
    "Adam",
    "Paris",
    "Poirier",
    "Marty",
    "Aubry",
    "Guyot",
    "Carré",
    "Charles",
    "Renault",
    "Charpentier",
    "Ménard",
    "Maillard",
    "Baron",
    "Bertin",
    "Bailly",
    "Hervé",
    "Schneider",
    "Fernandez",
    "Le Gall",
    "Collet",
    "Léger",
    "Bouvier",
    "Julien",
    "Prévost",
    "Millet",
    "Perrot",
    "Daniel",
    "Le Roux",
    "Cousin",
    "Germain",
    "Breton",
    "Besson",
    "Langlois",
    "Rémy",
    "Le Goff",
    "Pelletier",
    "Lévêque",
    "Perrier",
    "Leblanc",
    "Barré",
    "Lebrun",
    "Marchal",
    "Weber",
    "Mallet",
    "Hamon",
    "Boulanger",
    "Jacob",
    "Monnier",
    "Michaud",
    "Rodriguez",
    "Guichard",
    "Gillet",
    "Étienne",
    "Grondin",
    "Poulain",
    "Tessier",
    "Chevallier",
    "Collin",
    "Chauvin",
    "Da Silva",
    "Bouchet",
    "Gay",
    "Lemaître",
    "Bénard",
    "Maréchal",
    "Humbert",
    "Reynaud",
    "Antoine",
    "Hoarau",
    "Perret",
    "Barthélemy",
    "Cordier",
    "Pichon",
    "Lejeune",
    "Gilbert",
    "Lamy",
    "Delaunay",
    "Pasquier",
    "Carlier",
    "Laporte",
    "Benali",
    "Nguyen",
    "El Amrani",
    "Traoré",
    "Diallo",
    "Ben Ahmed",
    "Haddad",
    "Dos Santos",
    "Pereira",
    "Ferreira",
    "Gonçalves",
    "Kaya",
    "Yıldız",
    "Nowak",
    "Tran",
    "Coulibaly",
    "Diarra",
    "N’Guessan",
    "Saïdi",
    "Mansouri",
    "Bouazza",
    "Cheikh",
    "Toure",
    "Camara",
    "Konaté",
    "Van den Berg",
    "de Villiers",
    "d’Almeida",
    "Popescu",
    "Ivanov",
];
const BEGIN: &[&str] = &[
    "Bar", "Bel", "Ber", "Bou", "Bra", "Cam", "Car", "Cas", "Cha", "Cla", "Cou", "Dal", "Del", "Dou", "Du", "Es", "Fa", "Fer", "Fon",
    "Gal", "Gar", "Gou", "Gra", "Gui", "Ha", "Jan", "La", "Lar", "Lau", "Mal", "Mar", "Mas", "Mon", "Mou", "Na", "Pa", "Per", "Pi", "Pra",
    "Rou", "Sa", "Ser", "Sou", "Tar", "Tou", "Va", "Ver", "Vi",
];
const MIDDLE: &[&str] = &[
    "ba", "be", "bi", "ca", "cha", "cou", "da", "de", "dou", "fa", "ga", "ge", "gnou", "la", "le", "li", "lou", "ma", "me", "mi", "na",
    "ne", "no", "pa", "pe", "ra", "re", "ri", "ro", "sa", "se", "ta", "te", "ti", "tou", "va", "ve", "vi",
];
const END: &[&str] = &[
    "c", "ch", "d", "gue", "l", "lle", "lier", "n", "nd", "net", "ot", "ou", "que", "r", "rd", "s", "ssac", "t", "tte", "ud", "ux", "y",
    "zes", "ère",
];
const GIRLS: &[&str] = &[
    "Emma",
    "Jade",
    "Louise",
    "Alice",
    "Chloé",
    "Lina",
    "Léa",
    "Rose",
    "Anna",
    "Mila",
    "Inès",
    "Ambre",
    "Julia",
    "Mia",
    "Léna",
    "Manon",
    "Juliette",
    "Lou",
    "Camille",
    "Zoé",
    "Lola",
    "Agathe",
    "Jeanne",
    "Lucie",
    "Éva",
    "Sarah",
    "Nina",
    "Romane",
    "Inaya",
    "Charlotte",
    "Léonie",
    "Romy",
    "Adèle",
    "Iris",
    "Louna",
    "Sofia",
    "Clara",
    "Margaux",
    "Olivia",
    "Victoria",
    "Clémence",
    "Elena",
    "Anaïs",
    "Nour",
    "Mathilde",
    "Lyna",
    "Yasmine",
    "Aya",
    "Margot",
    "Alix",
    "Élise",
    "Capucine",
    "Lana",
    "Maryam",
    "Assia",
    "Pauline",
    "Apolline",
    "Noémie",
    "Fatima",
    "Aïcha",
    "Marie",
    "Marie-Lou",
    "Anne-Sophie",
    "Maëlys",
    "Océane",
    "Lilou",
    "Célia",
    "Ninon",
    "Salomé",
    "Thaïs",
    "Élodie",
    "Mélissa",
    "Laura",
    "Justine",
    "Amélie",
    "Hélène",
    "Valentine",
    "Gabrielle",
    "Constance",
    "Aliyah",
    "Soline",
    "Maya",
    "Khadija",
    "Sirine",
    "Awa",
    "Aminata",
    "Fatoumata",
    "Mariam",
    "Thi Lan",
    "Beatriz",
    "Inês",
    "Maria",
    "Zofia",
    "Elif",
    "Zeynep",
    "Odile",
    "Violette",
    "Coline",
    "Faustine",
    "Garance",
    "Héloïse",
    "Joséphine",
    "Kenza",
];
const BOYS: &[&str] = &[
    "Gabriel",
    "Léo",
    "Raphaël",
    "Louis",
    "Arthur",
    "Jules",
    "Adam",
    "Maël",
    "Lucas",
    "Hugo",
    "Noah",
    "Liam",
    "Gabin",
    "Sacha",
    "Paul",
    "Nathan",
    "Aaron",
    "Mohamed",
    "Ethan",
    "Tom",
    "Éden",
    "Léon",
    "Noé",
    "Tiago",
    "Théo",
    "Isaac",
    "Marius",
    "Victor",
    "Ayden",
    "Martin",
    "Naël",
    "Mathis",
    "Axel",
    "Robin",
    "Timéo",
    "Enzo",
    "Marceau",
    "Valentin",
    "Nino",
    "Eliott",
    "Nolan",
    "Malo",
    "Milo",
    "Antoine",
    "Samuel",
    "Augustin",
    "Amir",
    "Lyam",
    "Rayan",
    "Yanis",
    "Ibrahim",
    "Gaspard",
    "Sohan",
    "Clément",
    "Mathéo",
    "Baptiste",
    "Simon",
    "Maxence",
    "Imran",
    "Kaïs",
    "Côme",
    "Soan",
    "Evan",
    "Maxime",
    "Camille",
    "Alexandre",
    "Owen",
    "Ismaël",
    "Lenny",
    "Pablo",
    "Léandre",
    "Naïm",
    "Jean",
    "Jean-Luc",
    "Pierre",
    "Thomas",
    "Youssef",
    "Mehdi",
    "Abdel Kader",
    "Mamadou",
    "Ousmane",
    "Moussa",
    "Bilal",
    "Ilyes",
    "Younes",
    "Zakaria",
    "Van Minh",
    "João",
    "Diogo",
    "Tiago",
    "Kacper",
    "Emir",
    "Yusuf",
    "Mohammed",
    "Ali",
    "Adrien",
    "Benjamin",
    "Quentin",
    "Romain",
    "Julien",
    "Philippe",
    "Mathieu",
    "Matthieu",
];
