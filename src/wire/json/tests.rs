use bytes::Bytes;
use proptest::prelude::*;

use super::{Doc, JsonErrorKind, Tree, format_js_number, restringify, trim_raw};

fn doc(text: &str) -> Doc {
    Doc::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

#[test]
fn accepts_what_json_parse_accepts() {
    for text in
        ["{}", " [ ] ", "\"\\ud800\"", "-0", "1e400", "[1,2.5E+3,\"\\u0000\"]", "null", "\u{feff}1"]
    {
        assert!(Doc::parse(Bytes::copy_from_slice(text.as_bytes())).is_ok(), "{text}");
    }
    for (text, kind) in [
        ("", JsonErrorKind::End),
        ("{", JsonErrorKind::End),
        ("[1,]", JsonErrorKind::Unexpected),
        ("{\"a\":1,}", JsonErrorKind::Unexpected),
        ("{'a':1}", JsonErrorKind::Unexpected),
        ("01", JsonErrorKind::Trailing),
        ("1.", JsonErrorKind::End),
        ("+1", JsonErrorKind::Unexpected),
        ("\"\n\"", JsonErrorKind::BadString),
        ("\"\\x\"", JsonErrorKind::BadString),
        ("nul", JsonErrorKind::End),
        ("{} {}", JsonErrorKind::Trailing),
        ("NaN", JsonErrorKind::Unexpected),
        ("\u{a0}1", JsonErrorKind::Unexpected),
    ] {
        let error = Doc::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
        assert_eq!(error.kind, kind, "{text}");
    }
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    let deep = |n: usize| Bytes::from("[".repeat(n) + &"]".repeat(n));
    assert!(Doc::parse(deep(60_000)).is_ok());
    assert_eq!(Doc::parse(deep(100_000)).unwrap_err().kind, JsonErrorKind::TooDeep);
    assert_eq!(restringify(deep(5_000)).unwrap(), deep(5_000));
}

#[test]
fn invalid_utf8_is_repaired() {
    let doc = Doc::parse(Bytes::from_static(b"{\"a\":\"x\xff\xe4\xbdy\"}")).unwrap();
    assert_eq!(doc.root().get_str("a").unwrap(), "x\u{fffd}\u{fffd}y");
}

#[test]
fn reads_through_the_index() {
    let doc =
        doc(r#"{"a":{"b":[1,{"c":"d\u0041\ud83d\ude00\ud83d"}]},"k\u0065y":0,"a2":"","key":7}"#);
    let root = doc.root();
    let inner = root.get("a").unwrap().get("b").unwrap().elements().nth(1).unwrap();
    assert_eq!(inner.get_str("c").unwrap(), "dA😀\u{fffd}");
    assert_eq!(root.get("key").unwrap().as_f64(), Some(7.0));
    assert!(root.get_truthy("a2").is_none());
    assert!(root.get("missing").is_none());
    assert_eq!(root.get("key").unwrap().elements().count(), 0);
    assert_eq!(root.members().count(), 4);
}

#[test]
fn trims_without_decoding() {
    assert_eq!(trim_raw(br#""  \n\u00a0a \ud800 b\t\u3000 ""#), br"a \ud800 b");
    assert_eq!(trim_raw(br#"" \r\n ""#), b"");
    assert_eq!(trim_raw("\"\u{feff}x\u{2028}\"".as_bytes()), b"x");
}

#[test]
fn numbers_as_javascript_writes_them() {
    for (n, text) in [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (1e21, "1e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (0.1 + 0.2, "0.30000000000000004"),
        (f64::INFINITY, "null"),
    ] {
        assert_eq!(format_js_number(n), text);
    }
}

/// Outputs of `JSON.stringify(JSON.parse(input))` in Node 20.
#[test]
fn restringifies_as_javascript() {
    for (input, expected) in [
        ("{ \"b\" : 1.0 , \"a\" : [ ] }", r#"{"b":1,"a":[]}"#),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (
            r#"{"x":0,"10":1,"2":2,"01":3,"4294967295":4}"#,
            r#"{"2":2,"10":1,"x":0,"01":3,"4294967295":4}"#,
        ),
        (
            r#"["\u0041\/\u00e9\ud83d\ude00\ud800x\u2028\u007f\u0007"]"#,
            "[\"A/é😀\\ud800x\u{2028}\u{7f}\\u0007\"]",
        ),
        ("[12345678901234567890,1e400,-0,1E3]", "[12345678901234567000,null,0,1000]"),
        // Halfway between two spellings of sixteen digits.
        ("[730978820017584.25]", "[730978820017584.2]"),
    ] {
        let out = restringify(Bytes::copy_from_slice(input.as_bytes())).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn tree_keeps_what_it_does_not_touch() {
    let doc = doc(r#"{ "a" : 1.0, "b": {"x" :1e2, "y":[ 1 ,2]}, "b": {"x":3,"z":null} }"#);
    let mut tree = Tree::Raw(doc.root());
    tree.member("b").unwrap().set("x", Tree::string("n\"ew"));
    tree.set("c", Tree::object([("d", Tree::Array(vec![]))]));
    tree.remove("missing");
    let mut out = Vec::new();
    tree.write(&mut out);
    let expected =
        r#"{"a":1.0,"b":{"x" :1e2, "y":[ 1 ,2]},"b":{"x":"n\"ew","z":null},"c":{"d":[]}}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

proptest! {
    #[test]
    fn never_panics_and_agrees_with_serde(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let theirs = serde_json::from_str::<serde_json::Value>(text).is_ok();
            let ours = Doc::parse(Bytes::from(bytes.clone())).is_ok();
            prop_assert!(!theirs || ours);
        }
        let _ = restringify(Bytes::from(bytes));
    }

    /// Few names are looked through, many looked up: both find the one that came before.
    #[test]
    fn names_that_come_twice(names in prop::collection::vec(0_u8..30, 0..60)) {
        let spelled = |n: u8| if n.is_multiple_of(3) { format!("\\u00{:x}", 97 + n % 26) } else { char::from(97 + n % 26).to_string() };
        let members: Vec<String> =
            names.iter().enumerate().map(|(at, n)| format!("\"{}\": {at}", spelled(*n))).collect();
        let text = format!("{{{}}}", members.join(","));
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
        let ours = restringify(Bytes::from(text)).unwrap();
        prop_assert_eq!(String::from_utf8(ours).unwrap(), theirs.to_string());
    }

    #[test]
    fn json_like_noise(text in r#"[\[\]{}:,"\\ua-f0-9.eE+\- tnrul]{0,60}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        let ours = Doc::parse(Bytes::from(text.clone()));
        prop_assert!(!theirs || ours.is_ok(), "{text}");
        if let Ok(doc) = ours {
            let mut out = Vec::new();
            Tree::Raw(doc.root()).write(&mut out);
            prop_assert_eq!(out, text.trim_matches([' ', '\t', '\n', '\r']).as_bytes());
            if theirs {
                let again = restringify(Bytes::from(text)).unwrap();
                prop_assert!(Doc::parse(Bytes::from(again)).is_ok());
            }
        }
    }
}
