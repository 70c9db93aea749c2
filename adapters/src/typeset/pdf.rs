//! The pages as PDF: structure tree, bookmarks, metadata, running heads, and the check against PDF/A and PDF/UA.

use std::num::NonZeroU16;

use krilla::configure::{Accessibility, Archival, Configuration, ConfigurationBuilder, ValidationError};
use krilla::destination::XyzDestination;
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::error::KrillaError;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Identifier, ListNumbering, Node as Leaf, SpanTag, TableHeaderScope, Tag, TagGroup, TagKind, TagTree,
};
use krilla::{SerializeSettings, color::rgb};

use super::clean::Cleaner;
use super::face::{Faces, Style};
use super::flow::{HEIGHT, Item, LEFT, Laid, Mark, Node, RIGHT, Role, SMALL, Type, WIDTH, brief};
use super::lines::{Line, lines};
use super::{Document, Unprintable};
use crate::reading::Place;

/// Grey of rules and running heads: a contrast of 7 to 1 on white.
const GREY: (u8, u8, u8) = (89, 89, 89);
const PALE: (u8, u8, u8) = (150, 150, 150);

pub fn write(document: &Document, faces: &Faces, laid: Laid, cleaner: &mut Cleaner<'_>) -> Result<Vec<u8>, Unprintable> {
    let heads = Heads::new(document, cleaner);
    let mut pdf = krilla::Document::new_with(SerializeSettings {
        configuration: configuration(document)?,
        enable_tagging: true,
        ..SerializeSettings::default()
    });
    let count = laid.pages.len();
    let mut leaves: Vec<Vec<Identifier>> = laid.nodes.iter().map(|_| Vec::new()).collect();
    for (at, items) in laid.pages.iter().enumerate() {
        let size = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(Unprintable::NotArchival("page size"))?;
        let mut page = pdf.start_page_with(size);
        let mut surface = page.surface();
        heads.draw(&mut surface, faces, at + 1, count);
        draw(&mut surface, faces, items, &mut leaves);
        surface.finish();
        page.finish();
    }
    pdf.set_tag_tree(tree(&laid.nodes, &mut leaves));
    pdf.set_outline(outline(&laid.marks));
    pdf.set_metadata(metadata(document, &heads));
    for file in &document.attached {
        let attached = EmbeddedFile {
            path: file.name.to_owned(),
            mime_type: MimeType::new(file.media_type),
            description: Some(file.description.to_owned()),
            association_kind: AssociationKind::Data,
            data: file.bytes.clone().into(),
            modification_date: Some(day(document)),
            compress: Some(true),
            location: None,
        };
        pdf.embed_file(attached).ok_or(Unprintable::NotArchival("two attached files of one name"))?;
    }
    pdf.finish().map_err(|error| Unprintable::NotArchival(fault(&error)))
}

fn configuration(document: &Document) -> Result<Configuration, Unprintable> {
    let archival = if document.attached.is_empty() { Archival::A2_A } else { Archival::A3_A };
    let builder = ConfigurationBuilder::new().with_archival_validator(archival).with_accessibility_validator(Accessibility::UA1);
    builder.finish().map_err(|_| Unprintable::NotArchival("configuration"))
}

/// What stands at the top and the foot of every page.
struct Heads {
    title: String,
    letterhead: String,
    reference: String,
    footer: String,
}

impl Heads {
    fn new(document: &Document, cleaner: &mut Cleaner<'_>) -> Self {
        let (year, month, date) = document.dated.to_calendar_date();
        Self {
            title: brief(&cleaner.heading(&document.title, &Place::Whole)),
            letterhead: brief(&cleaner.line(&document.letterhead, &Place::Whole)),
            reference: brief(&cleaner.line(&document.reference, &Place::Whole)),
            footer: format!("{date:02}/{:02}/{year} – {}", u8::from(month), brief(&cleaner.line(&document.footer, &Place::Whole))),
        }
    }

