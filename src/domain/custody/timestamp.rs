//! RFC 3161 timestamps: the question, and a token judged offline.
//!
//! A token is believed when it covers our bytes (SHA-256), bears our nonce where we sent one, is signed (CMS, RFC 5652) over its
//! own content by a certificate that it names (RFC 5035), and that certificate is good for timestamping (RFC 3161 §2.3) and leads
//! to a root that the reader trusts, **at the time that the token states**: a certificate that ran out since does not undo it.
//! Revocation is not asked for (that would need the network); later anchors cover that.

use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfo};
use der::asn1::{Int, OctetString};
use der::oid::ObjectIdentifier;
use der::{Any, Decode as _, Encode as _, Tag, Tagged as _};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sha1::Sha1;
use sha2::{Digest as _, Sha256 as Hasher256, Sha384, Sha512};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring as algorithms};
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion};

use crate::domain::value::{Sha256, Utc};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
/// id-kp-timeStamping, as webpki wants it.
const FOR_TIMESTAMPS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];
/// Nothing honest is larger.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;

static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::ED25519,
];

/// Why a token is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distrust {
    /// It is not a token, or not a whole one.
    Malformed,
    /// The authority refused.
    Refused,
    OtherBytes,
    OtherNonce,
    BadSignature,
    /// Signed in a way that this program does not know: nothing can be said of it.
    Unsupported,
    /// Its certificate leads to no root that is trusted, or was not good for this at that time.
    Untrusted,
}

impl Distrust {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "not a timestamp token",
            Self::Refused => "the authority refused",
            Self::OtherBytes => "it covers other bytes",
            Self::OtherNonce => "it answers another question",
            Self::BadSignature => "its signature does not hold",
            Self::Unsupported => "it is signed in a way that is not known here",
            Self::Untrusted => "its certificate is not trusted",
        }
    }
}

/// Roots that a reader trusts, from a PEM file.
pub struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// `None` when the text holds no certificate.
    pub fn parse(pem: &str) -> Option<Self> {
        use rustls_pki_types::pem::PemObject as _;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().ok()?;
        (!certificates.is_empty()).then_some(Self(certificates))
    }
}

/// The question (a `TimeStampReq`): SHA-256, a nonce, and the certificate along with the answer.
pub fn request(imprint: Sha256, nonce: [u8; 16]) -> Option<Vec<u8>> {
    let request = TimeStampReq {
        version: TspVersion::V1,
        message_imprint: MessageImprint {
            hash_algorithm: cms::cert::x509::spki::AlgorithmIdentifier { oid: SHA_256, parameters: Some(Any::null()) },
            hashed_message: OctetString::new(imprint.bytes().as_slice()).ok()?,
        },
        req_policy: None,
        nonce: Some(Int::new(&positive(nonce)).ok()?),
        cert_req: true,
        extensions: None,
    };
    request.to_der().ok()
}

/// A nonce as an INTEGER that is neither negative nor longer than it has to be.
fn positive(mut nonce: [u8; 16]) -> [u8; 16] {
    nonce[0] = nonce[0] & 0x7f | 0x40;
    nonce
}

/// The token inside an answer (a `TimeStampResp`).
pub fn token_of(answer: &[u8]) -> Result<Vec<u8>, Distrust> {
    let answer = TimeStampResp::from_der(answer).map_err(|_| Distrust::Malformed)?;
    // granted, or granted with modifications
    if answer.status.status as u8 > 1 {
        return Err(Distrust::Refused);
    }
    answer.time_stamp_token.ok_or(Distrust::Malformed)?.to_der().map_err(|_| Distrust::Malformed)
}

