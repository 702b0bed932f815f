use super::{best_similarity, reaches, table::Templates};

#[test]
fn tables_are_complete_and_consistent() {
    let templates: Vec<_> = Templates::new().collect();
    assert_eq!(templates.len(), 29);
    for template in &templates {
        let bigrams: usize = template.counts().map(|(_, count)| count).sum();
        assert_eq!(bigrams + 1, template.dense_len);
        assert!(template.counts().is_sorted_by(|a, b| a.0 < b.0));
    }
    assert_eq!(templates.iter().filter(|t| t.anchor.is_some()).count(), 5);
}

#[test]
fn known_scores() {
    let line = "You are Claude Code, Anthropic's official CLI for Claude.";
    assert_eq!(best_similarity(line), 1.0);
    assert_eq!(best_similarity(&line.replace(' ', "\u{a0}\n")), 1.0);
    assert_eq!(best_similarity("x-anthropic-billing-header: cc_version=2.1.30; x=1"), 1.0);
    assert_eq!(best_similarity("before x-anthropic-billing-header:"), 1.0);
    assert_eq!(best_similarity(""), 0.0);
    assert_eq!(best_similarity("\u{feff}\u{2028} "), 0.0);
    assert_eq!(best_similarity("a"), 0.0);
    let assistant = best_similarity("You are a helpful assistant.");
    assert!((assistant - 0.512).abs() < 0.0005, "{assistant}");
}

/// Scores the legacy service computed for texts of this project's own.
#[test]
fn scores_of_other_texts() {
    let cases: Vec<(String, serde_json::Number)> =
        serde_json::from_str(include_str!("../../fixtures/prompt-similarity.json")).unwrap();
    assert!(cases.len() > 30);
    for (text, expected) in cases {
        let expected = expected.as_f64().unwrap();
        assert_eq!(best_similarity(&text), expected, "{text:?}");
        assert!(reaches(&text, expected), "{text:?}");
        assert!(!reaches(&text, expected + 1e-9), "{text:?}");
    }
}
