//! YAML that others wrote, read within a limit: an alias is a word in the file, and stands for as much as
//! its author likes. What would take more memory than any manifest is refused before it does.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde_json::{Map, Number, Value};

/// The most memory that a text may take when it is read, in bytes.
const BYTES_MAX: usize = 512 << 20;
/// What a value takes besides its text, about.
const VALUE_BYTES: usize = 64;

/// The documents of a text of YAML or JSON. A tag of its author's own says nothing to us, and is left out.
///
/// # Errors
/// It is no YAML, or stands for too much; what is wrong with it.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    within(BYTES_MAX, text)
}

fn within(bytes: usize, text: &str) -> Result<Vec<Value>, String> {
    // As editors on Windows begin a text; the reader would count it as a blank before the first word.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let left = Cell::new(bytes);
    let read = |document| Reading { left: &left }.deserialize(document);
    let documents: Result<_, yaml_serde::Error> =
        yaml_serde::Deserializer::from_str(text).map(read).collect();
    documents.map_err(|error| error.to_string())
}

/// A value that is being read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    /// How much memory is left for it, and for all others.
    left: &'a Cell<usize>,
}

impl Reading<'_> {
    /// Takes the memory of a value with so long a text.
    fn take<E: Error>(self, text: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(VALUE_BYTES + text);
        self.left.set(left.ok_or_else(|| E::custom("its aliases stand for too much"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Value, D::Error> {
        self.take(0)?;
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        Ok(value.to_string().into())
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        Ok(value.to_string().into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.take(text.len())?;
        Ok(text.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Value, D::Error> {
        value.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        // Kubernetes, too, takes a key that looks like a number for a text.
        while let Some(key) = entries.next_key::<String>()? {
            self.take(key.len())?;
            map.insert(key, entries.next_value_seed(self)?);
        }
        Ok(map.into())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        value.newtype_variant_seed(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_write_is_read() {
        for (text, expected) in [
            (
                "a: 1\nb: [x, 'y', 2.5, true, null]\n",
                json!([{"a": 1, "b": ["x", "y", 2.5, true, null]}]),
            ),
            ("a: 1\n---\nb: 2\n", json!([{"a": 1}, {"b": 2}])),
            ("{\"a\": {\"b\": []}}", json!([{"a": {"b": []}}])),
            ("\u{feff}a: 1\r\nb: 2\r\n", json!([{"a": 1, "b": 2}])),
            ("8080: x\ntrue: y\n", json!([{"8080": "x", "true": "y"}])),
            ("a: !Ref x\nb: !Sub [y]\nc: !!str 1\n", json!([{"a": "x", "b": ["y"], "c": "1"}])),
            (
                "a: &a {b: 1}\nc: *a\nd: {<<: *a}\n",
                json!([{
                    "a": {"b": 1}, "c": {"b": 1}, "d": {"<<": {"b": 1}}
                }]),
            ),
            (
                "a: 340282366920938463463374607431768211455\nb: .nan\n",
                json!([{
                    "a": "340282366920938463463374607431768211455", "b": null
                }]),
            ),
        ] {
            assert_eq!(Value::from(documents(text).unwrap()), expected, "{text}");
        }
        assert!(documents("# nothing\n").unwrap().iter().all(Value::is_null));
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        for text in
            ["a: 1\n\tb: 2\n", "a: {{ x }}\n", "a: [1\n", "a: 'b\n", "a: *b\n", "? {a: 1}\n: b\n"]
        {
            let error = documents(text).unwrap_err();
            assert!(error.contains("line "), "{text:?}: {error}");
        }
        assert!(documents("a: \0\n").is_err());
    }

    #[test]
    fn aliases_that_stand_for_too_much_are_refused() {
        // Each text is some kilobytes, and stands for more than a hundred times that.
        let many = format!("a: &a [{}]\nb: [{}]\n", "1,".repeat(1000), "*a,".repeat(1000));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 16), "*a,".repeat(1000));
        let deep = (0..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, at| {
            format!("{text}a{next}: &a{next} [*a{at}, *a{at}]\n", next = at + 1)
        });
        for text in [many, long, deep] {
            let error = within(16 << 20, &text).unwrap_err();
            assert!(error.contains("too much") || error.contains("limit exceeded"), "{error}");
        }
        let nested = "[".repeat(100_000);
        assert!(documents(&nested).unwrap_err().contains("limit exceeded"));
    }
}
