//! The CA's files: made once, refused when exposed or not a pair, replaced in an order that leaves no gap.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// 2027-01-01.
const NOW: i64 = 1_798_761_600;
const DAY: i64 = 86_400;

fn opened(directory: &Path) -> Authority {
    open(directory, "capulet.example", NOW).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn content(directory: &Path, file: &str) -> String {
    fs::read_to_string(directory.join(file)).unwrap()
}

#[test]
fn a_ca_is_made_once_and_only_this_user_reads_its_key() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("state");
    assert!(inspect(&directory).unwrap().is_none());
    assert!(!directory.exists(), "inspection writes");

    let first = opened(&directory);
    assert_eq!(mode(&directory.join("backend-ca.key")), 0o600);
    assert_eq!(mode(&directory), 0o700);
    let again = open(&directory, "other.example", NOW + DAY).unwrap();
    assert_eq!(first.fingerprint, again.fingerprint);
    assert_eq!(inspect(&directory).unwrap().unwrap().fingerprint, first.fingerprint);
}

#[test]
fn a_ca_says_whose_it_is_and_issues_leaves_only() {
    let directory = tempfile::tempdir().unwrap();
    let authority = opened(directory.path());
    assert_eq!(authority.not_before, NOW - 3_600);
    assert_eq!(authority.not_after, NOW + 3_650 * DAY);
    let words: Vec<&str> = authority.name.split(' ').collect();
    assert_eq!(words[..3], ["Peerage", "internal", "CA"]);
    assert_eq!(words[4], "capulet.example");
    assert!(ORGANIZATION.len() <= COMMON_NAME_CHARS_MAX, "RFC 5280: ub-organization-name");

    let (_, parsed) = X509Certificate::from_der(&authority.certificate).unwrap();
    let constraints = parsed.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = parsed.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
    assert!(!usage.value.digital_signature());
    // id-ecPublicKey with an uncompressed point of P-256.
    assert_eq!(parsed.public_key().subject_public_key.data.len(), 65);

    let long = format!("{}.example", "a".repeat(60));
    let elsewhere = tempfile::tempdir().unwrap();
    let authority = open(elsewhere.path(), &long, NOW).unwrap();
    assert_eq!(authority.name.len(), COMMON_NAME_CHARS_MAX);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    opened(directory.path());
    let key = directory.path().join("backend-ca.key");
    for exposed in [0o640, 0o604, 0o660] {
        set_mode(&key, exposed);
        let error = open(directory.path(), "capulet.example", NOW).unwrap_err().to_string();
        assert!(
            error.contains(&format!(
                "mode {exposed:04o} lets others read the key of the internal CA"
            )),
            "{error}"
        );
        assert!(inspect(directory.path()).is_err());
    }
    set_mode(&key, 0o400);
    opened(directory.path());
}

#[test]
fn half_a_ca_is_never_completed_silently() {
    for lost in ["backend-ca.key", "backend-ca.crt"] {
        let directory = tempfile::tempdir().unwrap();
        opened(directory.path());
        fs::remove_file(directory.path().join(lost)).unwrap();
        let error = open(directory.path(), "capulet.example", NOW).unwrap_err();
        let CaError::Half { missing, .. } = &error else { panic!("{error}") };
        assert!(missing.ends_with(lost), "{error}");
        assert!(!directory.path().join(lost).exists());
    }
}

