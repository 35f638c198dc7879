//! The measurements as CSV (RFC 4180): a header, a row per measurement, nothing summed up. What was not
//! measured is empty.

use wharf_load::Measurement;
use wharf_load::measurement::Latency;

const HEADER: [&str; 24] = [
    "server",
    "operation",
    "size_bytes",
    "clients",
    "round",
    "seconds",
    "push_seconds",
    "pull_seconds",
    "bytes",
    "requests",
    "gigabytes_per_second",
    "requests_per_second",
    "latency_p50_us",
    "latency_p90_us",
    "latency_p99_us",
    "latency_max_us",
    "first_byte_p50_us",
    "first_byte_p99_us",
    "server_cpu_seconds",
    "server_cpu_seconds_per_gigabyte",
    "server_private_bytes_max",
    "server_resident_bytes_max",
    "syncs",
    "stored",
];

/// All of it as one document.
///
/// # Errors
/// Those of the writer, which has none of its own when it writes to memory.
pub fn render(measured: &[Measurement]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for measured in measured {
        writer.write_record(row(measured))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn row(measured: &Measurement) -> [String; HEADER.len()] {
    let latency = |of: fn(&Latency) -> u32| cell(measured.latency.as_ref().map(of));
    let first_byte = |of: fn(&Latency) -> u32| cell(measured.first_byte.as_ref().map(of));
    [
        measured.server.clone(),
        measured.operation.name().to_owned(),
        cell(measured.size),
        measured.clients.to_string(),
        cell(measured.round),
        measured.seconds.to_string(),
        cell(measured.push_seconds),
        cell(measured.pull_seconds),
        cell(measured.bytes),
        cell(measured.requests),
        cell(measured.gigabytes_per_second()),
        cell(measured.requests_per_second()),
        latency(|it| it.p50),
        latency(|it| it.p90),
        latency(|it| it.p99),
        latency(|it| it.max),
        first_byte(|it| it.p50),
        first_byte(|it| it.p99),
        cell(measured.cpu_seconds),
        cell(measured.cpu_seconds_per_gigabyte()),
        cell(measured.private_bytes_max),
        cell(measured.resident_bytes_max),
        cell(measured.syncs),
        cell(measured.stored),
    ]
}

fn cell(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wharf_load::Operation;

    use super::*;

    #[test]
    fn every_row_has_every_column_and_odd_names_are_quoted() {
        let name = "a \"registry\",\nof two lines";
        let mut measured = Measurement::new(name, Operation::Pull, 8, Duration::from_millis(1500));
        measured.bytes = Some(3_000_000_000);
        let text = String::from_utf8(render(&[measured]).unwrap()).unwrap();
        assert!(text.contains("\"a \"\"registry\"\",\nof two lines\",pull,,8,,1.5,"), "{text}");
        let mut read = csv::Reader::from_reader(text.as_bytes());
        let headers = read.headers().unwrap().clone();
        let [row] = &read.records().collect::<Result<Vec<_>, _>>().unwrap()[..] else {
            panic!("{text}")
        };
        let of = |column: &str| &row[headers.iter().position(|it| it == column).unwrap()];
        assert_eq!((of("server"), of("gigabytes_per_second"), of("syncs")), (name, "2", ""));
    }
}
