//! Archives that are damaged, cut short, or lie: each ends in an error that says what is wrong,
//! whether it lies in a file or comes from a pipe, in little memory and without a panic.

use std::fs;
use std::io::{self, Read};

use proptest::prelude::*;
use serde_json::json;
use tar::{EntryType, Header};
use wharf_oci::Digest;
use wharf_pusher::source::archive::ArchiveSource;
use wharf_pusher::source::{HeaderProblem, ImageSource, SourceError};

use crate::made::{Made, Packing, layer};
use crate::written::{Archive, docker_by_digest, docker_classic, header, index, layout_archive};

/// What comes of these bytes, in a file and from a pipe; both must agree.
fn error_of(bytes: &[u8]) -> SourceError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    fs::write(&path, bytes).unwrap();
    let lacks = |_: &Digest| true;
    let in_file = ArchiveSource::open(&path, None, lacks, folder.path()).unwrap_err();
    let bytes = io::Cursor::new(bytes.to_vec());
    let in_pipe = ArchiveSource::read(bytes, None, lacks, folder.path()).unwrap_err();
    assert_eq!(std::mem::discriminant(&in_file), std::mem::discriminant(&in_pipe), "{in_pipe}");
    in_file
}

fn image() -> Made {
    Made::of_layers(vec![layer("a", b"a"), layer("b", b"b")])
}

/// A docker-archive with `change` made to its list of images.
fn docker_with(change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let made = image();
    let mut archive = Archive::default();
    archive.file("a.tar", &made.layers[0]).file("b.tar", &made.layers[1]);
    archive.file("config.json", &made.config).file("other.json", b"{}").file("number.json", b"1");
    archive.link(EntryType::Symlink, "to-outside", "../a.tar");
    archive.link(EntryType::Symlink, "to-root", "/etc/passwd");
    archive.link(EntryType::Symlink, "to-nowhere", "nowhere");
    archive.link(EntryType::Symlink, "to-itself", "to-itself");
    archive.link(EntryType::Link, "to-b", "./b.tar");
    let mut list = json!([{ "Config": "config.json", "Layers": ["a.tar", "to-b"] }]);
    change(&mut list);
    archive.file("manifest.json", list.to_string().as_bytes());
    archive.end()
}

#[test]
fn what_the_list_of_images_names_must_be_there() {
    type Change = fn(&mut serde_json::Value);
    type IsTold = fn(&SourceError) -> bool;
    let table: [(&str, Change, IsTold); 13] = [
        ("no list", |it| *it = json!({}), |e| matches!(e, SourceError::Json { .. })),
        ("no image", |it| *it = json!([]), |e| matches!(e, SourceError::Empty { .. })),
        (
            "too many images",
            |it| *it = vec![it[0].clone(); 5000].into(),
            |e| matches!(e, SourceError::TooLarge { .. }),
        ),
        (
            "no config",
            |it| it[0]["Config"] = "gone.json".into(),
            |e| matches!(e, SourceError::Missing { .. }),
        ),
        (
            "a config of another image",
            |it| it[0]["Config"] = "other.json".into(),
            |e| matches!(e, SourceError::LayerCount { named: 0, found: 2, .. }),
        ),
        (
            "a config that is none",
            |it| it[0]["Config"] = "number.json".into(),
            |e| matches!(e, SourceError::Json { .. }),
        ),
        (
            "a layer too few",
            |it| it[0]["Layers"] = json!(["a.tar"]),
            |e| matches!(e, SourceError::LayerCount { named: 2, found: 1, .. }),
        ),
        (
            "no layer",
            |it| it[0]["Layers"][0] = "gone.tar".into(),
            |e| matches!(e, SourceError::Missing { .. }),
        ),
        (
            "a path to the outside",
            |it| it[0]["Layers"][0] = "../a.tar".into(),
            |e| matches!(e, SourceError::Missing { .. }),
        ),
        (
            "a link to the outside",
            |it| it[0]["Layers"][0] = "to-outside".into(),
            |e| matches!(e, SourceError::Outside { .. }),
        ),
        (
            "a link to the root",
            |it| it[0]["Layers"][0] = "to-root".into(),
            |e| matches!(e, SourceError::Outside { .. }),
        ),
        (
            "a link to nowhere",
            |it| it[0]["Layers"][0] = "to-nowhere".into(),
            |e| matches!(e, SourceError::Missing { .. }),
        ),
        (
            "a link to itself",
            |it| it[0]["Layers"][0] = "to-itself".into(),
            |e| matches!(e, SourceError::LinkLoop { .. }),
        ),
    ];
    for (what, change, is_told) in table {
        let error = error_of(&docker_with(change));
        assert!(is_told(&error), "{what}: {error:?}");
    }
    // Without a change it is sound, and its hard link is followed.
    let sound = io::Cursor::new(docker_with(|_| {}));
    let folder = tempfile::tempdir().unwrap();
    let source = ArchiveSource::read(sound, None, |_| true, folder.path()).unwrap();
    assert_eq!(crate::contract::check(&source), image().facts());
}

