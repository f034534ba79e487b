//! TLS with a verifier that remembers what it saw, and why it refused.

use std::{sync::Arc, time::Instant};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, NamedGroup, RootCertStore,
    SignatureScheme,
    client::{
        ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{EgressError, TlsInfo, facts::note};

/// The client configuration that all sessions of a guard share; it holds no connection state.
pub(crate) fn client_config(roots: RootCertStore) -> Result<ClientConfig, EgressError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| EgressError::Tls(Error::General(error.to_string())))?;
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(EgressError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RecordingVerifier { inner, provider }))
        .with_no_client_auth();
    // No session is ever resumed: a run shares nothing with another, and a full handshake is
    // what a monitor has to see. The store's first call also marks the start of the handshake.
    config.resumption = Resumption::store(Arc::new(HandshakeMarker));
    Ok(config)
}

/// The machine's own roots, which hold a company's too; Mozilla's where a container has none.
pub(crate) fn platform_roots() -> Result<RootCertStore, EgressError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a root certificate of the machine was not read");
    }
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        tracing::warn!("the machine has no root certificates; taking Mozilla's");
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    }
    if roots.is_empty() {
        Err(EgressError::NoRoots)
    } else {
        Ok(roots)
    }
}

#[derive(Debug)]
struct RecordingVerifier {
    inner: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        note(|hop| {
            hop.chain = std::iter::once(end_entity)
                .chain(intermediates)
                .map(|certificate| certificate.to_vec())
                .collect();
            hop.tls_refusal = verified.as_ref().err().map(refusal);
        });
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        note(|hop| hop.tls_protocol = Some("TLSv1.2"));
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        note(|hop| hop.tls_protocol = Some("TLSv1.3"));
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The reason in the words of whoever has to renew the certificate.
fn refusal(error: &Error) -> String {
    use CertificateError as E;
    let Error::InvalidCertificate(reason) = error else {
        return error.to_string();
    };
    match reason {
        E::Expired | E::ExpiredContext { .. } => "the certificate has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "the certificate is not valid yet".to_owned()
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "the certificate is for another name".to_owned()
        }
        E::UnknownIssuer => {
            "the certificate's issuer is not trusted (self-signed, or the chain is incomplete)"
                .to_owned()
        }
        E::Revoked => "the certificate is revoked".to_owned(),
        other => format!("the certificate is not valid: {other:?}"),
    }
}

/// Keeps no session; rustls asks it for a hint when a handshake starts.
#[derive(Debug)]
struct HandshakeMarker;

impl ClientSessionStore for HandshakeMarker {
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        note(|hop| hop.tls_started = Some(Instant::now()));
        None
    }

    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

/// Reads the facts of a chain, leaf first. `None` when the leaf does not parse.
pub(crate) fn describe_chain(protocol: &str, chain: &[Vec<u8>]) -> Option<TlsInfo> {
    let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
    let expiries = chain.iter().filter_map(|der| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(certificate.validity().not_after.timestamp())
    });
    let not_after = leaf.validity().not_after.timestamp();
    Some(TlsInfo {
        protocol: protocol.to_owned(),
        subject: leaf.subject().to_string(),
        issuer: leaf.issuer().to_string(),
        not_before: leaf.validity().not_before.timestamp(),
        not_after,
        chain_not_after: expiries.min().unwrap_or(not_after),
    })
}
