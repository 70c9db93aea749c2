//! Tables: cells side by side, a head on every page, a row kept whole where a page can hold it.

use super::Column;
use super::clean::Cleaner;
use super::face::Style;
use super::flow::{BOTTOM, Flow, Item, LEFT, RIGHT, Role, TOP, Type};
use super::lines::{Line, lines};
use crate::reading::Place;

const CELL: Type = Type { style: Style::Regular, size: 9.0, leading: 12.5 };
const HEAD: Type = Type { style: Style::Bold, size: 8.5, leading: 12.5 };
const GAP: f32 = 8.0;
const PAD: f32 = 3.0;

pub fn set(flow: &mut Flow<'_>, columns: &[Column], rows: &[Vec<String>], place: &Place, cleaner: &mut Cleaner<'_>) {
    let edges = edges(columns);
    let table = flow.node(Role::Table, None);
    let heads: Vec<String> = columns.iter().map(|column| cleaner.line(&column.title, place)).collect();
    let head = cells(flow, &heads, &edges, HEAD);
    // The head and one row of two lines.
    flow.room(height(&head, HEAD) + CELL.leading * 2.0 + PAD * 4.0);
    let group = flow.node(Role::Head, Some(table));
    let row = flow.node(Role::Row, Some(group));
    let nodes: Vec<usize> = columns.iter().map(|_| flow.node(Role::HeadCell, Some(row))).collect();
    draw(flow, &head, &edges, &nodes, HEAD);
    rule(flow, true);
    let group = flow.node(Role::Rows, Some(table));
    for row in rows {
        let clean: Vec<String> =
            columns.iter().enumerate().map(|(at, _)| cleaner.clean(row.get(at).map_or("", String::as_str), place)).collect();
        let row = flow.node(Role::Row, Some(group));
        let nodes: Vec<usize> = columns.iter().map(|_| flow.node(Role::Cell, Some(row))).collect();
        let mut rest = cells(flow, &clean, &edges, CELL);
        let whole = height(&rest, CELL) + PAD * 2.0;
        if whole > flow.left() && whole + height(&head, HEAD) <= BOTTOM - TOP {
            next_page(flow, &head, &edges);
        }
        // A row higher than a page goes on over as many as it needs.
        while rest.iter().any(|cell| !cell.is_empty()) {
            if flow.left() < CELL.leading + PAD * 2.0 {
                next_page(flow, &head, &edges);
            }
            let fit = (((flow.left() - PAD * 2.0) / CELL.leading) as usize).max(1);
            let now: Vec<Vec<Line>> = rest.iter_mut().map(|cell| cell.drain(..fit.min(cell.len())).collect()).collect();
            draw(flow, &now, &edges, &nodes, CELL);
        }
        rule(flow, false);
    }
    flow.y += 7.0;
}

/// Left and right edge of each column.
fn edges(columns: &[Column]) -> Vec<(f32, f32)> {
    let all: f32 = columns.iter().map(|column| f32::from(column.share)).sum::<f32>().max(1.0);
    let mut left = LEFT;
    let mut edges = Vec::new();
    for column in columns {
        let width = (RIGHT - LEFT) * f32::from(column.share) / all;
        edges.push((left, left + width - GAP));
        left += width;
    }
    edges
}

fn cells(flow: &Flow<'_>, texts: &[String], edges: &[(f32, f32)], set: Type) -> Vec<Vec<Line>> {
    texts.iter().zip(edges).map(|(text, (left, right))| lines(flow.faces.of(set.style), text, set.size, right - left)).collect()
}

fn height(cells: &[Vec<Line>], set: Type) -> f32 {
    cells.iter().map(Vec::len).max().unwrap_or(0) as f32 * set.leading
}

fn draw(flow: &mut Flow<'_>, cells: &[Vec<Line>], edges: &[(f32, f32)], nodes: &[usize], set: Type) {
    let top = flow.y + PAD;
    for ((cell, (left, _)), node) in cells.iter().zip(edges).zip(nodes) {
        flow.y = top;
        for line in cell {
            flow.line(line.clone(), *left, set, *node);
        }
    }
    flow.y = top + height(cells, set) + PAD;
}

/// The head again: seen, and not read a second time by who hears the document.
fn next_page(flow: &mut Flow<'_>, head: &[Vec<Line>], edges: &[(f32, f32)]) {
    flow.room(f32::MAX);
    let unheard: Vec<usize> = head.iter().map(|_| usize::MAX).collect();
    draw(flow, head, edges, &unheard, HEAD);
    rule(flow, true);
}

fn rule(flow: &mut Flow<'_>, dark: bool) {
    flow.item(Item::Bar { x: LEFT, y: flow.y, width: RIGHT - LEFT, height: if dark { 0.8 } else { 0.4 }, dark });
    flow.y += 1.0;
}
