//! What stands around the parameters of a command: who asks, when, under which id.
//!
//! Owns: reading the JSON strictly, the signature, the fields that belong to the transport. Does not own: freshness
//! (`guard`), the parameters (`wire`).
//! Form: an object whose fields `req_id`, `issued_at`, `nonce` and `uploads` are the transport's and whose others are
//! the command's. Signed: `{"key": NAME, "sig": BASE64, "signed": TEXT}`, where TEXT is such an object as a string
//! and the signature is Ed25519 over topic, a line feed and TEXT.
//! Invariants: no field appears twice at any depth; nothing is deeper than 32; a signature that does not hold is a
//! refusal, never an unsigned command.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::super::wire::{Caller, Code, Moment, Refusal, Scope, Scopes};
use super::config::MqttConfig;

const MAX_DEPTH: u8 = 32;
/// Most uploads that one command may use.
const MAX_UPLOADS: usize = 10;

/// A command without its envelope.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// Who asks.
    pub(super) caller: Caller,
    /// Whether a known operator signed it.
    pub(super) signed: bool,
    /// The id for the answer, as the payload gives it.
    pub(super) req_id: Option<String>,
    /// When it was given.
    pub(super) issued_at: Option<Moment>,
    /// Used once.
    pub(super) nonce: Option<String>,
    /// Names of uploads that belong to it.
    pub(super) uploads: Vec<String>,
    /// The command's own fields.
    pub(super) parameters: Map<String, Value>,
}

/// Reads a payload.
///
/// # Errors
/// `Malformed` for what is no such object, `Unauthenticated` for a signature that does not hold.
pub(super) fn open(config: &MqttConfig, topic: &str, payload: &[u8]) -> Result<Opened, Refusal> {
    let mut fields = object(payload)?;
    let Some(text) = fields.remove("signed") else {
        // The door itself moves for a signature alone.
        let scopes = Scope::ALL
            .into_iter()
            .filter(|s| *s != Scope::Door && config.scopes.has(*s))
            .fold(Scopes::NONE, Scopes::with);
        return opened(fields, Caller { name: "mqtt".into(), scopes }, false);
    };
    let (Value::String(text), Some(key), Some(signature)) =
        (text, take(&mut fields, "key")?, take(&mut fields, "sig")?)
    else {
        return Err(malformed("a signed command is {\"key\":NAME,\"sig\":BASE64,\"signed\":TEXT}"));
    };
    if let Some(field) = fields.keys().next() {
        return Err(malformed(&format!("{field:?} stands outside of what is signed")));
    }
    let no = || Refusal::new(Code::Unauthenticated, "the signature does not hold for this key and topic");
    let operator = config.operators.iter().find(|o| o.name == key).ok_or_else(no)?;
    let bytes: [u8; 64] = STANDARD.decode(signature).ok().and_then(|b| b.try_into().ok()).ok_or_else(no)?;
    let verifier = VerifyingKey::from_bytes(&operator.key).map_err(|_| no())?;
    verifier
        .verify_strict(format!("{topic}\n{text}").as_bytes(), &Signature::from_bytes(&bytes))
        .map_err(|_| no())?;
    let caller = Caller { name: format!("mqtt {}", operator.name), scopes: operator.scopes };
    opened(object(text.as_bytes())?, caller, true)
}

/// The id for an answer, from a payload that is not otherwise believed.
pub(super) fn req_id(payload: &[u8]) -> Option<String> {
    let mut fields = object(payload).ok()?;
    if let Some(Value::String(text)) = fields.remove("signed") {
        fields = object(text.as_bytes()).ok()?;
    }
    take(&mut fields, "req_id").ok()?
}

fn opened(mut fields: Map<String, Value>, caller: Caller, signed: bool) -> Result<Opened, Refusal> {
    let req_id = take(&mut fields, "req_id")?;
    let issued_at = take(&mut fields, "issued_at")?
        .map(|t| Moment::parse(&t).ok_or_else(|| Refusal::invalid("issued_at", "\"issued_at\" is no time")))
        .transpose()?;
    let nonce = take(&mut fields, "nonce")?;
    let uploads = match fields.remove("uploads") {
        None => Vec::new(),
        Some(Value::Array(names)) if names.len() <= MAX_UPLOADS => names
            .into_iter()
            .map(|n| match n {
                Value::String(name) => Ok(name),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    Err(Refusal::invalid("uploads", "\"uploads\" is a list of names"))
                }
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(Refusal::invalid("uploads", "\"uploads\" is a list of at most 10 names")),
    };
    Ok(Opened { caller, signed, req_id, issued_at, nonce, uploads, parameters: fields })
}

fn take(fields: &mut Map<String, Value>, key: &str) -> Result<Option<String>, Refusal> {
    match fields.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= 256 => Ok(Some(text)),
        Some(_) => Err(Refusal::invalid(key, format!("\"{key}\" is a text of at most 256 bytes"))),
    }
}