    fn draw(&self, surface: &mut Surface<'_>, faces: &Faces, page: usize, count: usize) {
        surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Header)));
        running(surface, faces, &self.letterhead, &self.reference, 50.0);
        bar(surface, LEFT, 58.0, RIGHT - LEFT, 0.5, PALE);
        surface.end_tagged();
        surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)));
        bar(surface, LEFT, HEIGHT - 54.0, RIGHT - LEFT, 0.5, PALE);
        running(surface, faces, &self.footer, &format!("page {page} sur {count}"), HEIGHT - 40.0);
        surface.end_tagged();
    }
}

/// Two texts on one line, at the right and at the left. What is too long for its share ends in an ellipsis: it stands in full in
/// the document.
fn running(surface: &mut Surface<'_>, faces: &Faces, left: &str, right: &str, baseline: f32) {
    let mut room = (RIGHT - LEFT) * 0.6;
    for (text, at_right) in [(right, true), (left, false)] {
        let Some(line) = one_line(faces, text, room) else { continue };
        let x = if at_right { RIGHT - line.width } else { LEFT };
        room = RIGHT - LEFT - line.width - 16.0;
        ink(surface, GREY);
        surface.draw_glyphs(Point::from_xy(x, baseline), &line.glyphs, faces.of(SMALL.style).font.clone(), &line.text, SMALL.size, false);
    }
}

fn one_line(faces: &Faces, text: &str, width: f32) -> Option<Line> {
    let face = faces.of(SMALL.style);
    let whole = lines(face, text, SMALL.size, width);
    if whole.len() < 2 {
        return whole.into_iter().next();
    }
    let first = whole.first().map_or("", |line| line.text.trim_end());
    lines(face, &format!("{first}…"), SMALL.size, f32::MAX).into_iter().next()
}

fn draw(surface: &mut Surface<'_>, faces: &Faces, items: &[Item], leaves: &mut [Vec<Identifier>]) {
    for item in items {
        match item {
            Item::Text { x, baseline, set, line, node } => {
                let heard = leaves.get_mut(*node);
                let tag = if heard.is_some() {
                    ContentTag::Span(SpanTag::empty())
                } else {
                    ContentTag::Artifact(Artifact::with_kind(ArtifactType::PaginationOther))
                };
                let leaf = surface.start_tagged(tag);
                let face = faces.of(set.style);
                ink(surface, tone(*set));
                surface.draw_glyphs(Point::from_xy(*x, *baseline), &line.glyphs, face.font.clone(), &line.text, set.size, false);
                surface.end_tagged();
                if let Some(heard) = heard {
                    heard.push(leaf);
                }
            }
            Item::Bar { x, y, width, height, dark } => {
                surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
                bar(surface, *x, *y, *width, *height, if *dark { (0, 0, 0) } else { PALE });
                surface.end_tagged();
            }
            Item::Square { x, y, side } => {
                surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
                surface.set_fill(None);
                surface.set_stroke(Some(Stroke { paint: rgb::Color::black().into(), width: 0.8, ..Stroke::default() }));
                if let Some(path) = rectangle(*x, *y, *side, *side) {
                    surface.draw_path(&path);
                }
                surface.set_stroke(None);
                surface.end_tagged();
            }
        }
    }
}

fn tone(set: Type) -> (u8, u8, u8) {
    if set.style == Style::Regular && set.size < 9.0 { GREY } else { (0, 0, 0) }
}

fn ink(surface: &mut Surface<'_>, (red, green, blue): (u8, u8, u8)) {
    surface.set_fill(Some(Fill { paint: rgb::Color::new(red, green, blue).into(), opacity: NormalizedF32::ONE, rule: Default::default() }));
}

fn bar(surface: &mut Surface<'_>, x: f32, y: f32, width: f32, height: f32, tone: (u8, u8, u8)) {
    ink(surface, tone);
    if let Some(path) = rectangle(x, y, width, height) {
        surface.draw_path(&path);
    }
}

