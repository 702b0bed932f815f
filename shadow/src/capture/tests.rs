use super::*;
use crate::{example, rules::Rules, verdict::judge};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn capture() -> Capture {
    let control = example::streamed();
    let mut candidate = control.clone();
    candidate.upstream.as_mut().unwrap()[0].body =
        r#"{"model":"model-2","messages":[{"role":"user","content":"hi there"}]}"#.into();
    let verdict = judge(&control, &candidate, &Rules::built_in().unwrap());
    Capture {
        id: "r-1".into(),
        captured_ms: 7,
        version: "0.1.0".into(),
        request: ClientRequest {
            method: "POST".into(),
            path: "/api/v1/messages?key=topsecret".into(),
            headers: vec![("x-api-key".into(), "cr_0123456789abcdef0123456789abcdef".into())],
            body: r#"{"messages":[{"role":"user","content":"hi there"}]}"#.into(),
        },
        control,
        candidate,
        verdict,
        ..Capture::default()
    }
}

#[test]
fn a_capture_comes_back_as_it_was() {
    let sealer = Sealer::new(KEY).unwrap();
    let mut capture = capture();
    capture.redact(false);
    let sealed = sealer.seal(&capture).unwrap();
    assert_eq!(Sealer::id(&sealed).unwrap(), "r-1");
    assert_eq!(sealer.open(&sealed).unwrap(), capture);
    assert_ne!(sealer.seal(&capture).unwrap(), sealed, "a nonce of its own each time");
}

#[test]
fn no_secret_and_no_prompt_is_left() {
    let mut capture = capture();
    capture.redact(true);
    let text = serde_json::to_string(&capture).unwrap();
    for secret in ["topsecret", "cr_0123", "oat01", "hi there", "Hel"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let texts = [&capture.control, &capture.candidate].map(|side| {
        side.upstream.as_ref().unwrap()[0].body.json().unwrap()["messages"][0]["content"].clone()
    });
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn any_altered_byte_is_noticed() {
    let sealer = Sealer::new(KEY).unwrap();
    let small = Capture { id: "id".into(), ..Capture::default() };
    let sealed = sealer.seal(&small).unwrap();
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        assert!(sealer.open(&altered).is_err(), "byte {at}");
        assert!(sealer.open(&sealed[..at]).is_err(), "cut at {at}");
    }
    let mut longer = sealed.clone();
    longer.push(0);
    assert_eq!(sealer.open(&longer), Err(OpenError::Altered));
    assert_eq!(sealer.open(b"{}"), Err(OpenError::NotACapture));
}

#[test]
fn another_key_is_named_as_such() {
    let sealed = Sealer::new(KEY).unwrap().seal(&capture()).unwrap();
    let error = Sealer::new("another").unwrap().open(&sealed).unwrap_err();
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
    assert!(error.to_string().contains("another ENCRYPTION_KEY"));
}

#[test]
fn what_is_too_large_is_refused() {
    let mut large = Capture::default();
    large.request.body = vec![b'x'; 4 * 1024 * 1024].into();
    large.control.response =
        Some(crate::Response { body: vec![b'y'; 4 * 1024 * 1024].into(), ..Default::default() });
    let error = Sealer::new(KEY).unwrap().seal(&large).unwrap_err();
    assert!(matches!(error, OpenError::TooLarge(_)), "{error}");
}

#[test]
fn a_sealer_does_not_show_its_key() {
    let shown = format!("{:?}", Sealer::new(KEY).unwrap());
    assert!(shown.contains("key_id") && !shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn files_are_read_line_by_line() {
    let sealer = Sealer::new(KEY).unwrap();
    let sealed = sealer.seal(&capture()).unwrap();
    let mut bad = sealed.clone();
    bad[60] ^= 1;
    let mut out = Vec::new();
    let n = write(&mut out, &sealer, 9, [sealed.clone(), bad, sealed]).unwrap();
    assert_eq!(n, 3);
    out.extend_from_slice(b"***\n");
    let (header, captures) = read(out.as_slice(), &sealer).unwrap();
    assert_eq!((header.written_ms, header.key_id), (9, sealer.key_id()));
    let told: Vec<_> =
        captures.map(|capture| capture.map(|c| c.id).map_err(|error| error.to_string())).collect();
    assert_eq!(told[0].as_deref(), Ok("r-1"));
    assert_eq!(told[1], Err("line 3: the sealed capture was altered or cut".into()));
    assert_eq!(told[2].as_deref(), Ok("r-1"));
    assert!(told[3].as_ref().unwrap_err().starts_with("line 5: no base64"), "{told:?}");
    assert!(read(b"hello\n".as_slice(), &sealer).is_err());
}