#[test]
fn headers_that_lie_are_refused() {
    let sized = |size| header(EntryType::Regular, "layer.tar", "", size);
    let sparse = header(EntryType::GNUSparse, "layer.tar", "", 0);
    let long = header(EntryType::GNULongName, "././@LongLink", "", 1 << 40);
    let fields = header(EntryType::XHeader, "pax", "", 1 << 40);
    let mut number = sized(0);
    number.as_gnu_mut().unwrap().size = *b"not a number";
    number.set_cksum();
    let mut wrong_sum = sized(0);
    wrong_sum.set_mode(0o777);

    let table: [(Header, HeaderProblem); 7] = [
        (wrong_sum, HeaderProblem::Checksum),
        (number, HeaderProblem::Number),
        (sized(u64::MAX), HeaderProblem::Overflow),
        (sized(u64::MAX - 600), HeaderProblem::Overflow),
        (sparse, HeaderProblem::Sparse),
        (long, HeaderProblem::Long { max: 1024 }),
        (fields, HeaderProblem::Long { max: 1 << 20 }),
    ];
    for (header, expected) in table {
        let mut archive = Archive::default();
        archive.file("first", b"sound").entry(&header, b"");
        match error_of(&archive.end()) {
            SourceError::Header { problem, offset, .. } => {
                assert_eq!((problem, offset), (expected, 1024));
            }
            error => panic!("{expected:?}: {error:?}"),
        }
    }
}

#[test]
fn extended_headers_are_read_or_refused() {
    let record = |text: &str| {
        let length = text.len() + 4;
        assert!((10..=99).contains(&length));
        format!("{length} {text}\n")
    };
    let pax = |records: &str| {
        let mut archive = Archive::default();
        let header = header(EntryType::XHeader, "pax", "", records.len() as u64);
        archive.entry(&header, records.as_bytes()).file("plain", b"content");
        archive.end()
    };
    let table = [
        (record("size=-1"), HeaderProblem::Number),
        (record("size=99999999999999999999"), HeaderProblem::Number),
        (record("GNU.sparse.major=1"), HeaderProblem::Sparse),
        ("99 path=short\n".to_owned(), HeaderProblem::Extended),
        ("nonsense".to_owned(), HeaderProblem::Extended),
        ("0 ".to_owned(), HeaderProblem::Extended),
        ("7 path\n".to_owned(), HeaderProblem::Extended),
        ("18446744073709551615 path=x\n".to_owned(), HeaderProblem::Extended),
        (format!("2010 path={}\n", "n".repeat(1999)), HeaderProblem::Long { max: 1024 }),
    ];
    for (records, expected) in table {
        match error_of(&pax(&records)) {
            SourceError::Header { problem, .. } => assert_eq!(problem, expected, "{records:?}"),
            error => panic!("{records:?}: {error:?}"),
        }
    }
    let error = error_of(&pax(&record("size=123456789")));
    assert!(matches!(error, SourceError::Truncated { .. }), "{error:?}");
    let error = error_of(&pax(&record("path=../outside")));
    assert!(matches!(error, SourceError::Outside { .. }), "{error:?}");

    let mut alone = Archive::default();
    alone.entry(&header(EntryType::GNULongName, "././@LongLink", "", 5), b"name\0");
    let mut twice = alone.clone();
    twice.entry(&header(EntryType::GNULongName, "././@LongLink", "", 5), b"name\0");
    for bytes in [alone.end(), alone.cut(), twice.file("x", b"").end()] {
        let error = error_of(&bytes);
        let is_stray = matches!(error, SourceError::Header { problem: HeaderProblem::Stray, .. });
        assert!(is_stray, "{error:?}");
    }
}

