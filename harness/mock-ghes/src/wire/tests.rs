//! What the server seals and signs is opened and checked by another implementation, and the other way round: the
//! `openssl` program where it has the operation, else the other half of aws-lc-rs.

use std::process::Command;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use camino_tempfile::{Utf8TempDir, tempdir};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const AUDIENCE: &str = "https://ghes.test/_services/vstoken/_apis/oauth2/token/x";

/// A runner's key pair and what it registers.
struct Agent {
    pair: KeyPair,
    registered: AgentKey,
}

fn agent() -> Agent {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key can be generated");
    let public = pair.public_key();
    let part = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let modulus = part(public.modulus().big_endian_without_leading_zero());
    let exponent = part(public.exponent().big_endian_without_leading_zero());
    assert_eq!(exponent, "AQAB", "the exponent that every runner has");
    let registered = AgentKey::from_modulus_exponent(&modulus, &exponent).expect("the key is usable");
    Agent { pair, registered }
}

fn pkcs8(agent: &Agent) -> Pkcs8V1Der<'static> {
    agent.pair.as_der().expect("a key has a PKCS#8 form")
}

fn openssl(directory: &Utf8TempDir, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(directory.path())
        .output()
        .expect("the openssl program is installed");
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_sealed_session_key_is_opened_by_openssl() {
    let (agent, aes) = (agent(), random_aes_key());
    let directory = tempdir().expect("a temporary directory can be made");
    let write =
        |name, bytes: &[u8]| fs_err::write(directory.path().join(name), bytes).expect("the file is written");
    write("key.der", pkcs8(&agent).as_ref());

    for (fips, hash) in [(false, "sha1"), (true, "sha256")] {
        write("sealed", &seal_session_key(&agent.registered, fips, &aes));
        let (oaep, mgf1) = (format!("rsa_oaep_md:{hash}"), format!("rsa_mgf1_md:{hash}"));

        let opened = openssl(
            &directory,
            &[
                "pkeyutl",
                "-decrypt",
                "-inkey",
                "key.der",
                "-keyform",
                "DER",
                "-in",
                "sealed",
                "-pkeyopt",
                "rsa_padding_mode:oaep",
                "-pkeyopt",
                &oaep,
                "-pkeyopt",
                &mgf1,
            ],
        );

        assert_eq!(opened, aes, "the key sealed with {hash}");
    }
}

#[test]
fn the_sealed_session_key_is_opened_by_the_private_key_only() {
    let (agent, aes) = (agent(), random_aes_key());
    let open = |der: &[u8], sealed: &[u8]| {
        let key = PrivateDecryptingKey::from_pkcs8(der).expect("the key is usable");
        let key = OaepPrivateDecryptingKey::new(key).expect("the key is usable");
        let mut plain = vec![0; key.min_output_size()];
        key.decrypt(&OAEP_SHA1_MGF1SHA1, sealed, &mut plain, None)
            .map(|opened| opened.to_vec())
    };

    let sealed = seal_session_key(&agent.registered, false, &aes);

    assert_eq!(
        open(pkcs8(&agent).as_ref(), &sealed).expect("its own key opens it"),
        aes
    );
    assert!(open(pkcs8(&super::tests::agent()).as_ref(), &sealed).is_err());
}

#[test]
fn an_encrypted_message_is_read_by_openssl() {
    let aes = random_aes_key();
    let text = r#"{"messageType":"PipelineAgentJobRequest","jobDisplayName":"🚀"}"#;
    let directory = tempdir().expect("a temporary directory can be made");

    let message = encrypt_message(&aes, text.as_bytes());

    let decode = |text: &str| BASE64_STANDARD.decode(text).expect("the fields are base64");
    fs_err::write(directory.path().join("body"), decode(&message.body_b64)).expect("the file is written");
    let (key, iv) = (hex(&aes), hex(&decode(&message.iv_b64)));
    let read = openssl(
        &directory,
        &["enc", "-d", "-aes-256-cbc", "-K", &key, "-iv", &iv, "-in", "body"],
    );
    assert_eq!(String::from_utf8_lossy(&read), text);
}

proptest! {
    #[test]
    fn any_message_is_read_back(aes in any::<[u8; 32]>(), text in prop::collection::vec(any::<u8>(), 0..100)) {
        let message = encrypt_message(&aes, &text);
        let again = encrypt_message(&aes, &text);

        let decode = |text: &str| BASE64_STANDARD.decode(text).expect("the fields are base64");
        let iv: [u8; 16] = decode(&message.iv_b64).try_into().expect("the vector has 16 bytes");
        let mut body = decode(&message.body_b64);
        let key = UnboundCipherKey::new(&AES_256, &aes).and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
        let key = key.expect("any 32 bytes are a key");
        let read = key.decrypt(&mut body, DecryptionContext::Iv128((&iv).into())).expect("the padding fits");
        prop_assert_eq!(read, text.as_slice());
        prop_assert_ne!(message.iv_b64, again.iv_b64, "each message has its own vector");
    }
}

#[test]
fn keys_that_runners_do_not_have_are_refused() {
    let modulus = BASE64_STANDARD.encode([0xC1; 256]);
    let padded = BASE64_STANDARD.encode([&[0][..], &[0xC1; 256]].concat());
    let read = |modulus: &str, exponent: &str| AgentKey::from_modulus_exponent(modulus, exponent);

    assert!(
        read(&padded, "AQAB").is_ok(),
        "leading zeros, as .NET may write them"
    );
    assert!(matches!(
        read("!", "AQAB"),
        Err(KeyError::Base64 { part: "modulus", .. })
    ));
    assert!(matches!(
        read(&modulus, "!"),
        Err(KeyError::Base64 { part: "exponent", .. })
    ));
    assert!(matches!(read("wcHB", "AQAB"), Err(KeyError::NotRsa { bits: 24 })));
    assert!(matches!(read("", "AQAB"), Err(KeyError::NotRsa { bits: 0 })));
}

/// A client assertion as a runner writes it.
fn assertion(
    agent: &Agent,
    algorithm: &str,
    padding: &'static dyn RsaEncoding,
    claims: &serde_json::Value,
) -> String {
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let header = json!({"alg": algorithm, "typ": "JWT"}).to_string();
    let signed = format!(
        "{}.{}",
        part(header.as_bytes()),
        part(claims.to_string().as_bytes())
    );
    let mut signature = vec![0; agent.pair.public_modulus_len()];
    agent
        .pair
        .sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .expect("the key signs");
    format!("{signed}.{}", part(&signature))
}

fn claims(client: uuid::Uuid, now: Timestamp) -> serde_json::Value {
    let now = now.as_second();
    json!({"sub": client, "iss": client, "aud": AUDIENCE, "jti": "j", "nbf": now, "exp": now + 300})
}

fn moment() -> Timestamp {
    "2023-08-01T12:00:00Z".parse().expect("a time")
}

#[test]
fn assertions_are_taken_with_either_padding_whatever_the_header_says() {
    let (agent, client, now) = (agent(), random_guid(), moment());
    let paddings: [(&str, &'static dyn RsaEncoding); 3] = [
        ("RS256", &RSA_PKCS1_SHA256),
        ("PS256", &RSA_PSS_SHA256),
        ("RS256", &RSA_PSS_SHA256),
    ];

    for (algorithm, padding) in paddings {
        let jwt = assertion(&agent, algorithm, padding, &claims(client, now));

        let taken = verify_assertion(&agent.registered, &jwt, client, AUDIENCE, now);

        let expected = Assertion {
            id: Some("j".to_owned()),
            expires: now + SignedDuration::from_mins(5),
        };
        assert_eq!(taken.expect("the assertion is valid"), expected);
    }
}

#[test]
fn an_assertion_signed_by_jsonwebtoken_is_taken() {
    let (agent, client, now) = (agent(), random_guid(), moment());
    let directory = tempdir().expect("a temporary directory can be made");
    fs_err::write(directory.path().join("key.der"), pkcs8(&agent).as_ref()).expect("the file is written");
    let pem = openssl(&directory, &["pkey", "-inform", "DER", "-in", "key.der"]);
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(&pem).expect("the key is RSA");
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);

    let jwt = jsonwebtoken::encode(&header, &claims(client, now), &key).expect("the library signs");

    assert!(verify_assertion(&agent.registered, &jwt, client, AUDIENCE, now).is_ok());
}

#[test]
fn assertions_are_refused_for_each_reason() {
    let (agent, client, now) = (agent(), random_guid(), moment());
    let sign = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut claims = claims(client, now);
        change(&mut claims);
        assertion(&agent, "RS256", &RSA_PKCS1_SHA256, &claims)
    };
    let check = |jwt: &str, now| {
        verify_assertion(&agent.registered, jwt, client, AUDIENCE, now).expect_err("the assertion is refused")
    };
    let good = sign(&|_| {});
    let later = |minutes| now + SignedDuration::from_mins(minutes);
    let foreign = assertion(
        &super::tests::agent(),
        "RS256",
        &RSA_PKCS1_SHA256,
        &claims(client, now),
    );

    assert!(matches!(check(&foreign, now), AssertionError::Signature));
    assert!(matches!(check("abc", now), AssertionError::Malformed { .. }));
    assert!(matches!(check("a.b.c.d", now), AssertionError::Malformed { .. }));
    assert!(matches!(check(&good[1..], now), AssertionError::Malformed { .. }));
    let other = random_guid();
    assert!(matches!(
        check(&sign(&|c| c["sub"] = json!(other)), now),
        AssertionError::Client { claim: "sub", .. }
    ));
    assert!(matches!(
        check(&sign(&|c| c["iss"] = json!("x")), now),
        AssertionError::Client { claim: "iss", .. }
    ));
    assert!(matches!(
        check(&sign(&|c| c["aud"] = json!("https://other")), now),
        AssertionError::Audience { .. }
    ));
    assert!(
        verify_assertion(&agent.registered, &good, client, AUDIENCE, later(6)).is_ok(),
        "a minute is forgiven"
    );
    assert!(matches!(check(&good, later(-2)), AssertionError::Time { .. }));
    let late = check(&good, later(7));
    assert!(
        late.to_string()
            .contains("Current server time is 2023-08-01T12:07:00Z"),
        "{late}"
    );
}

