//! What a registry may make of the wish that it take an image in.

use http::{Method, StatusCode};
use wharf_client::{Error, Ingest, IngestEvents};
use wharf_oci::ingest::{INGEST_PATH, INGEST_VERSION, IngestEvent, IngestRequest, Secret};

use crate::script::{Script, answer};
use crate::{name, of};

const SECRET: &str = "0123456789abcdef";

fn wish() -> IngestRequest {
    let tag = Some("1.0".parse().unwrap());
    IngestRequest { version: INGEST_VERSION, image: of(b"config"), name: name(), tag }
}

fn secret() -> Secret {
    SECRET.parse().unwrap()
}

/// What comes of it when the registry answers so.
async fn ingest(status: StatusCode, body: impl Into<String>) -> Result<Ingest, Error> {
    let body = body.into();
    let script = Script::start(move |_| answer(status, body.clone())).await;
    script.client().ingest(&wish(), &secret()).await
}

async fn events(body: impl Into<String>) -> Box<IngestEvents> {
    match ingest(StatusCode::OK, body).await.unwrap() {
        Ingest::Begun(events) => events,
        other => panic!("{other:?}"),
    }
}

fn refusal(code: &str) -> String {
    format!(r#"{{"errors":[{{"code":"{code}","message":"because"}}]}}"#)
}

#[tokio::test]
async fn the_wish_and_the_secret_are_sent() {
    let script = Script::start(|_| answer(StatusCode::NOT_FOUND, "")).await;
    script.client().ingest(&wish(), &secret()).await.unwrap();
    let [asked] = &script.requests()[..] else { panic!("one request") };
    assert_eq!((&asked.method, asked.target.as_str()), (&Method::POST, INGEST_PATH));
    assert_eq!(asked.headers["authorization"], format!("Bearer {SECRET}"));
    assert_eq!(asked.headers.get("origin"), None);
    assert_eq!(serde_json::from_slice::<IngestRequest>(&asked.body).unwrap(), wish());
}

#[tokio::test]
async fn every_no_has_its_name() {
    use StatusCode as S;
    for (status, body, expected) in [
        (S::NOT_FOUND, refusal("IMAGE_UNKNOWN"), "NotHeld(\"because\")"),
        (S::NOT_FOUND, refusal("UNSUPPORTED"), "NotOffered"),
        (S::NOT_FOUND, "404 page not found".to_owned(), "NotOffered"),
        (S::METHOD_NOT_ALLOWED, String::new(), "NotOffered"),
        (S::UNAUTHORIZED, refusal("UNAUTHORIZED"), "Unauthorised"),
        (S::BAD_REQUEST, refusal("UNSUPPORTED"), "OtherVersion"),
    ] {
        let found = ingest(status, body.as_str()).await.unwrap();
        assert_eq!(format!("{found:?}"), expected, "{status} {body}");
    }
    for (status, code) in [
        (S::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
        (S::FORBIDDEN, "DENIED"),
        (S::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        (S::NO_CONTENT, "NONE"),
    ] {
        let error = ingest(status, refusal(code)).await.unwrap_err();
        assert!(
            matches!(error, Error::Refused { status: found, .. } if found == status),
            "{error}"
        );
    }
}

#[tokio::test]
async fn events_come_one_by_one_up_to_the_last() {
    let digest = of(b"layer");
    let told = [
        IngestEvent::Begun { version: INGEST_VERSION },
        IngestEvent::Taken { digest, bytes: 7 },
        IngestEvent::Stored { digest },
        IngestEvent::Done { digest, original: true, unchanged: false },
    ];
    let lines = told.iter().map(|event| serde_json::to_string(event).unwrap() + "\n");
    let mut events = events(lines.collect::<String>() + "what comes behind is not read").await;
    for expected in told {
        assert_eq!(events.next().await.unwrap(), Some(expected));
    }
    assert_eq!(events.next().await.unwrap(), None);
    assert_eq!(events.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_end_without_a_result_is_an_error() {
    let begun = "{\"event\":\"begun\",\"version\":1}\n";
    for (body, told) in [
        (begun.to_owned(), "stopped before its end"),
        (format!("{begun}{{\"event\":\"do"), "stopped before its end"),
        (format!("{begun}{{\"event\":\"danced\"}}\n"), "no event"),
        (format!("{begun}<html>\n"), "no event"),
        (format!("{begun}{}", "x".repeat(100_000)), "no event"),
    ] {
        let mut events = events(body.as_str()).await;
        assert_eq!(events.next().await.unwrap(), Some(IngestEvent::Begun { version: 1 }));
        let error = events.next().await.unwrap_err().to_string();
        assert!(error.contains(told), "{told} is not told: {error}");
    }
}
