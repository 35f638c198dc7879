//! The forms of a report.

use std::time::Duration;

use wharf_load::Operation;

use super::*;

fn measured() -> Vec<Measurement> {
    let pushed = |server: &str, round, seconds| {
        let time = Duration::from_secs_f64(seconds);
        let mut measured = Measurement::new(server, Operation::Push, 1, time);
        (measured.size, measured.bytes) = (Some(1 << 30), Some(1 << 30));
        (measured.round, measured.cpu_seconds) = (Some(round), Some(seconds / 2.0));
        measured
    };
    vec![pushed("a", 1, 1.0), pushed("<b>", 1, 4.0), pushed("a", 2, 2.0), pushed("<b>", 2, 4.0)]
}

#[test]
fn one_document_has_all_of_it() {
    let measured = measured();
    let text = json(&measured, &Compared::of(&measured), &Machine::read()).unwrap();
    assert_eq!(text.lines().count(), 1);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["measurements"].as_array().unwrap().len(), 4);
    assert!(document["machine"]["system"].is_string(), "{document}");
    let [speed, cost] = &document["summary"].as_array().unwrap()[..] else { panic!("{document}") };
    assert_eq!((&speed["quantity"], &speed["unit"]), (&"throughput".into(), &"GB/s".into()));
    assert_eq!((&speed["better"], &cost["better"]), (&"more".into(), &"less".into()));
    let ratio = &cost["ratios"][0];
    assert_eq!(ratio["against"], "<b>");
    let of = |field: &str| ratio[field].as_f64().unwrap();
    assert_eq!((of("median"), of("least"), of("most")), (0.375, 0.25, 0.5));
}

#[test]
fn a_drawing_tells_the_servers_the_rounds_and_the_machine() {
    let measured = measured();
    let machine = Machine::read();
    let svg = chart(&Compared::of(&measured), &machine).to_svg();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .filter_map(|node| node.text())
        .collect();
    for expected in ["a against <b>", "a", "<b>", "Throughput", "push 1 GiB, 1 client"] {
        assert!(texts.contains(&expected), "{expected} in {texts:?}");
    }
    assert!(texts.iter().any(|text| text.contains("medians of 2 rounds")), "{texts:?}");
    assert!(svg.contains(&machine.system), "{svg}");
}

#[test]
fn files_get_their_forms_and_a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, plot) = (folder.path().join("a.csv"), folder.path().join("a.svg"));
    let options = |csv: &Path, plot: &Path| ReportOptions {
        json: true,
        csv: Some(csv.to_owned()),
        plot: Some(plot.to_owned()),
    };
    show(&measured(), &options(&csv, &plot)).unwrap();
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().count(), 5);
    assert!(fs::read_to_string(&plot).unwrap().starts_with("<svg"));
    let nowhere = folder.path().join("missing/a.csv");
    let error = show(&measured(), &options(&nowhere, &plot)).unwrap_err();
    assert!(matches!(&error, BenchError::Write { path, .. } if *path == nowhere), "{error:?}");
}