/// Reads an object; nothing at all counts as an empty one.
pub(super) fn object(json: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if json.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(|e| malformed(&e.to_string()))?;
    reader.end().map_err(|e| malformed(&e.to_string()))?;
    match value {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(malformed("an object is wanted"))
        }
    }
}

fn malformed(what: &str) -> Refusal {
    Refusal::new(Code::Malformed, format!("the JSON cannot be used: {what}"))
}

/// A JSON value without a field twice.
struct Strict {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(de::Error::custom("it is nested too deep"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(Self { depth: self.depth + 1 })? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if out.contains_key(&key) {
                return Err(de::Error::custom(format!("duplicate field {key:?}")));
            }
            let value = fields.next_value_seed(Self { depth: self.depth + 1 })?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    use super::super::config::{BrokerAddress, Confirm, Operator, Version};
    use super::super::topics::Topics;
    use super::*;

    fn config(key: &SigningKey) -> MqttConfig {
        MqttConfig {
            device: "d".into(),
            topics: Topics::new("d").unwrap(),
            broker: BrokerAddress { host: "h".into(), port: 1, tls: None, login: None },
            version: Version::Auto,
            keep_alive_s: 30,
            scopes: Scopes::ALL,
            operators: vec![Operator {
                name: "office".into(),
                key: key.verifying_key().to_bytes(),
                scopes: Scopes::NONE.with(Scope::Door),
            }],
            door_set: false,
            confirm: Confirm::Receiver,
            home_assistant: false,
            pictures: false,
        }
    }

    fn signed(key: &SigningKey, topic: &str, text: &str) -> Vec<u8> {
        let sig = STANDARD.encode(key.sign(format!("{topic}\n{text}").as_bytes()).to_bytes());
        serde_json::to_vec(&serde_json::json!({ "key": "office", "sig": sig, "signed": text })).unwrap()
    }

    #[test]
    fn a_signature_is_for_one_topic_one_text_and_one_key() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let config = config(&key);
        let payload = signed(&key, "t", r#"{"nonce":"n","id":"x"}"#);
        let good = open(&config, "t", &payload).unwrap();
        assert!(good.signed && good.caller.may(Scope::Door) && !good.caller.may(Scope::Persons));
        assert_eq!(good.nonce.as_deref(), Some("n"));
        assert_eq!(good.parameters.get("id").unwrap(), "x");
        let code = |topic: &str, payload: &[u8]| open(&config, topic, payload).unwrap_err().code;
        assert_eq!(code("other", &payload), Code::Unauthenticated);
        let text = String::from_utf8(payload.clone()).unwrap();
        assert_eq!(code("t", text.replace("\\\"x", "\\\"y").as_bytes()), Code::Unauthenticated);
        assert_eq!(code("t", &signed(&SigningKey::from_bytes(&[4; 32]), "t", "{}")), Code::Unauthenticated);
        assert_eq!(code("t", text.replace("office", "nobody").as_bytes()), Code::Unauthenticated);
        assert_eq!(code("t", br#"{"signed":"{}"}"#), Code::Malformed);
        let with_more = text.replacen('{', "{\"id\":\"z\",", 1);
        assert_eq!(code("t", with_more.as_bytes()), Code::Malformed);
    }

    #[test]
    fn without_a_signature_the_door_does_not_move() {
        let config = config(&SigningKey::from_bytes(&[3; 32]));
        let opened = open(&config, "t", b"{}").unwrap();
        assert!(!opened.signed && !opened.caller.may(Scope::Door) && opened.caller.may(Scope::Persons));
    }

    #[test]
    fn a_field_twice_and_a_deep_nest_are_refused() {
        assert!(object(br#"{"a":{"b":1,"b":2}}"#).unwrap_err().message.contains("duplicate"));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60), "]".repeat(60));
        assert!(object(deep.as_bytes()).unwrap_err().message.contains("deep"));
        assert!(object("[".repeat(100_000).as_bytes()).is_err());
        assert!(object(b"{} x").is_err());
        assert!(object(b"7").is_err());
        assert_eq!(object(b" \n").unwrap().len(), 0);
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = open(&config(&SigningKey::from_bytes(&[3; 32])), "t", &bytes);
        }
    }
}
