//! What does it cost to read a request line into an `Endpoint`?
//!
//! Input: the lines that nodes and clients send most, from a manifest by tag to the PUT that ends an
//! upload, with a repository name of three parts; and a path that is none of the API's. Machine: any;
//! nothing but the processor is used.
//!
//! It refuses to measure hyper: lines are given as hyper gives them, split into method and URI.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use http::{Method, Uri};
use wharf_oci::Endpoint;

const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const ESCAPED: &str = "sha256%3A44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const ID: &str = "0123abcd-0123-4bcd-8ef0-0123456789ab";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    parse(&mut criterion);
    criterion.final_summary();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("endpoint/parse");
    for (label, method, line, is_endpoint) in lines() {
        let uri: Uri = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(Endpoint::parse(&method, &uri).is_ok(), is_endpoint, "{line}");
        group.bench_function(BenchmarkId::from_parameter(label), |bencher| {
            bencher.iter(|| Endpoint::parse(black_box(&method), black_box(&uri)));
        });
    }
    group.finish();
}

/// A label, a request line, and whether it is of the API.
fn lines() -> [(&'static str, Method, String, bool); 8] {
    let name = "/v2/team/project/server";
    [
        ("version", Method::GET, "/v2/".to_owned(), true),
        ("manifest by tag", Method::GET, format!("{name}/manifests/v1.2.3?ns=docker.io"), true),
        ("manifest by digest", Method::HEAD, format!("{name}/manifests/{DIGEST}"), true),
        ("blob", Method::GET, format!("{name}/blobs/{DIGEST}"), true),
        (
            "mount",
            Method::POST,
            format!("{name}/blobs/uploads/?mount={ESCAPED}&from=base%2Fx"),
            true,
        ),
        ("last PUT", Method::PUT, format!("{name}/blobs/uploads/{ID}?digest={ESCAPED}"), true),
        ("tag list", Method::GET, format!("{name}/tags/list?n=100&last=v1"), true),
        ("no end-point", Method::GET, "/v2/team/project/server/blob/latest".to_owned(), false),
    ]
}
