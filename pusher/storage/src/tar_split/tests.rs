//! Records as they are written, and others.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

fn packed(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

/// Every entry of a packed record, segments with their bytes.
fn entries(packed: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarSplitError> {
    let mut record = TarSplit::new(packed);
    let mut found = Vec::new();
    let mut segment = Vec::new();
    while let Some(entry) = record.next(&mut segment)? {
        let bytes = if entry == Entry::Segment { segment.clone() } else { Vec::new() };
        found.push((entry, bytes));
    }
    Ok(found)
}

fn file(name: &[u8], size: u64) -> (Entry, Vec<u8>) {
    (Entry::File(FileEntry { name: name.to_vec(), size }), Vec::new())
}

#[test]
fn a_record_as_it_is_written() {
    let text = concat!(
        "{\"type\":2,\"payload\":\"aGVhZA==\",\"position\":0}\n",
        "{\"type\":1,\"name\":\"dir\",\"payload\":null,\"position\":1}\n",
        "{\"type\":2,\"payload\":\"\",\"position\":2}\n",
        "{\"type\":1,\"name\":\"a\\u0026b\",\"size\":49,\"payload\":\"xaGg9nfLOwo=\",\"position\":3}\n",
        "\n",
        "{\"type\":1,\"name_raw\":\"/w==\",\"size\":1,\"position\":4}\n",
        "{\"type\":2,\"payload\":\"dGFpbA==\",\"position\":5}",
    );
    let expected = [
        (Entry::Segment, b"head".to_vec()),
        (Entry::Segment, Vec::new()),
        file(b"a&b", 49),
        file(b"\xff", 1),
        (Entry::Segment, b"tail".to_vec()),
    ];
    assert_eq!(entries(&packed(text.as_bytes())).unwrap(), expected);
    // Several streams of gzip in one file are one record.
    let (one, other) = text.as_bytes().split_at(60);
    assert_eq!(entries(&[packed(one), packed(other)].concat()).unwrap(), expected);
}

#[test]
fn damaged_records_are_told_from_whole_ones() {
    let whole = packed(b"{\"type\":2,\"payload\":\"aGVhZA==\"}\n");
    assert!(matches!(entries(&whole[..whole.len() - 4]), Err(TarSplitError::Read(_))));
    assert!(matches!(entries(b"{}"), Err(TarSplitError::Read(_))));
    let table = [
        ("{", "its line 1 is not of its form"),
        ("[]", "its line 1 is not of its form"),
        ("\n\n{\"type\":\"1\"}", "its line 3 is not of its form"),
        ("{\"type\":3}", "its line 1 makes no sense"),
        ("{\"type\":1,\"name\":\"a\",\"size\":-1}", "its line 1 makes no sense"),
        ("{\"type\":2,\"payload\":\"*\"}", "its line 1 is not base64"),
        ("{\"type\":1,\"name_raw\":\"*\",\"size\":1}", "its line 1 is not base64"),
    ];
    for (text, said) in table {
        let error = entries(&packed(text.as_bytes())).unwrap_err();
        assert_eq!(error.to_string(), said, "{text}");
    }
}

#[test]
fn a_line_without_end_is_not_kept() {
    // A megabyte of spaces packs into a kilobyte, again and again.
    let piece = packed(&vec![b' '; 1 << 20]);
    let count = usize::try_from(LINE_BYTES_MAX >> 20).unwrap();
    let error = entries(&piece.repeat(count + 1)).unwrap_err();
    assert!(matches!(error, TarSplitError::LineTooLong { line: 1 }), "{error:?}");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        lines in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 1..40), 1..i64::MAX),
            0..20,
        )
    ) {
        let mut text = String::new();
        let mut expected = Vec::new();
        for (is_file, bytes, size) in lines {
            if is_file {
                let mut line = serde_json::json!({"type": 1, "size": size});
                match str::from_utf8(&bytes) {
                    Ok(name) => line["name"] = name.into(),
                    Err(_) => line["name_raw"] = STANDARD.encode(&bytes).into(),
                }
                text += &format!("{line}\n");
                expected.push(file(&bytes, size.unsigned_abs()));
            } else {
                text += &format!("{{\"type\":2,\"payload\":{:?}}}\n", STANDARD.encode(&bytes));
                expected.push((Entry::Segment, bytes));
            }
        }
        prop_assert_eq!(entries(&packed(text.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn nothing_makes_it_panic(
        text in "(\\{\"type\":[0-3],\"(name|size|payload|name_raw)\":(\"[a-zA-Z=\\\\]{0,6}\"|-?[0-9]{1,20}|null)\\}\n){0,4}",
        cut in any::<prop::sample::Index>(),
        noise in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let whole = packed(text.as_bytes());
        let _ = entries(&whole);
        let _ = entries(&whole[..cut.index(whole.len())]);
        let _ = entries(&noise);
        let _ = entries(&packed(&noise));
    }
}
