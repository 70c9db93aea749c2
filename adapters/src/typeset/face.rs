//! The three faces of the font: which characters they have, and which glyphs stand for a text (kerning and ligatures included).

use harfrust::{Direction, ShapeOptions, ShaperData, UnicodeBuffer};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::{FontRef, MetadataProvider};
use unicode_normalization::char::is_combining_mark;

use super::Unprintable;

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Regular,
    Bold,
    Italic,
}

pub struct Faces {
    regular: Face,
    bold: Face,
    italic: Face,
}

impl Faces {
    pub fn load() -> Result<Self, Unprintable> {
        Ok(Self {
            regular: Face::load(include_bytes!("../../fonts/OpenSans-Regular.ttf"), "OpenSans-Regular.ttf")?,
            bold: Face::load(include_bytes!("../../fonts/OpenSans-Bold.ttf"), "OpenSans-Bold.ttf")?,
            italic: Face::load(include_bytes!("../../fonts/OpenSans-Italic.ttf"), "OpenSans-Italic.ttf")?,
        })
    }

    pub fn of(&self, style: Style) -> &Face {
        match style {
            Style::Regular => &self.regular,
            Style::Bold => &self.bold,
            Style::Italic => &self.italic,
        }
    }

    /// Whether every face can print the character.
    pub fn have(&self, character: char) -> bool {
        [&self.regular, &self.bold, &self.italic].iter().all(|face| face.source.charmap().map(character).is_some_and(|id| id.to_u32() != 0))
    }
}

pub struct Face {
    /// The font as the PDF embeds it.
    pub font: Font,
    source: FontRef<'static>,
    tables: ShaperData,
}

impl Face {
    fn load(data: &'static [u8], name: &'static str) -> Result<Self, Unprintable> {
        let source = FontRef::new(data).map_err(|_| Unprintable::Font(name))?;
        let font = Font::new(data.into(), 0).ok_or(Unprintable::Font(name))?;
        let tables = ShaperData::new(&source);
        Ok(Self { font, source, tables })
    }

    /// The glyphs of one line of text from left to right, with advances in units of the font size and their range of bytes.
    /// No script of the font is written from right to left.
    pub fn shape(&self, text: &str) -> Vec<KrillaGlyph> {
        let mut glyphs = Vec::with_capacity(text.len());
        let mut begins = 0;
        for piece in pieces(text) {
            self.shape_piece(piece, begins, &mut glyphs);
            begins += piece.len();
        }
        glyphs
    }

    fn shape_piece(&self, text: &str, begins: usize, glyphs: &mut Vec<KrillaGlyph>) {
        let shaper = self.tables.shaper(&self.source).build();
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(Direction::LeftToRight);
        let shaped = shaper.shape(buffer, ShapeOptions::new());
        let em = |value: i32| value as f32 / self.font.units_per_em();
        let from = glyphs.len();
        // From the last to the first, so that the end of a cluster is known: where the next one starts.
        let (mut end, mut following) = (text.len(), text.len());
        for (info, at) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()).rev() {
            let start = info.cluster as usize;
            if start < following {
                end = following;
                following = start;
            }
            let id = GlyphId::new(info.glyph_id);
            let range = begins + start..begins + end;
            glyphs.push(KrillaGlyph::new(id, em(at.x_advance), em(at.x_offset), em(at.y_offset), em(at.y_advance), range, None));
        }
        if let Some(added) = glyphs.get_mut(from..) {
            added.reverse();
        }
    }
}

/// The text in pieces of at most [`PIECE`] bytes or a little more, cut after a space where there is one, never before a mark that
/// sits on the letter before it.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let starts_letter =
            |at: &usize| rest.get(*at..).and_then(|tail| tail.chars().next()).is_none_or(|letter| !is_combining_mark(letter));
        let mut cuts = (PIECE..rest.len()).filter(|at| rest.is_char_boundary(*at));
        // A letter with a thousand marks is nobody’s name: it is cut all the same.
        let full = cuts.by_ref().take(PIECE).find(starts_letter).or_else(|| cuts.next()).unwrap_or(rest.len());
        let window = rest.get(..full).unwrap_or(rest);
        let cut = if full == rest.len() { full } else { window.rfind(' ').map_or(full, |space| space + 1) };
        let (piece, after) = rest.split_at_checked(cut)?;
        rest = after;
        Some(piece)
    })
}

/// The shaping crate counts glyphs of one call in 16 bits and panics beyond.
const PIECE: usize = 2048;
