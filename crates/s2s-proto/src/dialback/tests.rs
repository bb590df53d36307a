use proptest::prelude::*;

use super::*;

/// The secrets of the examples are shorter than what `Secret::new` accepts.
fn example(secret: &str) -> Secret {
    Secret { current: derived_key(secret.as_bytes()), previous: None }
}

#[test]
fn keys_match_the_vectors_of_xep_0185() {
    let secret = example("s3cr3tf0rd14lb4ck");
    assert_eq!(
        secret.key("xmpp.example.com", "example.org", "D60000229F"),
        "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"
    );
    assert_eq!(
        secret.key("montague.example", "capulet.example", "D60000229F"),
        "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"
    );
    assert_eq!(
        example("d14lb4ck43v3r").key("capulet.example", "montague.example", "417GAF25"),
        "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"
    );
}

#[test]
fn the_hash_of_the_secret_is_used_in_hexadecimal() {
    assert_eq!(
        hex(digest::digest(&digest::SHA256, b"s3cr3tf0rd14lb4ck").as_ref()),
        "a7136eb1f46c9ef18c5e78c36ca257067c69b3d518285f0b18a96c33beae9acc"
    );
    let raw = hmac::Key::new(
        hmac::HMAC_SHA256,
        digest::digest(&digest::SHA256, b"s3cr3tf0rd14lb4ck").as_ref(),
    );
    let wrong = hex(sign(&raw, "xmpp.example.com", "example.org", "D60000229F").as_ref());
    assert_eq!(wrong, "4530485cd3f519a56e49b11b294b990ee9697dddaa9e95949e4cb0e64e9f017f");
    let secret = example("s3cr3tf0rd14lb4ck");
    assert!(!secret.check("xmpp.example.com", "example.org", "D60000229F", &wrong));
}

#[test]
fn a4_a_key_is_bound_to_both_domains_and_the_stream() {
    // A4: a key relayed to another domain, or from another stream, is worth nothing.
    let secret = Secret::new(&[7; 32]).unwrap();
    let key = secret.key("montague.example", "capulet.example", "S1");
    assert!(secret.check("montague.example", "capulet.example", "S1", &key));
    assert!(!secret.check("attacker.example", "capulet.example", "S1", &key));
    assert!(!secret.check("montague.example", "attacker.example", "S1", &key));
    assert!(!secret.check("montague.example", "capulet.example", "S2", &key));
    assert!(!secret.check("capulet.example", "montague.example", "S1", &key));
    assert!(!secret.check("montague.example", "capulet.example", "S1", ""));
    assert!(!secret.check("montague.example", "capulet.example", "S1", &key[..63]));
}

#[test]
fn a5_a_short_secret_is_refused() {
    assert_eq!(Secret::new(&[1; 31]).unwrap_err(), SecretTooShort);
    assert!(Secret::new(&[1; 32]).unwrap().with_previous(&[2; 31]).is_err());
}

#[test]
fn a5_after_a_rotation_keys_of_the_old_secret_still_check() {
    // A5: rotate while a hundred verifications are pending; all succeed.
    let old = Secret::new(&[1; 32]).unwrap();
    let keys: Vec<String> = (0..100)
        .map(|n| old.key("montague.example", "capulet.example", &format!("S{n}")))
        .collect();
    let new = Secret::new(&[2; 32]).unwrap().with_previous(&[1; 32]).unwrap();
    for (n, key) in keys.iter().enumerate() {
        assert!(new.check("montague.example", "capulet.example", &format!("S{n}"), key));
    }
    assert_ne!(new.key("montague.example", "capulet.example", "S0"), keys[0]);
    let newest = Secret::new(&[3; 32]).unwrap().with_previous(&[2; 32]).unwrap();
    assert!(!newest.check("montague.example", "capulet.example", "S0", &keys[0]));
}

#[test]
fn a3_a_wrong_number_dials_nobody() {
    // CVE-2016-0756: the characters of id and domain are the same in the same order, split elsewhere.
    let secret = Secret::new(&[7; 32]).unwrap();
    let text = "Sjabber.example";
    let key = secret.key("bber.example", "capulet.example", "Sja");
    assert!(secret.check("bber.example", "capulet.example", "Sja", &key));
    for (id, domain) in (1..text.len()).map(|at| text.split_at(at)).filter(|(id, _)| *id != "Sja") {
        assert!(!secret.check(domain, "capulet.example", id, &key), "{id} {domain}");
        assert_ne!(secret.key(domain, "capulet.example", id), key);
    }
}

#[test]
fn the_secret_is_never_printed() {
    let printed = format!("{:?}", Secret::new(&[b's'; 40]).unwrap());
    assert!(!printed.contains("ssss"), "{printed}");
}

proptest! {
    /// A3, the wrong number attack: no other split of the same characters into domain and id gives the same key.
    #[test]
    fn a3_no_split_of_the_same_text_gives_the_same_key(text in "[a-z.]{4,24}", cut_a in 1usize..20, cut_b in 1usize..20) {
        let secret = Secret::new(&[9; 32]).unwrap();
        let (cut_a, cut_b) = (cut_a.min(text.len() - 1), cut_b.min(text.len() - 1));
        prop_assume!(cut_a != cut_b);
        let key = secret.key("jabber.example", &text[..cut_a], &text[cut_a..]);
        prop_assert!(!secret.check("jabber.example", &text[..cut_b], &text[cut_b..], &key));
        let key = secret.key(&text[..cut_a], &text[cut_a..], "S");
        prop_assert!(!secret.check(&text[..cut_b], &text[cut_b..], "S", &key));
    }

    #[test]
    fn an_id_with_a_space_is_never_keyed(left in "[a-z]{0,8}", right in "[a-z]{0,8}") {
        let secret = Secret::new(&[9; 32]).unwrap();
        let id = format!("{left} {right}");
        let key = secret.key("jabber.example", "bber.example", &id);
        prop_assert!(!secret.check("jabber.example", "bber.example", &id, &key));
    }
}