#[test]
fn files_that_are_no_ca_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (here, elsewhere) = (directory.path(), tempfile::tempdir().unwrap());
    opened(here);
    opened(elsewhere.path());
    let certificate = here.join(CERTIFICATE_FILE);
    let refusal = || inspect(here).unwrap_err().to_string();

    fs::copy(elsewhere.path().join(CERTIFICATE_FILE), &certificate).unwrap();
    assert!(refusal().contains("is not the key of"), "{}", refusal());
    fs::write(&certificate, "no PEM").unwrap();
    assert!(refusal().ends_with("backend-ca.crt: holds no PEM certificate"), "{}", refusal());

    let key = KeyPair::from_pem(&content(here, "backend-ca.key")).unwrap();
    let mut params = CertificateParams::default();
    fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    assert!(refusal().contains("is not a CA's"), "{}", refusal());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    assert!(refusal().contains("was not made by `peerage ca`"), "{}", refusal());

    fs::copy(elsewhere.path().join(CERTIFICATE_FILE), &certificate).unwrap();
    fs::write(here.join("backend-ca.key"), "no PEM").unwrap();
    assert!(refusal().ends_with("backend-ca.key: holds no PEM private key"), "{}", refusal());
}

#[test]
fn a_rotation_stages_first_and_keeps_the_previous_ca() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    assert!(matches!(stage(here, "capulet.example", NOW), Err(CaError::None { .. })));
    let first = opened(here);
    let (certificate, key) = (content(here, CERTIFICATE_FILE), content(here, "backend-ca.key"));
    assert!(matches!(activate(here), Err(CaError::NotStaged { .. })));

    let next = stage(here, "capulet.example", NOW).unwrap();
    assert_eq!(mode(&here.join("backend-ca.next.key")), 0o600);
    assert_ne!(next.name, first.name);
    assert_eq!(opened(here).fingerprint, first.fingerprint, "staging changes what is in use");
    let again = stage(here, "capulet.example", NOW + DAY).unwrap();
    assert_eq!(again.fingerprint, next.fingerprint, "what was handed out is replaced");

    assert_eq!(activate(here).unwrap().fingerprint, next.fingerprint);
    assert_eq!(opened(here).fingerprint, next.fingerprint);
    assert!(inspect_next(here).unwrap().is_none());
    assert_eq!(content(here, "backend-ca.previous.crt"), certificate);
    assert_eq!(content(here, "backend-ca.previous.key"), key);
    assert!(matches!(activate(here), Err(CaError::NotStaged { .. })));

    let third = stage(here, "capulet.example", NOW).unwrap();
    activate(here).unwrap();
    assert_eq!(opened(here).fingerprint, third.fingerprint);
    let previous =
        load(&here.join("backend-ca.previous.crt"), &here.join("backend-ca.previous.key"));
    assert_eq!(previous.unwrap().fingerprint, next.fingerprint);
}

#[test]
fn an_interrupted_activation_is_finished_by_running_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    opened(here);
    let next = stage(here, "capulet.example", NOW).unwrap();
    // As far as the first of the two renames.
    fs::rename(here.join("backend-ca.next.key"), here.join("backend-ca.key")).unwrap();
    let error = inspect(here).unwrap_err();
    assert!(error.to_string().contains("`peerage ca rotate --activate` finishes it"), "{error}");
    assert_eq!(activate(here).unwrap().fingerprint, next.fingerprint);
    assert!(!here.join("backend-ca.next.crt").exists());
}

#[test]
fn a_next_certificate_with_a_foreign_key_is_not_activated() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let first = opened(here);
    stage(here, "capulet.example", NOW).unwrap();
    fs::remove_file(here.join("backend-ca.next.key")).unwrap();
    assert!(matches!(activate(here), Err(CaError::Mismatch { .. })));
    assert_eq!(opened(here).fingerprint, first.fingerprint);
}

#[test]
fn the_end_of_a_ca_is_announced() {
    let directory = tempfile::tempdir().unwrap();
    let authority = opened(directory.path());
    assert_eq!(authority.validity(NOW), None);
    let soon = authority.validity(authority.not_after - 89 * DAY).unwrap();
    assert!(soon.contains("expires in 89 days, at 2036-12-29T00:00:00Z"), "{soon}");
    assert!(authority.validity(authority.not_after + 1).unwrap().contains("expired at"));
    assert!(authority.validity(NOW - DAY).unwrap().contains("is not valid before"));
}
