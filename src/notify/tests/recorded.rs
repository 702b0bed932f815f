//! What the real Node service posted, byte by byte (`compat/vectors/notify/posts.json`).

use serde_json::Value;

use super::{
    super::{
        Locale, Moment, Notice, Platform,
        message::{Parcel, compose},
        value,
    },
    bench::recordings,
};

#[test]
fn every_platform_gets_what_node_posts() {
    let recorded = recordings();
    let mut cases = 0;
    for run in recorded["runs"].as_array().unwrap() {
        let setting = |name: &str| run[name].as_str().map(str::to_owned);
        let offset = setting("offset").and_then(|text| text.parse().ok()).filter(|n| *n != 0);
        let zone = setting("zone").unwrap_or_else(|| "Asia/Shanghai".to_owned());
        let locale = Locale::new(offset.unwrap_or(8), &zone);
        let moment = Moment { at_ms: run["at"].as_i64().unwrap(), locale: &locale };
        for case in run["cases"].as_array().unwrap() {
            let object = |name: &str| case[name].as_object().unwrap().clone();
            let platform = Platform::new(object("platform"));
            let notice = Notice::new(case["type"].as_str().unwrap(), object("data"));
            let Parcel::Post(post) = compose(&platform, &notice, moment).unwrap() else {
                panic!("no post")
            };
            let name = case["name"].as_str().unwrap();
            let body = String::from_utf8(value::json(&post.body)).unwrap();
            assert_eq!(body, case["post"]["body"], "{name}");
            let path = post.url.strip_prefix("http://receiver");
            assert_eq!(path, case["post"]["path"].as_str(), "{name}");
            cases += 1;
        }
    }
    assert!(cases > 150, "{cases}");
}

#[test]
fn default_addresses_are_the_vendors() {
    let locale = Locale::new(8, "Asia/Shanghai");
    let moment = Moment { at_ms: 0, locale: &locale };
    let notice = Notice::new("test", serde_json::Map::new());
    let url = |platform: Value| {
        let platform = Platform::new(platform.as_object().unwrap().clone());
        let Parcel::Post(post) = compose(&platform, &notice, moment).unwrap() else {
            panic!("no post")
        };
        post.url
    };
    let bark = serde_json::json!({ "type": "bark", "deviceKey": "k" });
    assert_eq!(url(bark), "https://api.day.app/push");
    for base in [Value::Null, "".into(), "nonsense".into(), "ftp://h".into()] {
        let telegram = serde_json::json!(
            { "type": "telegram", "botToken": "1:a", "chatId": "2", "apiBaseUrl": base }
        );
        assert_eq!(url(telegram), "https://api.telegram.org/bot1:a/sendMessage", "{base}");
    }
}

#[test]
fn a_platform_that_cannot_work_says_why() {
    let locale = Locale::new(8, "Asia/Shanghai");
    let moment = Moment { at_ms: 0, locale: &locale };
    for (platform, data, why) in [
        (r#"{"type":"pager"}"#, "{}", "不支持的平台类型: pager"),
        (r#"{"type":"telegram","chatId":"1"}"#, "{}", "缺少 Telegram 机器人 Token"),
        (r#"{"type":"telegram","botToken":"1:a"}"#, "{}", "缺少 Telegram Chat ID"),
        (r#"{"type":"slack","url":"x"}"#, r#"{"platforms":"x"}"#, "`platforms` is no list"),
    ] {
        let platform = Platform::new(serde_json::from_str(platform).unwrap());
        let notice = Notice::new("test", serde_json::from_str(data).unwrap());
        assert_eq!(compose(&platform, &notice, moment).unwrap_err().to_string(), why);
    }
}