fn rectangle(x: f32, y: f32, width: f32, height: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.push_rect(Rect::from_xywh(x, y, width, height)?);
    path.finish()
}

fn tree(nodes: &[Node], leaves: &mut [Vec<Identifier>]) -> TagTree {
    let mut tree = TagTree::new().with_lang(Some("fr".to_owned()));
    for (at, node) in nodes.iter().enumerate().filter(|(_, node)| node.root) {
        tree.push(group(nodes, leaves, at, node));
    }
    tree
}

/// Depth is bounded by our own blocks: a table is four levels.
fn group(nodes: &[Node], leaves: &mut [Vec<Identifier>], at: usize, node: &Node) -> TagGroup {
    let mut children: Vec<Leaf> = leaves.get_mut(at).map(std::mem::take).unwrap_or_default().into_iter().map(Leaf::from).collect();
    for id in &node.children {
        if let Some(child) = nodes.get(*id) {
            children.push(group(nodes, leaves, *id, child).into());
        }
    }
    TagGroup::with_children(kind(&node.role), children)
}

fn kind(role: &Role) -> TagKind {
    match role {
        Role::Heading(level, title) => Tag::Hn(NonZeroU16::new(*level).unwrap_or(NonZeroU16::MIN), Some(title.clone())).into(),
        Role::Paragraph => Tag::P.into(),
        Role::Quote => Tag::BlockQuote.into(),
        Role::List => Tag::L(ListNumbering::None).into(),
        Role::Item => Tag::LI.into(),
        Role::Label => Tag::Lbl.into(),
        Role::Body => Tag::LBody.into(),
        Role::Table => Tag::Table.into(),
        Role::Head => Tag::THead.into(),
        Role::Rows => Tag::TBody.into(),
        Role::Row => Tag::TR.into(),
        Role::HeadCell => Tag::TH(TableHeaderScope::Column).into(),
        Role::Cell => Tag::TD.into(),
    }
}

fn outline(marks: &[Mark]) -> Outline {
    let mut outline = Outline::new();
    let mut open: Option<OutlineNode> = None;
    for mark in marks {
        let to = XyzDestination::new(mark.page, Point::from_xy(LEFT, (mark.y - 8.0).max(0.0)));
        let entry = OutlineNode::new(mark.text.clone(), to);
        match open.as_mut() {
            Some(section) if mark.part => section.push_child(entry),
            _ => {
                if let Some(done) = open.replace(entry) {
                    outline.push_child(done);
                }
            }
        }
    }
    if let Some(last) = open {
        outline.push_child(last);
    }
    outline
}

fn metadata(document: &Document, heads: &Heads) -> Metadata {
    Metadata::new()
        .title(heads.title.clone())
        .language("fr".to_owned())
        .authors(vec![heads.letterhead.clone()])
        .creator("Passerelle".to_owned())
        .producer("Passerelle (krilla)".to_owned())
        .creation_date(day(document))
        .document_id(heads.reference.clone())
}

fn day(document: &Document) -> DateTime {
    let (year, month, date) = document.dated.to_calendar_date();
    DateTime::new(u16::try_from(year).unwrap_or(1))
        .month(u8::from(month))
        .day(date)
        .hour(0)
        .minute(0)
        .second(0)
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

/// The kind of fault: an error of the library may hold text of the document.
fn fault(error: &KrillaError) -> &'static str {
    let KrillaError::Validation(errors) = error else { return "the writer failed" };
    match errors.first().map(|(error, _)| error) {
        Some(ValidationError::ContainsNotDefGlyph(..)) => "a glyph is missing",
        Some(ValidationError::TooLongString) => "a string is too long",
        Some(ValidationError::EmbeddedFile(..)) => "an attached file is not described",
        _ => "the validator refused",
    }
}
