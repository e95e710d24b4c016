//! Signed answers: compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037), and the key set that verifies them.
//!
//! Owns: the forms. Does not own: the key (`wire::Operations` signs). Invariant: the payload is what was signed, byte
//! for byte: JSON with sorted keys and no spaces; a verifier reads it from the JWS and needs no canonical form.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::wire::{Operations, Refusal};

/// Signs a JSON value.
pub(super) fn sign(operations: &dyn Operations, payload: &Value) -> Result<String, Refusal> {
    let header = json!({ "alg": "EdDSA", "kid": key_id(&operations.public_key()?), "typ": "JWT" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(payload));
    let signature = operations.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The key set (RFC 7517).
pub(super) fn key_set(operations: &dyn Operations) -> Result<Value, Refusal> {
    let key = operations.public_key()?;
    Ok(json!({ "keys": [{
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": key_id(&key),
        "x": URL_SAFE_NO_PAD.encode(key),
    }] }))
}

/// The key's thumbprint (RFC 7638).
fn key_id(key: &[u8; 32]) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(key));
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_of_rfc_8037() {
        // RFC 8037, appendix A.2 and A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key: [u8; 32] = URL_SAFE_NO_PAD.decode(x).unwrap().try_into().unwrap();
        assert_eq!(key_id(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
