//! A sheet in PDF: a title, what stands beside what, a note and a QR code; in a font that every reader has, and nothing that runs.

use std::fmt::Write;

/// One A4 sheet: `modules` are the dark ones of a QR code of that side.
pub(super) fn sheet(title: &str, lines: &[(&str, &str)], note: &str, code: &str, (modules, side): (&[(usize, usize)], usize)) -> Vec<u8> {
    let mut drawn = String::new();
    let mut at = TOP;
    write_line(&mut drawn, "F2", 18, (LEFT, at), title);
    at -= 34;
    for (label, text) in lines {
        write_line(&mut drawn, "F2", 10, (LEFT, at), label);
        for part in wrapped(text, 64) {
            write_line(&mut drawn, "F1", 10, (LEFT + 140, at), &part);
            at -= 14;
        }
        at -= 6;
    }
    at -= 8;
    for part in wrapped(note, 92) {
        write_line(&mut drawn, "F1", 9, (LEFT, at), &part);
        at -= 13;
    }
    // The code, drawn square by square, and under it what it says.
    let top = at - 10;
    let _ = writeln!(drawn, "q 1 0 0 1 {LEFT} {top} cm");
    for (x, y) in modules {
        let _ = writeln!(drawn, "{} -{} {MODULE} {MODULE} re", x * MODULE, (y + 1) * MODULE);
    }
    drawn.push_str("f Q\n");
    let mut under = top.saturating_sub(side * MODULE + 14);
    for part in wrapped(code, 92) {
        write_line(&mut drawn, "F1", 8, (LEFT, under), &part);
        under = under.saturating_sub(11);
    }
    assembled(title, &latin(&drawn))
}

fn write_line(into: &mut String, font: &str, size: usize, (x, y): (usize, usize), text: &str) {
    let _ = writeln!(into, "BT /{font} {size} Tf {x} {y} Td ({}) Tj ET", escaped(text));
}

fn escaped(text: &str) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.fold(String::new(), |mut all, letter| {
        if matches!(letter, '(' | ')' | '\\') {
            all.push('\\');
        }
        all.push(letter);
        all
    })
}

/// A text in lines of so many letters; a word that is longer is cut.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for part in letters.chunks(width) {
            let fits = lines.last().is_some_and(|line| line.is_empty() || line.chars().count() + 1 + part.len() <= width);
            if !fits {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.extend(part);
            }
        }
    }
    lines
}

/// Windows-1252, as the fonts of PDF know it; what it does not know is a question mark.
fn latin(text: &str) -> Vec<u8> {
    let byte = |letter: char| match letter {
        '’' => 0x92,
        '‘' => 0x91,
        'œ' => 0x9C,
        'Œ' => 0x8C,
        '–' => 0x96,
        '—' => 0x97,
        '…' => 0x85,
        '€' => 0x80,
        '\u{202f}' => 0xA0,
        other => u8::try_from(u32::from(other)).unwrap_or(b'?'),
    };
    text.chars().map(byte).collect()
}

fn assembled(title: &str, content: &[u8]) -> Vec<u8> {
    let font = |name: &str| format!("<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>").into_bytes();
    let stream = [format!("<< /Length {} >>\nstream\n", content.len()).as_bytes(), content, b"\nendstream"].concat();
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (fr-FR) /ViewerPreferences << /DisplayDocTitle true >> >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>"
            .to_vec(),
        stream,
        font("Helvetica"),
        font("Helvetica-Bold"),
        latin(&format!("<< /Title ({}) /Producer (Passerelle) >>", escaped(title))),
    ];
    let mut all = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut places = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        places.push(all.len());
        all.extend(format!("{} 0 obj\n", n + 1).bytes());
        all.extend_from_slice(object);
        all.extend(b"\nendobj\n");
    }
    let table = all.len();
    all.extend(format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1).bytes());
    for place in &places {
        all.extend(format!("{place:010} 00000 n \n").bytes());
    }
    let size = places.len() + 1;
    all.extend(format!("trailer\n<< /Size {size} /Root 1 0 R /Info {} 0 R >>\nstartxref\n{table}\n%%EOF\n", places.len()).bytes());
    all
}

/// Where a sheet begins, in points from its lower left corner.
const LEFT: usize = 60;
const TOP: usize = 770;
/// Points of one module.
const MODULE: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_where_the_table_says_and_no_text_leaves_its_place() {
        let evil = "a) Tj ET (\\ « élève » l’œil\n/JavaScript 漢";
        let bytes = sheet("Accusé", &[("Qui", evil)], "note", "code", (&[(4, 4)], 9));
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let table = text.rsplit_once("startxref\n").unwrap().1.lines().next().unwrap().parse::<usize>().unwrap();
        assert!(text[text.char_indices().nth(table).unwrap().0..].starts_with("xref\n0 8\n"));
        let places = text.rsplit_once("65535 f \n").unwrap().1.lines().take_while(|line| line.ends_with(" n "));
        for (n, line) in places.enumerate() {
            let place: usize = line[..10].parse().unwrap();
            assert!(bytes[place..].starts_with(format!("{} 0 obj", n + 1).as_bytes()), "{n}");
        }
        assert!(text.contains("(a\\) Tj ET \\(\\\\ «") && text.contains("?)"), "{text}");
        let length: usize = text.split_once("/Length ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        let stream = text.split_once("stream\n").unwrap().1.split_once("\nendstream").unwrap().0;
        assert_eq!(stream.chars().count(), length);
    }

    #[test]
    fn long_words_are_cut_and_lines_are_short() {
        let lines = wrapped(&format!("un deux {}", "x".repeat(200)), 64);
        assert!(lines.iter().all(|line| line.chars().count() <= 64) && lines.len() == 5, "{lines:?}");
    }
}
