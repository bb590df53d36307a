use super::*;

fn canonical(text: &str) -> String {
    match canonical_domain(text) {
        Ok(name) => name.into_owned(),
        Err(error) => panic!("{text:?} was refused: {error}"),
    }
}

fn refusal(text: &str) -> AddrError {
    match canonical_domain(text) {
        Ok(name) => panic!("{text:?} was accepted as {name:?}"),
        Err(error) => error,
    }
}

#[test]
fn a40_all_spellings_of_one_name_have_one_form() {
    let spellings = [
        "bücher.capulet.example",
        "BÜCHER.Capulet.EXAMPLE",
        "bu\u{308}cher.capulet.example",
        "xn--bcher-kva.capulet.example",
        "XN--BCHER-KVA.capulet.example",
        "bücher.capulet.example.",
        "bücher.capulet.example\u{3002}",
        "bücher\u{3002}capulet\u{FF0E}example",
        "bücher\u{FF61}ｃａｐｕｌｅｔ.example",
        "bü\u{AD}cher.capulet.example",
    ];
    for spelling in spellings {
        assert_eq!(canonical(spelling), "xn--bcher-kva.capulet.example", "{spelling:?}");
    }
}

#[test]
fn upper_case_and_one_final_dot_are_removed() {
    assert_eq!(canonical("EXAMPLE.com"), "example.com");
    assert_eq!(canonical("example.com."), "example.com");
    assert_eq!(canonical("Localhost"), "localhost");
    assert_eq!(refusal("example.com.."), AddrError::LabelEmpty);
    assert_eq!(refusal("example.com.\u{3002}"), AddrError::LabelEmpty);
    assert_eq!(refusal("."), AddrError::DomainEmpty);
    assert_eq!(refusal(""), AddrError::DomainEmpty);
}

#[test]
fn canonical_text_is_borrowed() {
    for text in [
        "capulet.example",
        "a",
        "a-b.c1",
        "192.0.2.1",
        "[2001:db8::1]",
        "[::ffff:192.0.2.1]",
        "xn--bcher-kva.example",
    ] {
        assert!(
            matches!(canonical_domain(text), Ok(Cow::Borrowed(same)) if same == text),
            "{text:?}"
        );
    }
    assert!(matches!(canonical_domain("capulet.example."), Ok(Cow::Borrowed("capulet.example"))));
}

#[test]
fn sharp_s_and_final_sigma_are_letters_of_their_own() {
    assert_eq!(canonical("faß.example"), "xn--fa-hia.example");
    assert_eq!(canonical("fass.example"), "fass.example");
    assert_ne!(canonical("βόλος.example"), canonical("βόλοσ.example"));
}

#[test]
fn labels_obey_the_host_name_rules() {
    assert_eq!(refusal(".example"), AddrError::LabelEmpty);
    assert_eq!(refusal("a..example"), AddrError::LabelEmpty);
    assert_eq!(refusal("ü..example"), AddrError::LabelEmpty);
    assert_eq!(refusal("ü.\u{AD}.example"), AddrError::LabelEmpty);
    assert_eq!(refusal("-a.example"), AddrError::LabelHyphen);
    assert_eq!(refusal("a-.example"), AddrError::LabelHyphen);
    assert_eq!(refusal("ü-.example"), AddrError::Idna);
    for (text, found) in [
        ("_xmpp-server._tcp.a.example", '_'),
        ("a b.example", ' '),
        ("a\0.example", '\0'),
        ("a:5269", ':'),
        ("::1", ':'),
        ("a%2e.example", '%'),
        ("*.example", '*'),
        ("a\u{7f}.example", '\u{7f}'),
    ] {
        assert_eq!(refusal(text), AddrError::DomainChar(found), "{text:?}");
    }
    assert_eq!(refusal("ü_.example"), AddrError::Idna);
}

#[test]
fn third_and_fourth_hyphens_are_allowed() {
    assert_eq!(canonical("r3---sn.example"), "r3---sn.example");
    assert_eq!(canonical("AB--cd.example"), "ab--cd.example");
}

#[test]
fn lengths_are_counted_in_the_ascii_form() {
    let label = "a".repeat(63);
    assert_eq!(canonical(&label), label);
    assert_eq!(refusal(&"a".repeat(64)), AddrError::LabelTooLong);
    let name = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(name.len(), 253);
    assert_eq!(canonical(&name), name);
    assert_eq!(canonical(&format!("{name}.")), name);
    assert_eq!(refusal(&format!("{name}a")), AddrError::DomainTooLong);
    // Short as U-label, too long as A-label.
    let unicode: String = ('\u{4E00}'..).step_by(37).take(30).collect();
    assert_eq!(refusal(&unicode), AddrError::LabelTooLong);
    assert_eq!(refusal(&"ü".repeat(512)), AddrError::DomainTooLong);
}

#[test]
fn a_labels_must_round_trip() {
    for text in [
        "xn--.example",
        "xn--a.example",
        "xn--capulet-.example",
        "xn--\u{FC}.example",
        "xn--99999999.example",
        "xn--0000000000h.example",
        // The encodings of `Ü`, of `u` with a combining diaeresis, and of full-width `a`: what they stand for is written otherwise.
        "xn--wca.example",
        "xn--u-ccb.example",
        "xn--mi7c.example",
        // An ideographic full stop inside a label.
        "xn--ab-r13a.example",
        // An A-label inside an A-label.
        "xn--xn--bcher-kva-.example",
    ] {
        let error = refusal(text);
        assert!(
            matches!(error, AddrError::Idna | AddrError::IdnaRoundTrip | AddrError::LabelHyphen),
            "{text:?} {error:?}"
        );
    }
}

#[test]
fn ipv4_is_dotted_decimal_or_nothing() {
    assert_eq!(canonical("192.0.2.1"), "192.0.2.1");
    assert_eq!(canonical("192.0.2.1."), "192.0.2.1");
    assert_eq!(canonical("１９２.０.２.１"), "192.0.2.1");
    assert_eq!(canonical("192\u{3002}0\u{3002}2\u{3002}1"), "192.0.2.1");
    for text in [
        "1",
        "127.1",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "010.0.0.1",
        "192.0.2.01",
        "0x7f000001",
        "0X7F.1.1.0X1",
        "127.0.0.0x1",
        "0x",
        "capulet.1",
        "2130706433",
        "１２７.１",
    ] {
        assert_eq!(refusal(text), AddrError::Ipv4Malformed, "{text:?}");
    }
    assert_eq!(canonical("1.2.3.example"), "1.2.3.example");
    assert_eq!(canonical("0x.example"), "0x.example");
    assert_eq!(canonical("3com"), "3com");
}

#[test]
fn ipv6_is_written_one_way() {
    for text in [
        "[2001:db8::1]",
        "[2001:DB8:0:0::1]",
        "[2001:0db8:0000:0000:0000:0000:0000:0001]",
        "[2001:db8::1].",
    ] {
        assert_eq!(canonical(text), "[2001:db8::1]", "{text:?}");
    }
    assert_eq!(canonical("[::FFFF:c000:201]"), "[::ffff:192.0.2.1]");
    for text in [
        "[]",
        "[",
        "[::1",
        "[::1]a",
        "[[::1]]",
        "[fe80::1%eth0]",
        "[fe80::1%25eth0]",
        "[v1.a]",
        "[192.0.2.1]",
        "[::1]..",
        "[:::1]",
        "[ü]",
    ] {
        assert_eq!(refusal(text), AddrError::Ipv6Malformed, "{text:?}");
    }
}