/// Judges a token; returns the time that it states.
pub fn verify(token: &[u8], imprint: Sha256, nonce: Option<[u8; 16]>, roots: &Roots) -> Result<Utc, Distrust> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Distrust::Malformed);
    }
    let (content, info, signed) = open(token).ok_or(Distrust::Malformed)?;
    if info.imprint.hash_algorithm.oid != SHA_256 || info.imprint.hashed_message.as_bytes() != imprint.bytes().as_slice() {
        return Err(Distrust::OtherBytes);
    }
    if let Some(nonce) = nonce
        && info.nonce.as_ref().map(Int::as_bytes) != Some(&positive(nonce))
    {
        return Err(Distrust::OtherNonce);
    }
    let [signer] = signed.signer_infos.0.as_slice() else { return Err(Distrust::Malformed) };
    let seconds = info.seconds;
    let certificates: Vec<CertificateDer<'static>> =
        signed.certificates.iter().flat_map(|set| set.0.iter()).filter_map(|c| c.to_der().ok().map(CertificateDer::from)).collect();
    let message = signed_message(signer, &content).ok_or(Distrust::BadSignature)?;
    let mut distrust = Distrust::BadSignature;
    let own = certificates
        .iter()
        .filter(|c| named(signer, c))
        .find(|c| match signed_with(c, &message, signer.signature.as_bytes()) {
            Ok(()) => true,
            Err(why) => {
                distrust = why;
                false
            }
        })
        .ok_or(distrust)?;
    let anchors: Vec<_> = roots.0.iter().filter_map(|c| anchor_from_trusted_cert(c).ok()).collect();
    EndEntityCert::try_from(own)
        .and_then(|cert| {
            cert.verify_for_usage(
                ALGORITHMS,
                &anchors,
                &certificates,
                UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
                KeyUsage::required(FOR_TIMESTAMPS),
                None,
                None,
            )
            .map(drop)
        })
        .map_err(|_| Distrust::Untrusted)?;
    Ok(Utc::from_micros(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000_000).saturating_mul(1_000_000)))
}

/// What of a `TSTInfo` is needed. Read by hand, because RFC 3161 allows fractions of a second in `genTime`, which the crate's type
/// does not.
struct Info {
    imprint: MessageImprint,
    seconds: u64,
    nonce: Option<Int>,
}

impl Info {
    fn read(der: &[u8]) -> Option<Self> {
        let fields: Vec<Any> = Vec::from_der(der).ok()?;
        // version, policy, messageImprint, serialNumber, genTime, and then what is optional: accuracy, ordering, nonce, tsa, extensions
        let [version, _, imprint, _, time, rest @ ..] = fields.as_slice() else { return None };
        (version.value() == [1] && time.tag() == Tag::GeneralizedTime).then_some(())?;
        Some(Self {
            imprint: imprint.decode_as().ok()?,
            seconds: seconds_of(std::str::from_utf8(time.value()).ok()?)?,
            nonce: rest.iter().find(|f| f.tag() == Tag::Integer).and_then(|f| f.decode_as().ok()),
        })
    }
}

