//! What a picture promises: it is XML, nothing leaves the sheet, no text lies on another.

use roxmltree::{Document, Node};

use super::text::width;
use super::*;
use crate::report::spread;

fn chart(servers: usize, panels: usize, scale: f64) -> Chart {
    let names =
        ["wharf", "docker-registry", "distribution 3.1.1", "zot", "olareg", "nginx", "seven"];
    let group = |number: usize| Group {
        label: format!("{number} clients at once, each with a connection of its own"),
        values: (0..servers)
            .map(|server| {
                let value = scale * (1.0 + (server * number) as f64);
                (server != 3).then(|| spread(&[value, value * 1.2, value * 0.7])).flatten()
            })
            .collect(),
    };
    let panel = |number: usize| Panel {
        title: format!("Question number {number}, of which there are many, and it is a long one"),
        unit: "GB/s".into(),
        better: if number.is_multiple_of(2) { Better::More } else { Better::Less },
        groups: (1..=1 + number % 3).map(group).collect(),
    };
    Chart {
        title: "What a registry costs".into(),
        subtitle: vec!["2 cores, 2026-11-22, wharf 0.1.0".into(), "a word ".repeat(60)],
        servers: (0..servers).map(|index| names[index % names.len()].to_owned()).collect(),
        panels: (0..panels).map(panel).collect(),
        note: "Bars are medians; whiskers go from the least to the most of 3 rounds.".into(),
    }
}

/// `[left, top, right, bottom]`.
type Area = [f64; 4];

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

fn areas(document: &Document<'_>, name: &str) -> Vec<(Area, String)> {
    let nodes = document.descendants().filter(|node| node.has_tag_name(name));
    let area = |node: Node<'_, '_>| {
        let (x, y) = (number(node, "x"), number(node, "y"));
        let text = node.text().unwrap_or_default().to_owned();
        let class = node.attribute("class").unwrap().to_owned();
        if name == "rect" {
            let area = [x, y, x + number(node, "width"), y + number(node, "height")];
            return (area, class);
        }
        let size = number(node, "font-size");
        ([x, y - size * 0.8, x + width(&text, size), y + size * 0.22], text)
    };
    nodes.map(area).collect()
}

fn check(chart: &Chart) {
    let svg = chart.to_svg();
    let document = Document::parse(&svg).unwrap();
    let (wide, high) =
        (number(document.root_element(), "width"), number(document.root_element(), "height"));
    let (rectangles, texts) = (areas(&document, "rect"), areas(&document, "text"));
    for (area, what) in rectangles.iter().chain(&texts) {
        let [left, top, right, bottom] = *area;
        let inside = left >= 0.0 && top >= 0.0 && right <= wide && bottom <= high;
        assert!(inside && left <= right, "{what}: {area:?} in {wide} × {high}");
    }
    for (index, (one, text)) in texts.iter().enumerate() {
        for (two, other) in &texts[index + 1..] {
            let apart =
                one[2] <= two[0] || two[2] <= one[0] || one[3] <= two[1] || two[3] <= one[1];
            assert!(apart, "`{text}` {one:?} lies on `{other}` {two:?}");
        }
    }
    let bars = rectangles.iter().filter(|(_, class)| class.starts_with('s') && class != "sheet");
    let drawn = chart.panels.iter().flat_map(|panel| &panel.groups);
    let drawn =
        drawn.map(|group| (0..chart.servers.len()).filter_map(|it| group.value(it)).count());
    assert_eq!(bars.count(), chart.servers.len() + drawn.sum::<usize>());
}

#[test]
fn every_bar_and_every_word_has_its_place() {
    for servers in 1..=7 {
        for panels in [0, 1, 2, 3, 5, 12] {
            for scale in [1e-9, 0.004, 1.0, 78_000.0, 1e15] {
                check(&chart(servers, panels, scale));
            }
        }
    }
}

#[test]
fn names_without_end_and_values_far_apart_have_their_place_too() {
    let mut long = chart(6, 4, 1.0);
    for name in &mut long.servers {
        *name = format!("registry.example.org:5000/{}", name.repeat(12));
    }
    long.title = "Throughput and cost of registries ".repeat(6);
    long.panels[0].title = "Averylongwordwithoutaplacetobreakit".repeat(5);
    long.panels[1].unit = "CPU seconds of the server for each gigabyte ".repeat(3);
    long.panels[2].groups[0].label = "256 MiB, 8 clients, cold page cache ".repeat(5);
    long.panels[3].groups[0].values[0] = spread(&[1e-9, 1e12]);
    long.panels[3].groups[0].values[1] = spread(&[0.0]);
    check(&long);
}

#[test]
fn what_is_typed_is_text_and_never_markup() {
    let mut odd = chart(2, 1, 1.0);
    let name = "<script>&\"'\u{1}\n]]>é".to_owned();
    odd.servers[0].clone_from(&name);
    odd.title.clone_from(&name);
    odd.panels[0].groups[0].label.clone_from(&name);
    check(&odd);
    let svg = odd.to_svg();
    let document = Document::parse(&svg).unwrap();
    assert!(document.descendants().all(|node| !node.has_tag_name("script")));
    let shown =
        areas(&document, "text").iter().filter(|(_, text)| text.contains("<script>&\"'")).count();
    assert_eq!(shown, 3, "{svg}");
}

#[test]
fn what_is_no_number_is_not_measured() {
    let mut odd = chart(3, 1, 1.0);
    let spread = |value| Some(Spread { median: value, least: value, most: value });
    odd.panels[0].groups[0].values = vec![spread(f64::NAN), spread(f64::INFINITY), spread(-1.0)];
    check(&odd);
    let svg = odd.to_svg();
    assert_eq!(svg.matches("not measured").count(), 3);
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn the_longest_bar_is_the_greatest_value() {
    let chart = chart(3, 1, 1.0);
    let svg = chart.to_svg();
    let document = Document::parse(&svg).unwrap();
    let bars: Vec<f64> = areas(&document, "rect")
        .iter()
        .filter(|(area, class)| matches!(&**class, "s0" | "s1" | "s2") && area[3] - area[1] > 13.0)
        .map(|([left, _, right, _], _)| right - left)
        .collect();
    let ratio = |index: usize| bars[index] / bars[0];
    assert_eq!(bars.len(), 3);
    assert!((ratio(1) - 2.0).abs() < 0.01 && (ratio(2) - 3.0).abs() < 0.01, "{bars:?}");
}
