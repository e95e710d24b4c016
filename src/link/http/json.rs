//! JSON bodies read as the cloud APIs read them: leniently in types, strictly in form.
//!
//! Owns: a reader that refuses a key given twice and nesting that is too deep, and lenient access to single values.
//! Does not own: which values an endpoint wants. Invariant: what cannot be read is refused before it is looked at.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::wire::{Code, Photo, Refusal};

/// The members of a JSON object.
pub(super) type Object = Map<String, Value>;

/// Reads a body that must be one object.
pub(super) fn object(bytes: &[u8]) -> Result<Object, Refusal> {
    let malformed = |e: &dyn std::fmt::Display| {
        Refusal::new(Code::Malformed, format!("the body is no JSON object that can be used: {e}"))
    };
    match serde_json::from_slice::<Strict>(bytes).map_err(|e| malformed(&e))?.0 {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(malformed(&"it is another kind of value"))
        }
    }
}

/// A text; a number where `numbers` are taken for texts.
pub(super) fn text(object: &Object, key: &str) -> Result<Option<String>, Refusal> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::invalid(key, format!("\"{key}\" must be a string"))),
    }
}

/// As [`text`], and it must be there and hold something.
pub(super) fn required(object: &Object, key: &str) -> Result<String, Refusal> {
    text(object, key)?.filter(|text| !text.trim().is_empty()).ok_or_else(|| Refusal::missing(key))
}

/// A number, or a string that holds one, between two bounds.
pub(super) fn number(object: &Object, key: &str, low: f32, high: f32) -> Result<Option<f32>, Refusal> {
    let wrong = || Refusal::invalid(key, format!("\"{key}\" must be a number from {low} to {high}"));
    let value = match object.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64().ok_or_else(wrong)?,
        Some(Value::String(text)) => text.trim().parse::<f64>().map_err(|_| wrong())?,
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return Err(wrong()),
    };
    // Written so that NaN is refused; the bounds are compared as given, 0.5 and its like are exact.
    if value >= f64::from(low) && value <= f64::from(high) { Ok(Some(value as f32)) } else { Err(wrong()) }
}

/// A yes or no; also as the strings that forms send.
pub(super) fn flag(object: &Object, key: &str, default: bool) -> Result<bool, Refusal> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text == "true" => Ok(true),
        Some(Value::String(text)) if text == "false" => Ok(false),
        Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Refusal::invalid(key, format!("\"{key}\" must be true or false")))
        }
    }
}

/// Texts in an array.
pub(super) fn texts(object: &Object, key: &str) -> Result<Option<Vec<String>>, Refusal> {
    let wrong = || Refusal::invalid(key, format!("\"{key}\" must be an array of strings"));
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => Err(wrong()),
    }
}

/// A picture in base64.
pub(super) fn photo(object: &Object, key: &str, data_url: bool) -> Result<Option<Photo>, Refusal> {
    let coded = match object.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(coded)) => coded,
        Some(_) => return Err(Refusal::invalid(key, format!("\"{key}\" must be a base64 string"))),
    };
    if coded.trim().is_empty() {
        return Err(Refusal::missing(key));
    }
    Photo::from_base64(key, coded, data_url).map(Some).map_err(|e| e.refusal(key))
}

/// Pictures in base64, in an array.
pub(super) fn photos(object: &Object, key: &str, most: usize) -> Result<Vec<Photo>, Refusal> {
    let items = match object.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => {
            return Err(Refusal::invalid(key, format!("\"{key}\" must be an array of base64 strings")));
        }
    };
    if items.len() > most {
        return Err(Refusal::invalid(key, format!("\"{key}\" takes at most {most} images")));
    }
    items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let coded = item.as_str().ok_or_else(|| {
                Refusal::invalid(key, format!("\"{key}\" must be an array of base64 strings"))
            })?;
            Photo::from_base64(format!("{key}[{i}]"), coded, true).map_err(|e| e.refusal(key))
        })
        .collect()
}

/// A value in which no object names a member twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let Strict(value) = members.next_value()?;
            if out.insert(key.clone(), value).is_some() {
                return Err(de::Error::custom(format!("\"{}\" is given twice", key.escape_debug())));
            }
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Object {
        object(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_cannot_be_one_object_is_refused() {
        let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
        for bad in [
            "",
            "[]",
            "1",
            "\"a\"",
            "{\"a\":1,\"a\":2}",
            "{\"x\":{\"a\":1,\"a\":1}}",
            "{",
            "{}{}",
            &deep,
            "{\"a\":1e999}",
        ] {
            assert_eq!(object(bad.as_bytes()).unwrap_err().code, Code::Malformed, "{bad:.40}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn numbers_may_be_strings_and_stay_in_their_range() {
        let o = parsed(r#"{"a":0.7,"b":"0.7","c":"x","d":2,"e":true,"f":"NaN","g":null}"#);
        for key in ["a", "b"] {
            assert!((number(&o, key, 0.0, 1.0).unwrap().unwrap() - 0.7).abs() < 1e-6, "{key}");
        }
        for key in ["c", "d", "e", "f"] {
            assert_eq!(number(&o, key, 0.0, 1.0).unwrap_err().parameter.as_deref(), Some(key));
        }
        assert_eq!(number(&o, "g", 0.0, 1.0).unwrap(), None);
        assert_eq!(number(&o, "absent", 0.0, 1.0).unwrap(), None);
    }

    #[test]
    fn texts_flags_and_photos() {
        let o =
            parsed(r#"{"t":"x","n":1,"f":"true","l":["a","b"],"m":["a",1],"p":"http://x/y.jpg","e":" "}"#);
        assert_eq!(required(&o, "t").unwrap(), "x");
        assert_eq!(required(&o, "e").unwrap_err().code, Code::MissingParameter);
        assert!(text(&o, "n").is_err() && texts(&o, "m").is_err() && flag(&o, "t", false).is_err());
        assert!(flag(&o, "f", false).unwrap() && flag(&o, "absent", true).unwrap());
        assert_eq!(texts(&o, "l").unwrap().unwrap().len(), 2);
        assert_eq!(photo(&o, "p", true).unwrap_err().code, Code::InvalidParameter);
        assert_eq!(photo(&o, "e", true).unwrap_err().code, Code::MissingParameter);
        assert!(photos(&o, "l", 1).is_err());
    }
}
