//! Cross-origin headers: the built-in rules, or the permissive ones of `ENABLE_CORS`.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_LENGTH, ORIGIN, VARY,
    },
};

/// Which rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Local development and browser extensions only.
    BuiltIn,
    /// Every origin (`ENABLE_CORS=true`).
    Permissive,
}

/// Origins that the built-in rules name back.
const LOCAL_ORIGINS: [&[u8]; 4] = [
    b"http://localhost:3000",
    b"https://localhost:3000",
    b"http://127.0.0.1:3000",
    b"https://127.0.0.1:3000",
];

const BUILT_IN: [(HeaderName, &str); 5] = [
    (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE, OPTIONS"),
    (
        ACCESS_CONTROL_ALLOW_HEADERS,
        "Origin, X-Requested-With, Content-Type, Accept, Authorization, x-api-key, x-goog-api-key, \
         api-key, x-admin-token, anthropic-version, anthropic-dangerous-direct-browser-access",
    ),
    (ACCESS_CONTROL_EXPOSE_HEADERS, "X-Request-ID, Content-Type"),
    (ACCESS_CONTROL_MAX_AGE, "86400"),
    (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
];

/// Sets the cross-origin headers of an answer. `true`: the request was an `OPTIONS` and is answered
/// with them, status 204 and no body.
pub fn apply(cors: Cors, method: &Method, request: &HeaderMap, answer: &mut HeaderMap) -> bool {
    let preflight = method == Method::OPTIONS;
    match cors {
        Cors::BuiltIn => {
            let origin = request.get(ORIGIN).filter(|origin| !origin.is_empty());
            match origin {
                None => {
                    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                }
                Some(origin) if may_name(origin) => {
                    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                }
                Some(_) => {}
            }
            for (name, value) in BUILT_IN {
                answer.insert(name, HeaderValue::from_static(value));
            }
        }
        Cors::Permissive => {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            if preflight {
                answer.insert(
                    ACCESS_CONTROL_ALLOW_METHODS,
                    HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE"),
                );
                answer.insert(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
                if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                    answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
                }
                answer.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
        }
    }
    preflight
}

fn may_name(origin: &HeaderValue) -> bool {
    let origin = origin.as_bytes();
    LOCAL_ORIGINS.contains(&origin) || origin.starts_with(b"chrome-extension://")
}
