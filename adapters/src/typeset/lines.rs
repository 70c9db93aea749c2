//! Text broken into lines: greedy, ragged right, without hyphens, where Unicode line breaking (UAX 14) allows it.

use icu_segmenter::{LineSegmenter, LineSegmenterBorrowed, options::LineBreakOptions};
use krilla::text::{Glyph, KrillaGlyph};

use super::face::Face;

const SEGMENTER: LineSegmenterBorrowed<'static> = LineSegmenter::new_for_non_complex_scripts(LineBreakOptions::default());

/// One line, ready to be drawn. Keeps its last space, so that words stay apart for who reads the text without its look.
#[derive(Clone)]
pub struct Line {
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    /// Width without trailing spaces.
    pub width: f32,
}

/// The lines of a clean text. A line feed begins a line; a word wider than `width` is broken between any two characters.
pub fn lines(face: &Face, text: &str, size: f32, width: f32) -> Vec<Line> {
    let mut lines = Vec::new();
    for paragraph in text.trim_end().split('\n') {
        fill(face, paragraph.trim_end(), size, width, &mut lines);
    }
    lines
}

fn fill(face: &Face, text: &str, size: f32, width: f32, lines: &mut Vec<Line>) {
    let glyphs = face.shape(text);
    let breaks: Vec<usize> = SEGMENTER.segment_str(text).collect();
    let space = |glyph: &KrillaGlyph| text.get(glyph.text_range.clone()).is_some_and(|part| part == " ");
    let (mut start, mut allowed, mut cluster) = (0, None, 0);
    let mut x = 0.0;
    let mut at = 0;
    while let Some(glyph) = glyphs.get(at) {
        let begins = glyph.text_range.start;
        if at == 0 || glyphs.get(at - 1).is_none_or(|before| before.text_range.start != begins) {
            cluster = at;
            if at > start && breaks.binary_search(&begins).is_ok() {
                allowed = Some(at);
            }
        }
        let advance = glyph.x_advance(size);
        let cut = allowed.unwrap_or(cluster);
        if x + advance > width && cut > start && !space(glyph) {
            lines.push(line(text, glyphs.get(start..cut).unwrap_or_default(), size));
            start = cut;
            allowed = None;
            x = glyphs.get(start..at).unwrap_or_default().iter().map(|glyph| glyph.x_advance(size)).sum();
        } else {
            x += advance;
            at += 1;
        }
    }
    lines.push(line(text, glyphs.get(start..).unwrap_or_default(), size));
}

fn line(text: &str, glyphs: &[KrillaGlyph], size: f32) -> Line {
    let begins = glyphs.first().map_or(0, |glyph| glyph.text_range.start);
    let ends = glyphs.last().map_or(begins, |glyph| glyph.text_range.end);
    let text = text.get(begins..ends).unwrap_or_default();
    let seen = begins + text.trim_end_matches(' ').len();
    let width = glyphs.iter().filter(|glyph| glyph.text_range.start < seen).map(|glyph| glyph.x_advance(size)).sum();
    let moved =
        |glyph: &KrillaGlyph| KrillaGlyph { text_range: glyph.text_range.start - begins..glyph.text_range.end - begins, ..glyph.clone() };
    Line { text: text.to_owned(), glyphs: glyphs.iter().map(moved).collect(), width }
}