#[test]
fn our_tokens_are_well_formed_and_known_again() {
    let (secret, now, hour) = (TokenSecret::random(), moment(), SignedDuration::from_hours(1));
    let grants = [
        Grant::Registration {
            scope: "enterprises/dogecompany".to_owned(),
        },
        Grant::Agent {
            agent_id: 5,
            client_id: random_guid(),
        },
        Grant::Job {
            plan_id: random_guid(),
            job_id: random_guid(),
        },
    ];

    for grant in grants {
        let token = secret.mint(&grant, now, hour);

        let header = jsonwebtoken::decode_header(&token).expect("the header is JSON with a known algorithm");
        assert_eq!(header.alg, jsonwebtoken::Algorithm::HS256);
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(secret.verify(&token, now).expect("the token is ours"), grant);
        assert!(matches!(
            secret.verify(&token, now + hour),
            Err(TokenError::Expired { .. })
        ));
        assert!(matches!(
            TokenSecret::random().verify(&token, now),
            Err(TokenError::NotOurs(_))
        ));
    }
    assert!(matches!(secret.verify("ghp_x", now), Err(TokenError::NotOurs(_))));
}

#[test]
fn random_tokens_have_githubs_form() {
    let (one, two) = (random_token("ghs_"), random_token("ghs_"));

    assert_eq!(one.len(), 40);
    assert!(
        one.starts_with("ghs_") && one[4..].chars().all(|c| c.is_ascii_alphanumeric()),
        "{one}"
    );
    assert_ne!(one, two);
}
