//! `GET /`: to the console.

use axum::{
    Extension,
    body::Body,
    http::{
        HeaderValue, Response, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, VARY},
    },
};

use crate::api::middleware::Arrival;

/// Where the console's first page is.
const PAGE: &str = "/admin-next/api-stats";

/// Redirects; the body says where to in the form that the client prefers.
pub(super) async fn redirect(arrival: Extension<Arrival>) -> Response<Body> {
    let (kind, body) = match preferred(arrival.headers.get("accept")) {
        Some(Form::Text) => ("text/plain; charset=utf-8", format!("Found. Redirecting to {PAGE}")),
        Some(Form::Html) => {
            ("text/html; charset=utf-8", format!("<p>Found. Redirecting to {PAGE}</p>"))
        }
        None => ("", String::new()),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_static(PAGE));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    if !kind.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
    response
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Html,
}

/// The better accepted of plain text and HTML: by quality, then by how exactly it is named, then by
/// the client's order, then text.
fn preferred(accept: Option<&str>) -> Option<Form> {
    let accept = accept.filter(|text| !text.is_empty()).unwrap_or("*/*");
    let rank = |subtype: &str| {
        accept
            .split(',')
            .enumerate()
            .filter_map(|(order, part)| {
                let mut words = part.split(';').map(str::trim);
                let range = words.next().unwrap_or_default().to_ascii_lowercase();
                let exactness = match range.as_str() {
                    "*/*" => 0,
                    "text/*" => 1,
                    name if name.strip_prefix("text/") == Some(subtype) => 2,
                    _ => return None,
                };
                let quality = words
                    .find_map(|word| word.strip_prefix("q="))
                    .map_or(1.0, |q| q.parse::<f64>().unwrap_or(0.0));
                Some((exactness, quality, order))
            })
            .max_by(|a, b| a.0.cmp(&b.0).then(b.2.cmp(&a.2)))
            .filter(|(_, quality, _)| *quality > 0.0)
    };
    match (rank("plain"), rank("html")) {
        (None, None) => None,
        (Some(_), None) => Some(Form::Text),
        (None, Some(_)) => Some(Form::Html),
        (Some(text), Some(html)) => {
            let by_quality = html.1.total_cmp(&text.1);
            let html_first = by_quality.then(html.0.cmp(&text.0)).then(text.2.cmp(&html.2)).is_gt();
            Some(if html_first { Form::Html } else { Form::Text })
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, Some(Form::Text))]
    #[case(Some("*/*"), Some(Form::Text))]
    #[case(Some("text/html"), Some(Form::Html))]
    #[case(
        Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        Some(Form::Html)
    )]
    #[case(Some("text/*;q=0.5, text/html;q=0.4"), Some(Form::Text))]
    #[case(Some("application/json"), None)]
    fn form_of_the_body(#[case] accept: Option<&str>, #[case] form: Option<Form>) {
        assert_eq!(preferred(accept), form);
    }
}
