//! JSON that someone else wrote, read more strictly than serde does by itself: what two programs
//! could understand in two ways is refused. It knows nothing of manifests.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A value that is written as an object. serde takes a list for a struct, too, field by field.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfObject(PhantomData)).map(Self)
    }
}

/// For a field that is an object, or null, or not there.
pub(crate) fn object_or_null<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|object| object.0))
}

struct OfObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// For a field that is an object of texts, each under a key of its own, or null. serde takes the
/// last of two equal keys, other programs the first.
pub(crate) fn texts_or_null<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::<Texts>::deserialize(deserializer)?.map(|texts| texts.0).unwrap_or_default())
}

struct Texts(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfTexts).map(Self)
    }
}

struct OfTexts;

impl<'de> Visitor<'de> for OfTexts {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some((key, text)) = map.next_entry()? {
            if texts.insert(key, text).is_some() {
                return Err(A::Error::custom("a key stands twice in one object"));
            }
        }
        Ok(texts)
    }
}

/// How many lists and objects stand in each other where they are deepest. Unlike serde, it also
/// looks into fields that nobody reads; it uses no stack.
pub(crate) fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_texts() {
        let table = [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{}],"b":[]}"#, 3),
            (r#"["[[[[", "\"[[", "\\", []]"#, 2),
            ("]]]][", 1),
            ("", 0),
        ];
        for (text, expected) in table {
            assert_eq!(nesting(text), expected, "{text}");
        }
        assert_eq!(nesting(&"[".repeat(2_000_000)), 2_000_000);
    }

    #[test]
    fn lists_are_no_objects() {
        #[derive(Deserialize)]
        struct Pair {
            a: u8,
            b: u8,
        }
        let pair: Object<Pair> = serde_json::from_str(r#"{"a":1,"b":2}"#).unwrap();
        assert_eq!((pair.0.a, pair.0.b), (1, 2));
        for text in ["[1,2]", r#"{"a":1,"a":1,"b":2}"#, "null", "1"] {
            assert!(serde_json::from_str::<Object<Pair>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_stand_alone() {
        let parse = |text| texts_or_null(&mut serde_json::Deserializer::from_str(text));
        assert_eq!(parse(r#"{"a":"1","b":"1"}"#).unwrap().len(), 2);
        assert!(parse("null").unwrap().is_empty());
        for text in [r#"{"a":"1","a":"1"}"#, r#"{"a":"1","\u0061":"1"}"#, "[]", r#"{"a":1}"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
