//! Text as it may be printed: nothing vanishes, nothing acts unseen.
//!
//! A character that the font lacks, a control character, or one that reorders its neighbours stands as `[U+202E]`. A few that
//! only tell programs where to break or join have no look of their own and are left out. Each is reported, by kind and place.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use super::face::Faces;
use crate::reading::{Finding, Place};

/// How many line feeds a whole document keeps: what follows is run on with a visible mark, so that a megabyte of line feeds
/// is not ten thousand pages.
const MAX_LINE_FEEDS: usize = 4000;

/// What was found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Unprintable,
    Control,
    Direction,
    Invisible,
    LineFeeds,
}

pub struct Cleaner<'a> {
    faces: &'a Faces,
    known: BTreeMap<char, bool>,
    marks: Vec<(Place, Mark)>,
    line_feeds: usize,
}

impl<'a> Cleaner<'a> {
    pub fn new(faces: &'a Faces) -> Self {
        Self { faces, known: BTreeMap::new(), marks: Vec::new(), line_feeds: 0 }
    }

    /// The text as it is printed. Holds no control character but the line feed.
    pub fn clean(&mut self, text: &str, place: &Place) -> String {
        let mut out = String::with_capacity(text.len());
        let mut characters = text.nfc().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\r' if characters.peek() == Some(&'\n') => {}
                '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => self.line_feed(&mut out, place),
                '\t' => out.push(' '),
                // Narrow and wide spaces and hyphens that the font lacks, as the ones it has.
                '\u{202f}' | '\u{2007}' => out.push('\u{a0}'),
                '\u{2000}'..='\u{200a}' | '\u{205f}' | '\u{3000}' => out.push(' '),
                '\u{2010}' | '\u{2011}' => out.push('-'),
                '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' => self.mark(Mark::Invisible, place),
                '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    self.mark(Mark::Direction, place);
                    push_code(&mut out, character);
                }
                character if character.is_control() => {
                    self.mark(Mark::Control, place);
                    push_code(&mut out, character);
                }
                character if self.printable(character) => out.push(character),
                character => {
                    self.mark(Mark::Unprintable, place);
                    push_code(&mut out, character);
                }
            }
        }
        out
    }

    /// The text on one line, for a head, a label or a bookmark.
    pub fn line(&mut self, text: &str, place: &Place) -> String {
        self.clean(text, place).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The text on one line, and never empty: PDF/UA wants a name for every heading.
    pub fn heading(&mut self, text: &str, place: &Place) -> String {
        let line = self.line(text, place);
        if line.is_empty() { "Sans titre".to_owned() } else { line }
    }

    /// One finding for each place and kind.
    pub fn findings(self) -> Vec<Finding> {
        self.marks.into_iter().map(|(place, mark)| mark.finding(place)).collect()
    }

    fn line_feed(&mut self, out: &mut String, place: &Place) {
        self.line_feeds += 1;
        if self.line_feeds <= MAX_LINE_FEEDS {
            out.push('\n');
        } else {
            out.push_str(" ¶ ");
            self.mark(Mark::LineFeeds, place);
        }
    }

    fn mark(&mut self, mark: Mark, place: &Place) {
        // A text is cleaned in one go: what has been said of its place is among the last.
        let said = self.marks.iter().rev().take_while(|(other, _)| other == place).any(|(_, other)| *other == mark);
        if !said {
            self.marks.push((place.clone(), mark));
        }
    }

    fn printable(&mut self, character: char) -> bool {
        // A private character has no meaning outside the font (PDF/A-2, 6.2.11.7.3).
        let private = matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
        let faces = self.faces;
        !private && *self.known.entry(character).or_insert_with(|| faces.have(character))
    }
}

fn push_code(out: &mut String, character: char) {
    out.push_str(&format!("[U+{:04X}]", u32::from(character)));
}

impl Mark {
    fn finding(self, place: Place) -> Finding {
        let (code, detail) = match self {
            Self::Unprintable => {
                ("unprintable-character", "Des caractères que la police n’a pas sont imprimés par leur code, par exemple [U+1F600].")
            }
            Self::Control => ("control-character", "Des caractères de commande sont imprimés par leur code, par exemple [U+0007]."),
            Self::Direction => {
                ("direction-character", "Des caractères qui inversent le sens de lecture sont imprimés par leur code, sans agir.")
            }
            Self::Invisible => ("invisible-character", "Des caractères sans forme propre ne sont pas imprimés."),
            Self::LineFeeds => ("too-many-lines", "Au-delà de 4 000 retours à la ligne, chacun est imprimé « ¶ »."),
        };
        Finding {
            place, code, detail: detail.to_owned(), cure: Some("Joindre l’original si la forme exacte du texte compte.".to_owned())
        }
    }
}
