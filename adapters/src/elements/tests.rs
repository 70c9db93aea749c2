use super::*;
use proptest::prelude::*;

fn refused(text: &str) -> &'static str {
    read(text.as_bytes(), "a").err().unwrap().0[0].code
}

#[test]
fn a_tree_has_names_lines_and_texts() {
    let text = "<?xml version=\"1.0\"?>\n<a>\n  <x:b id=\"1 &amp; 2\">é&lt;&#233;<![CDATA[<]]></x:b>\n  <c/>\n</a>\n";
    let (root, reported) = read(text.as_bytes(), "a").unwrap();
    assert!(reported.is_empty());
    assert_eq!(root.children.iter().map(|child| (child.name.as_str(), child.line)).collect::<Vec<_>>(), [("b", 3), ("c", 4)]);
    assert_eq!(root.text_of("b"), "é<é<");
    assert_eq!(root.child("b").unwrap().attribute("id"), Some("1 & 2"));
    assert_eq!(root.text, "");
}

#[test]
fn texts_and_elements_keep_their_order_and_namespace() {
    let limits = Limits { bytes: 1000, depth: 3, elements: 5, text: 40 };
    let text = "<a xmlns='u' xmlns:v='w'>un <b c='&lt;&#233;'>deux</b>\n trois &amp; quatre<![CDATA[ <cinq>]]><v:d/> <v:d/></a>";
    let (root, _) = tree(text.as_bytes(), limits).unwrap();
    assert_eq!(root.said().as_deref(), Some("un \n trois & quatre <cinq>"));
    assert_eq!(root.child("b").unwrap().attribute("c"), Some("<é"));
    let spelt = root.nodes().into_iter().map(|node| match node {
        Node::Text(text) => text.to_owned(),
        Node::Element(element) => format!("<{}>", element.name),
    });
    assert_eq!(spelt.collect::<Vec<_>>(), ["un ", "<b>", "\n trois & quatre <cinq>", "<d>", " ", "<d>"]);
    let namespaces = [&root, &root.children[0], &root.children[1]].map(|element| element.namespace.as_deref());
    assert_eq!(namespaces, [Some("u"), Some("u"), Some("w")]);
    let code = |text: &str| tree(text.as_bytes(), limits).err().unwrap().0[0].code;
    assert_eq!(code("<a><a><a><a>"), "too-deep");
    assert_eq!(code("<a><b/><b/><b/><b/><b/></a>"), "too-large");
    assert_eq!(code(&format!("<a>{}</a>", "x".repeat(41))), "too-large");
    assert_eq!(code(&" ".repeat(1001)), "too-large");
    assert_eq!(tree(b"<a/>", limits).unwrap().0.namespace, None);
}

#[test]
fn passes_over_the_name_of_a_dtd() {
    let (root, _) = read(b"<?xml version=\"1.0\"?>\n<!DOCTYPE a SYSTEM \"a.dtd\">\n<a><b>1</b></a>", "a").unwrap();
    assert_eq!(root.text_of("b"), "1");
}

#[test]
fn refuses_what_could_grow_reach_out_or_end_early() {
    assert_eq!(refused("<!DOCTYPE a SYSTEM \"x.dtd\" [<!ENTITY x \"y\">]><a/>"), "doctype");
    assert_eq!(refused("<a/><!DOCTYPE a SYSTEM \"x.dtd\">"), "doctype");
    assert_eq!(refused("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a>&x;</a>"), "entity");
    assert_eq!(refused("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"), "doctype");
    assert_eq!(refused("<a>&x;</a>"), "entity");
    assert_eq!(refused("<a b=\"&x;\"/>"), "entity");
    assert_eq!(refused("<b/>"), "wrong-root");
    assert_eq!(refused("<a><b></a>"), "not-xml");
    assert_eq!(refused("<a><b>"), "truncated");
    assert_eq!(refused(""), "not-xml");
    assert_eq!(refused("<a/><a/>"), "not-xml");
    assert_eq!(refused("<a/><b/>"), "not-xml");
    assert_eq!(refused("x<a/>"), "not-xml");
    assert_eq!(refused("<a/>&#120;"), "not-xml");
    assert_eq!(refused(&format!("<a>{}", "<b>".repeat(100))), "too-deep");
    assert_eq!(refused(&format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS))), "too-large");
    assert_eq!(refused(&format!("<a>{}</a>", "x".repeat(MAX_TEXT + 1))), "too-large");
    assert_eq!(refused(&format!("<a>{}</a>", " ".repeat(MAX_TREE_BYTES))), "too-large");
    assert_eq!(refused("<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>"), "encoding");
    assert_eq!(read(b"<a>\n\xe9</a>", "a").err().unwrap().0[0].place, Place::Line(2));
}

#[test]
fn reads_what_an_old_file_declares() {
    let (root, reported) = read(b"<?xml version='1.0' encoding='ISO-8859-15'?><a>\xe9\xa4</a>", "a").unwrap();
    assert_eq!(root.text, "é€");
    assert_eq!(reported[0].code, "old-encoding");
}

#[test]
fn looks_at_one_element_after_the_other() {
    let text = "<a><z><b><b>1</b></b></z><b>2</b><b>3</b></a>";
    let mut seen = Vec::new();
    each(text.as_bytes(), "a", &["b"], |element| {
        seen.push(element);
        if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[0].text_of("b"), seen[1].text.as_str()), ("1", "2"));
    // Even once it has broken off, half a file is not a file.
    let half = each(b"<a><b>1</b><c>", "a", &["b"], |_| ControlFlow::Break(()));
    assert_eq!(half.unwrap_err().0[0].code, "truncated");
}

fn trees() -> impl Strategy<Value = Element> {
    let leaf = ("[a-c]", "[a-z&<>\"'é\\r\\n\\t ]{0,12}").prop_map(|(name, text)| Element::leaf(&name, text));
    leaf.prop_recursive(3, 20, 4, |inner| {
        let attributes = proptest::collection::btree_map("[a-c]", "[a-z&<>\"'é\\r\\n\\t ]{0,8}", 0..3);
        ("[a-c]", attributes, proptest::collection::vec(inner, 1..4)).prop_map(|(name, attributes, children)| Element {
            name,
            attributes: attributes.into_iter().collect(),
            children,
            ..Element::default()
        })
    })
}

fn without_lines(mut element: Element) -> Element {
    element.line = 0;
    element.children = element.children.into_iter().map(without_lines).collect();
    element
}

proptest! {
    #[test]
    fn what_is_written_reads_back(tree in trees()) {
        let (back, _) = read(&write(&tree).unwrap(), &tree.name).unwrap();
        prop_assert!(without_lines(back) == tree);
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "(<a>|</a>|<b x=\"|\"/>|&|;|#|x|1|<!--|-->|<!|\\]\\]>|<\\?){0,40}") {
        let _ = read(&bytes, "a");
        let _ = read(text.as_bytes(), "a");
    }
}

#[test]
fn a_control_character_cannot_be_written() {
    assert_eq!(write(&Element::leaf("a", "\u{1}")).unwrap_err().0[0].code, "control-character");
}

#[test]
fn an_element_of_very_many_attributes_costs_little() {
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=''")).collect();
    assert_eq!(refused(&format!("<a{attributes}/>")), "too-large");
}