/// `YYYYMMDDhhmmss[.s…]Z` (RFC 3161 §2.4.2), in whole seconds since 1970.
fn seconds_of(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('Z')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    (whole.len() == 14 && !fraction.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')).then_some(())?;
    let part = |a: usize, b: usize| whole.get(a..b);
    let iso = format!("{}-{}-{}T{}:{}:{}Z", part(0, 4)?, part(4, 6)?, part(6, 8)?, part(8, 10)?, part(10, 12)?, part(12, 14)?);
    u64::try_from(iso.parse::<Utc>().ok()?.micros() / 1_000_000).ok()
}

/// The token's content as it was signed, what it says, and who signed.
fn open(token: &[u8]) -> Option<(Vec<u8>, Info, SignedData)> {
    let content = ContentInfo::from_der(token).ok().filter(|c| c.content_type == SIGNED_DATA)?;
    let signed: SignedData = content.content.decode_as().ok()?;
    if signed.encap_content_info.econtent_type != TST_INFO {
        return None;
    }
    let inner = signed.encap_content_info.econtent.as_ref().filter(|c| c.tag() == Tag::OctetString)?.value().to_vec();
    let info = Info::read(&inner)?;
    Some((inner, info, signed))
}

fn attribute(signer: &SignerInfo, oid: ObjectIdentifier) -> Option<&Any> {
    let values = &signer.signed_attrs.as_ref()?.iter().find(|a| a.oid == oid)?.values;
    (values.len() == 1).then(|| values.get(0))?
}

/// The bytes under the signature: the signed attributes, which must name the content's type and its digest.
fn signed_message(signer: &SignerInfo, content: &[u8]) -> Option<Vec<u8>> {
    let digest: Vec<u8> = match signer.digest_alg.oid {
        SHA_256 => Hasher256::digest(content).to_vec(),
        SHA_384 => Sha384::digest(content).to_vec(),
        SHA_512 => Sha512::digest(content).to_vec(),
        _ => return None,
    };
    let kind: ObjectIdentifier = attribute(signer, CONTENT_TYPE)?.decode_as().ok()?;
    let said: OctetString = attribute(signer, MESSAGE_DIGEST)?.decode_as().ok()?;
    (kind == TST_INFO && said.as_bytes() == digest).then_some(())?;
    signer.signed_attrs.as_ref()?.to_der().ok()
}

/// Whether this certificate's key signed the message, by any of the algorithms that fit it.
fn signed_with(certificate: &CertificateDer<'_>, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
    let certificate = EndEntityCert::try_from(certificate).map_err(|_| Distrust::Malformed)?;
    let mut fits = false;
    for algorithm in ALGORITHMS {
        match certificate.verify_signature(*algorithm, message, signature) {
            Ok(()) => return Ok(()),
            Err(webpki::Error::InvalidSignatureForPublicKey) => fits = true,
            Err(_) => {}
        }
    }
    Err(if fits { Distrust::BadSignature } else { Distrust::Unsupported })
}

/// Whether the signed attributes name this certificate (ESSCertID and ESSCertIDv2 contain its digest), so that another one with the
/// same key cannot stand in for it.
fn named(signer: &SignerInfo, certificate: &CertificateDer<'_>) -> bool {
    let holds = |oid, digest: &[u8]| {
        attribute(signer, oid).and_then(|a| a.to_der().ok()).is_some_and(|der| der.windows(digest.len()).any(|w| w == digest))
    };
    holds(SIGNING_CERTIFICATE_V2, &Hasher256::digest(certificate))
        || holds(SIGNING_CERTIFICATE_V2, &Sha384::digest(certificate))
        || holds(SIGNING_CERTIFICATE_V2, &Sha512::digest(certificate))
        || holds(SIGNING_CERTIFICATE, &Sha1::digest(certificate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_der_and_junk_is_no_answer() {
        let question = request(Sha256::of(b"x"), [0xff; 16]).unwrap();
        let read = TimeStampReq::from_der(&question).unwrap();
        assert!(read.cert_req && read.nonce.unwrap().as_bytes()[0] == 0x7f);
        for junk in [&b""[..], b"hello", &[0x30, 0x80], &[0x30, 3, 2, 1, 0]] {
            assert!(token_of(junk).is_err());
            assert_eq!(verify(junk, Sha256::of(b"x"), None, &Roots(Vec::new())), Err(Distrust::Malformed));
        }
        // status rejection(2), no token
        assert_eq!(token_of(&[0x30, 5, 0x30, 3, 2, 1, 2]), Err(Distrust::Refused));
        assert!(Roots::parse("no certificate").is_none());
    }

    #[test]
    fn times_may_have_fractions() {
        for (text, seconds) in [
            ("20261123143015Z", Some(1_795_444_215)),
            ("20261123143015.34Z", Some(1_795_444_215)),
            ("19700101000000Z", Some(0)),
            ("20261123143015", None),
            ("20261123143015.Z", None),
            ("2026112314301Z", None),
            ("20261323143015Z", None),
            ("20261123143015+01Z", None),
        ] {
            assert_eq!(seconds_of(text), seconds, "{text}");
        }
    }
}
