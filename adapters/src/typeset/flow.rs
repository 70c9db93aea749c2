//! Where everything stands: blocks become lines on pages, and nodes of the structure tree.
//!
//! A heading keeps with what follows, a paragraph leaves no single line behind, a table repeats its head.

use super::clean::Cleaner;
use super::face::{Faces, Style};
use super::lines::{Line, lines};
use super::{Block, Content, Document, table};
use crate::reading::Place;

pub const WIDTH: f32 = 595.28;
pub const HEIGHT: f32 = 841.89;
pub const LEFT: f32 = 68.0;
pub const RIGHT: f32 = WIDTH - LEFT;
pub const TOP: f32 = 88.0;
pub const BOTTOM: f32 = HEIGHT - 72.0;

const LABEL: f32 = 142.0;

/// Size and distance of lines.
#[derive(Clone, Copy)]
pub struct Type {
    pub style: Style,
    pub size: f32,
    pub leading: f32,
}

pub const BODY: Type = Type { style: Style::Regular, size: 10.0, leading: 14.5 };
pub const SMALL: Type = Type { style: Style::Regular, size: 8.5, leading: 12.0 };
const TITLE: Type = Type { style: Style::Bold, size: 18.0, leading: 24.0 };
const SUBTITLE: Type = Type { style: Style::Regular, size: 11.5, leading: 16.0 };
const SECTION: Type = Type { style: Style::Bold, size: 12.5, leading: 17.0 };
const PART: Type = Type { style: Style::Bold, size: 10.5, leading: 15.0 };
const STRONG: Type = Type { style: Style::Bold, size: 10.0, leading: 14.5 };
const WORDS: Type = Type { style: Style::Italic, size: 10.0, leading: 14.5 };
const NAME: Type = Type { style: Style::Bold, size: 9.0, leading: 14.5 };

/// Something drawn on a page.
pub enum Item {
    /// A line of text, part of a node of the structure.
    Text { x: f32, baseline: f32, set: Type, line: Line, node: usize },
    /// A filled rectangle without meaning of its own.
    Bar { x: f32, y: f32, width: f32, height: f32, dark: bool },
    /// An empty box to tick.
    Square { x: f32, y: f32, side: f32 },
}

/// What a node of the structure tree is.
#[derive(Clone, PartialEq)]
pub enum Role {
    Heading(u16, String),
    Paragraph,
    Quote,
    List,
    Item,
    Label,
    Body,
    Table,
    Head,
    Rows,
    Row,
    HeadCell,
    Cell,
}

pub struct Node {
    pub role: Role,
    pub children: Vec<usize>,
    pub root: bool,
}

/// An entry of the bookmarks.
pub struct Mark {
    pub part: bool,
    pub text: String,
    pub page: usize,
    pub y: f32,
}

#[derive(Default)]
pub struct Laid {
    pub pages: Vec<Vec<Item>>,
    pub nodes: Vec<Node>,
    pub marks: Vec<Mark>,
}

pub fn lay_out(document: &Document, faces: &Faces, cleaner: &mut Cleaner<'_>) -> Laid {
    let mut flow = Flow { faces, laid: Laid::default(), y: TOP, list: None };
    flow.laid.pages.push(Vec::new());
    flow.title(document, cleaner);
    for block in &document.blocks {
        flow.block(block, cleaner);
    }
    flow.laid
}

pub struct Flow<'a> {
    pub faces: &'a Faces,
    laid: Laid,
    pub y: f32,
    /// The list that a next field continues.
    list: Option<usize>,
}

