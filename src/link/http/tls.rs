//! TLS for the door's own server: a certificate of its own where none is given.
//!
//! Owns: making a self-signed certificate, the server's settings. Does not own: where the files are kept, trust
//! (clients pin the certificate or its fingerprint). Invariant: TLS 1.2 and 1.3 with ring's suites, HTTP/1.1 alone.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate could be made.
    #[error("a certificate for the door's own server cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The files are no certificate and key.
    #[error("the certificate or its key cannot be used: {0}; both must be PEM files that belong together")]
    Pem(String),
    /// They do not fit.
    #[error("the certificate and its key do not fit each other: {0}")]
    Fit(#[from] rustls::Error),
}

/// A certificate with its key, as PEM texts.
pub struct OwnCertificate {
    /// For clients, to be pinned.
    pub certificate: String,
    /// For the door alone.
    pub key: String,
}

impl std::fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnCertificate(<redacted>)")
    }
}

/// Makes a self-signed certificate for these host names and addresses. It has no end that an installer would have to
/// watch (rcgen's default, the year 4096): what makes it trustworthy is that clients pin it.
///
/// # Errors
/// When a name cannot stand in a certificate.
pub fn own_certificate(names: &[String]) -> Result<OwnCertificate, TlsError> {
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok(OwnCertificate { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
}

/// SHA-256 of the first certificate, as clients show it: for an installer to compare by eye.
#[must_use]
pub fn fingerprint(certificate: &[u8]) -> Option<String> {
    use sha2::Digest as _;
    let first = CertificateDer::pem_slice_iter(certificate).next()?.ok()?;
    Some(crate::wire::hex(&sha2::Sha256::digest(&first)))
}

/// The server's settings.
pub(crate) fn server_config(certificate: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|e| TlsError::Pem(e.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::Pem("there is no certificate in it".into()));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| TlsError::Pem(e.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_certificate_serves_and_another_key_does_not_fit() {
        let names = ["door.local".to_owned(), "192.168.1.7".to_owned()];
        let own = own_certificate(&names).unwrap();
        server_config(own.certificate.as_bytes(), own.key.as_bytes()).unwrap();
        let other = own_certificate(&names).unwrap();
        let mixed = server_config(own.certificate.as_bytes(), other.key.as_bytes());
        assert!(matches!(mixed, Err(TlsError::Fit(_))));
        assert!(matches!(server_config(b"", own.key.as_bytes()), Err(TlsError::Pem(_))));
        assert!(matches!(server_config(own.certificate.as_bytes(), b"x"), Err(TlsError::Pem(_))));
        assert!(!format!("{own:?}").contains("BEGIN"));
    }
}