#[test]
fn long_names_of_either_kind_are_read() {
    let made = image();
    let long = |letter: &str| format!("{}/{}.tar", letter.repeat(150), letter.repeat(200));
    let (gnu, pax) = (long("g"), long("p"));
    let mut archive = Archive::default();
    let name = format!("{gnu}\0");
    archive.entry(
        &header(EntryType::GNULongName, "././@LongLink", "", name.len() as u64),
        name.as_bytes(),
    );
    archive.file("cut", &made.layers[0]);
    let target = format!("{pax}\0");
    let records = format!("{} path={pax}\n22 comment=with\nlines\n", pax.len() + 10);
    archive.entry(&header(EntryType::XGlobalHeader, "global", "", 9), b"anything.");
    archive.entry(&header(EntryType::XHeader, "pax", "", records.len() as u64), records.as_bytes());
    archive.file("cut", &made.layers[1]);
    archive.entry(
        &header(EntryType::GNULongLink, "././@LongLink", "", target.len() as u64),
        target.as_bytes(),
    );
    archive.link(EntryType::Link, "link", "cut");
    archive.file("config.json", &made.config);
    let list = json!([{ "Config": "config.json", "Layers": [gnu, "link"] }]);
    archive.file("manifest.json", list.to_string().as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let bytes = io::Cursor::new(archive.end());
    let source = ArchiveSource::read(bytes, None, |_| true, folder.path()).unwrap();
    assert_eq!(crate::contract::check(&source), made.facts());
}

#[test]
fn names_and_numbers_of_entries_have_bounds() {
    let mut outside = Archive::default();
    outside.file("a/../../b", b"");
    let mut absolute = Archive::default();
    absolute.file("/etc/passwd", b"");
    for archive in [outside, absolute] {
        let error = error_of(&archive.end());
        assert!(matches!(error, SourceError::Outside { .. }), "{error:?}");
    }
    let mut long = Archive::default();
    for number in 0..9000 {
        long.link(EntryType::Symlink, &format!("{number:0>99}"), &"b".repeat(100));
        let name = format!("{number:0>1000}\0");
        let size = name.len() as u64;
        long.entry(&header(EntryType::GNULongName, "././@LongLink", "", size), name.as_bytes());
        long.file("cut", b"");
    }
    let error = error_of(&long.end());
    assert!(matches!(error, SourceError::TooLarge { max: 0x80_0000, .. }), "{error:?}");

    let mut many = Archive::default();
    for number in 0..(1 << 15) + 1 {
        many.file(&number.to_string(), b"");
    }
    let error = error_of(&many.end());
    assert!(matches!(error, SourceError::TooLarge { .. }), "{error:?}");

    let mut large = Archive::default();
    large.file("manifest.json", &vec![b' '; (4 << 20) + 1]);
    let error = error_of(&large.end());
    assert!(matches!(error, SourceError::TooLarge { .. }), "{error:?}");
}

#[test]
fn what_is_there_twice_is_not_chosen_from() {
    let made = image();
    let mut archive = Archive::default();
    archive.file("a.tar", &made.layers[0]).file("b.tar", &made.layers[1]);
    archive.file("VERSION", b"1").file("VERSION", b"2").folder("c/").folder("c/");
    archive.file("config.json", &made.config);
    let list = json!([{ "Config": "config.json", "Layers": ["a.tar", "b.tar"] }]);
    archive.file("manifest.json", list.to_string().as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let read = |archive: &Archive| {
        let bytes = io::Cursor::new(archive.end());
        ArchiveSource::read(bytes, None, |_| true, folder.path())
    };
    assert_eq!(crate::contract::check(&read(&archive).unwrap()), made.facts());
    archive.file("./a.tar", &made.layers[1]);
    let error = error_of(&archive.end());
    assert!(
        matches!(&error, SourceError::Duplicate { entry, .. } if entry == "a.tar"),
        "{error:?}"
    );
}

#[test]
fn layers_that_no_registry_would_take_are_refused() {
    let made = image();
    for (beginning, program) in [(b"BZh91AY&SY".as_slice(), "bzip2"), (b"\xfd7zXZ\0\0\x04", "xz")] {
        let mut archive = Archive::default();
        archive.file("a.tar", beginning).file("b.tar", b"").file("config.json", &made.config);
        let list = json!([{ "Config": "config.json", "Layers": ["a.tar", "b.tar"] }]);
        archive.file("manifest.json", list.to_string().as_bytes());
        let error = error_of(&archive.end()).to_string();
        assert!(error.contains("a.tar") && error.contains(program), "{error}");
    }
}

#[test]
fn what_is_no_archive_says_so() {
    let mut other = Archive::default();
    other.file("README", b"no image");
    for bytes in [b"".to_vec(), vec![0; 4096], other.end()] {
        let error = error_of(&bytes);
        assert!(matches!(error, SourceError::Shapeless { .. }), "{error:?}");
    }
    let error = error_of(&[b'x'; 4096]);
    assert!(matches!(error, SourceError::Header { offset: 0, .. }), "{error:?}");
    let error = error_of(b"too short for a header");
    assert!(matches!(error, SourceError::Truncated { .. }), "{error:?}");
}

#[test]
fn an_archive_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let made = image();
    let stored = made.stored(Packing::Gzip);
    for bytes in [
        docker_classic(&[(&made, "a:b")]),
        docker_by_digest(&made, Packing::Plain, ".tar"),
        layout_archive(&[&stored], &index(&[(&stored, "a:b")])),
    ] {
        let needed = bytes.len() - 1024 - 1024;
        for cut in (0..needed).step_by(256) {
            let error = error_of(&bytes[..cut]);
            let is_told = matches!(
                error,
                SourceError::Truncated { .. }
                    | SourceError::Shapeless { .. }
                    | SourceError::Missing { .. }
            );
            assert!(is_told, "{cut}: {error:?}");
        }
        // The same, compressed as a whole.
        let packed = Packing::Gzip.pack(&bytes);
        let error = error_of(&packed[..packed.len() - 12]);
        assert!(matches!(error, SourceError::Truncated { .. }), "{error:?}");
    }
}

#[test]
fn a_decompressor_that_fails_is_told_as_that() {
    let mut packed = Packing::Gzip.pack(&docker_classic(&[(&image(), "a:b")]));
    let end = packed.len() - 6;
    packed[end] ^= 1;
    let error = error_of(&packed);
    assert!(matches!(error, SourceError::Read { .. }), "its checksum is wrong: {error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is done to a byte of an archive, there is an image or an error, and no panic. An
    /// image that is there is the one that was meant, or its readers give what is not.
    #[test]
    fn no_byte_brings_it_down(at in 0_usize..20_000, bits in 1_u8.., form in 0_usize..3) {
        let made = image();
        let stored = made.stored(Packing::Zstd);
        let mut bytes = match form {
            0 => docker_classic(&[(&made, "a:b")]),
            1 => docker_by_digest(&made, Packing::Plain, ".tar"),
            _ => layout_archive(&[&stored], &index(&[(&stored, "a:b")])),
        };
        let at = at % bytes.len();
        bytes[at] ^= bits;
        let folder = tempfile::tempdir().unwrap();
        let read = ArchiveSource::read(io::Cursor::new(bytes), None, |_| true, folder.path());
        if let Ok(source) = read {
            prop_assert_eq!(source.image().id, Some(made.id()));
            for blob in &source.image().blobs[1..] {
                let mut bytes = Vec::new();
                source.open(&blob.descriptor.digest)?.read_to_end(&mut bytes)?;
                prop_assert_eq!(bytes.len() as u64, blob.descriptor.size);
            }
        }
    }
}