impl Flow<'_> {
    fn title(&mut self, document: &Document, cleaner: &mut Cleaner<'_>) {
        let text = cleaner.heading(&document.title, &Place::Whole);
        let node = self.node(Role::Heading(1, brief(&text)), None);
        self.laid.marks.push(Mark { part: false, text: brief(&text), page: 0, y: self.y });
        self.text(&text, LEFT, RIGHT, TITLE, node);
        if let Some(subtitle) = &document.subtitle {
            let node = self.node(Role::Paragraph, None);
            self.text(&cleaner.clean(subtitle, &Place::Whole), LEFT, RIGHT, SUBTITLE, node);
        }
        self.y += 10.0;
    }

    fn block(&mut self, block: &Block, cleaner: &mut Cleaner<'_>) {
        let place = &block.place;
        if !matches!(block.content, Content::Field { .. }) && self.list.take().is_some() {
            self.y += 4.0;
        }
        match &block.content {
            Content::Section(text) => self.heading(&cleaner.heading(text, place), false),
            Content::Part(text) => self.heading(&cleaner.heading(text, place), true),
            Content::Paragraph(text) => {
                let node = self.node(Role::Paragraph, None);
                self.text(&cleaner.clean(text, place), LEFT, RIGHT, BODY, node);
                self.y += 5.0;
            }
            Content::Notice(text) => self.notice(&cleaner.clean(text, place)),
            Content::Field { label, value } => self.field(&cleaner.line(label, place), &cleaner.clean(value, place)),
            Content::Quote { words, origin } => {
                let origin = origin.as_ref().map(|origin| cleaner.line(origin, place));
                self.quote(&cleaner.clean(words, place), origin.as_deref());
            }
            Content::Table { columns, rows } => table::set(self, columns, rows, place, cleaner),
            Content::Blank { label, lines } => self.blank(&cleaner.line(label, place), *lines),
            Content::Choice { label, options } => {
                let options: Vec<String> = options.iter().map(|option| cleaner.line(option, place)).collect();
                self.choice(&cleaner.line(label, place), &options);
            }
        }
    }

    fn heading(&mut self, text: &str, part: bool) {
        let set = if part { PART } else { SECTION };
        self.y += if part { 5.0 } else { 12.0 };
        // The heading, and two lines of what it heads.
        self.room(set.leading * 2.0 + BODY.leading * 2.0);
        let page = self.laid.pages.len() - 1;
        self.laid.marks.push(Mark { part, text: brief(text), page, y: self.y });
        let node = self.node(Role::Heading(if part { 3 } else { 2 }, brief(text)), None);
        self.text(text, LEFT, RIGHT, set, node);
        if part {
            self.y += 2.0;
        } else {
            self.item(Item::Bar { x: LEFT, y: self.y + 1.0, width: RIGHT - LEFT, height: 0.6, dark: false });
            self.y += 7.0;
        }
    }

    fn notice(&mut self, text: &str) {
        let node = self.node(Role::Paragraph, None);
        self.barred(text, STRONG, node, true);
        self.y += 10.0;
    }

    fn quote(&mut self, words: &str, origin: Option<&str>) {
        let quote = self.node(Role::Quote, None);
        let node = self.node(Role::Paragraph, Some(quote));
        self.barred(words, WORDS, node, false);
        if let Some(origin) = origin {
            let node = self.node(Role::Paragraph, Some(quote));
            self.barred(origin, SMALL, node, false);
        }
        self.y += 7.0;
    }

    /// Lines beside a bar, which goes on wherever they do.
    fn barred(&mut self, text: &str, set: Type, node: usize, dark: bool) {
        let inset = LEFT + 12.0;
        for line in lines(self.faces.of(set.style), text, set.size, RIGHT - inset) {
            self.room(set.leading);
            let width = if dark { 4.0 } else { 2.0 };
            self.item(Item::Bar { x: LEFT, y: self.y, width, height: set.leading, dark });
            self.line(line, inset, set, node);
        }
    }

    fn field(&mut self, label: &str, value: &str) {
        let list = match self.list {
            Some(list) => list,
            None => self.node(Role::List, None),
        };
        self.list = Some(list);
        let item = self.node(Role::Item, Some(list));
        let label_node = self.node(Role::Label, Some(item));
        let names = lines(self.faces.of(NAME.style), label, NAME.size, LABEL - 8.0);
        self.room(NAME.leading * names.len().min(4) as f32);
        let (page, top) = (self.laid.pages.len(), self.y);
        for name in names {
            self.line(name, LEFT, NAME, label_node);
        }
        let below = std::mem::replace(&mut self.y, top);
        let body = self.node(Role::Body, Some(item));
        self.text(value, LEFT + LABEL, RIGHT, BODY, body);
        if self.laid.pages.len() == page {
            self.y = self.y.max(below);
        }
        self.y += 1.5;
    }

    fn blank(&mut self, label: &str, count: usize) {
        let node = self.node(Role::Paragraph, None);
        self.room(NAME.leading + 20.0 * count.min(12) as f32);
        let top = self.y;
        let names = lines(self.faces.of(NAME.style), label, NAME.size, LABEL - 8.0);
        for name in names {
            self.line(name, LEFT, NAME, node);
        }
        let below = std::mem::replace(&mut self.y, top - 4.0);
        for _ in 0..count.min(12) {
            self.y += 20.0;
            self.item(Item::Bar { x: LEFT + LABEL, y: self.y, width: RIGHT - LEFT - LABEL, height: 0.5, dark: false });
        }
        self.y = self.y.max(below) + 5.0;
    }

    fn choice(&mut self, label: &str, options: &[String]) {
        let list = self.node(Role::List, None);
        let item = self.node(Role::Item, Some(list));
        let label_node = self.node(Role::Label, Some(item));
        self.room(NAME.leading * (options.len().clamp(1, 20) as f32));
        let top = self.y;
        for name in lines(self.faces.of(NAME.style), label, NAME.size, LABEL - 8.0) {
            self.line(name, LEFT, NAME, label_node);
        }
        let below = std::mem::replace(&mut self.y, top);
        let body = self.node(Role::Body, Some(item));
        for option in options {
            self.room(BODY.leading);
            self.item(Item::Square { x: LEFT + LABEL, y: self.y + 3.5, side: 8.0 });
            let node = self.node(Role::Paragraph, Some(body));
            self.text(option, LEFT + LABEL + 14.0, RIGHT, BODY, node);
        }
        self.y = self.y.max(below) + 3.0;
    }

    /// Running text between two edges. No single line of it is left at the end or the beginning of a page.
    fn text(&mut self, text: &str, left: f32, right: f32, set: Type, node: usize) {
        let set_lines = lines(self.faces.of(set.style), text, set.size, right - left);
        let count = set_lines.len();
        self.room(set.leading * count.min(2) as f32);
        for (at, line) in set_lines.into_iter().enumerate() {
            // The last line but one takes the last with it.
            let together = if count > 2 && at + 2 == count { 2.0 } else { 1.0 };
            self.room(set.leading * together);
            self.line(line, left, set, node);
        }
    }

    pub fn line(&mut self, line: Line, x: f32, set: Type, node: usize) {
        // By the leading alone, so that a label and its value stand on one line.
        let baseline = self.y + set.leading * 0.745;
        if !line.glyphs.is_empty() {
            self.item(Item::Text { x, baseline, set, line, node });
        }
        self.y += set.leading;
    }

    pub fn item(&mut self, item: Item) {
        if let Some(page) = self.laid.pages.last_mut() {
            page.push(item);
        }
    }

    /// Begins a page unless `height` still fits on this one, or this one is empty.
    pub fn room(&mut self, height: f32) {
        if self.y + height > BOTTOM && self.y > TOP {
            self.laid.pages.push(Vec::new());
            self.y = TOP;
        }
    }

    /// How much of the page is left.
    pub fn left(&self) -> f32 {
        BOTTOM - self.y
    }

    pub fn node(&mut self, role: Role, parent: Option<usize>) -> usize {
        let id = self.laid.nodes.len();
        self.laid.nodes.push(Node { role, children: Vec::new(), root: parent.is_none() });
        if let Some(parent) = parent.and_then(|parent| self.laid.nodes.get_mut(parent)) {
            parent.children.push(id);
        }
        id
    }
}

/// A text as a bookmark or a property shows it: PDF/A bounds its strings.
pub fn brief(text: &str) -> String {
    text.chars().take(300).collect()
}
