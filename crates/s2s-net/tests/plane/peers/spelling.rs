//! One stream in many spellings: all mean the same, so all must work, however the bytes are cut.

use s2s_trust::Rung;

use super::{THEM, US, bounce, from, to};
use crate::support::plane::at;
use crate::support::*;

/// A header with `{names}` for its attributes, features with `{dialback}`, and the close tag.
struct Spelling {
    what: &'static str,
    header: &'static str,
    features: &'static str,
    close: &'static str,
}

const CLOSE: &str = "</stream:stream>";
const FEATURES: &str =
    "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>";

const SPELLINGS: [Spelling; 10] = [
    Spelling {
        what: "no XML declaration",
        header: "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                 xmlns:stream='http://etherx.jabber.org/streams' {names} version='1.0'>",
        features: FEATURES,
        close: CLOSE,
    },
    Spelling {
        what: "double quotes, a declaration with encoding, a new line behind it",
        header: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<stream:stream \
                 xmlns=\"jabber:server\" xmlns:db=\"jabber:server:dialback\" \
                 xmlns:stream=\"http://etherx.jabber.org/streams\" {names} version=\"1.0\">",
        features: "<stream:features><dialback xmlns=\"urn:xmpp:features:dialback\"/>\
                   </stream:features>",
        close: CLOSE,
    },
    Spelling {
        what: "standalone, lower-case encoding",
        header: "<?xml version='1.0' encoding='utf-8' standalone='yes'?><stream:stream \
                 xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                 xmlns:stream='http://etherx.jabber.org/streams' {names} version='1.0'>",
        features: FEATURES,
        close: CLOSE,
    },
    Spelling {
        what: "another prefix for streams and for dialback",
        header: "<s:stream xmlns='jabber:server' xmlns:d='jabber:server:dialback' \
                 xmlns:s='http://etherx.jabber.org/streams' {names} version='1.0'>",
        features: "<s:features><dialback xmlns='urn:xmpp:features:dialback'/></s:features>",
        close: "</s:stream>",
    },
    Spelling {
        what: "features that declare their namespace themselves",
        header: "<stream:stream xmlns='jabber:server' \
                 xmlns:stream='http://etherx.jabber.org/streams' {names} version='1.0'>",
        features: "<features xmlns='http://etherx.jabber.org/streams'>\
                   <f:dialback xmlns:f='urn:xmpp:features:dialback'><f:errors/></f:dialback>\
                   </features>",
        close: CLOSE,
    },
    Spelling {
        what: "white space inside tags",
        header: "<stream:stream\n\txmlns = 'jabber:server'\n\txmlns:db= 'jabber:server:dialback'\
                 \n\txmlns:stream ='http://etherx.jabber.org/streams'\n\t{names}\n\tversion='1.0'\n>",
        features: "<stream:features\n><dialback\txmlns='urn:xmpp:features:dialback' />\n\
                   </stream:features\n>",
        close: "</stream:stream\n>",
    },
    Spelling {
        what: "attributes and features that nobody knows",
        header: "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                 xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:example:x' \
                 x:from='bank.example' x:version='0.9' hue='green' xml:lang='de' {names} \
                 version='1.0'>",
        features: "<stream:features from='montague.example'><sub xmlns='urn:example:unknown'>\
                   <required/>text</sub><compression \
                   xmlns='http://jabber.org/features/compress'><method>zlib</method></compression>\
                   <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>\
                   <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>\
                   <sm xmlns='urn:xmpp:sm:3'/></stream:features>",
        close: CLOSE,
    },
    Spelling {
        what: "references and a bracket in attribute values",
        header: "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                 xmlns:stream='http://etherx.jabber.org/streams' hue='a>b&quot;&#x3e;' {names} \
                 version='&#49;.0'>",
        features: FEATURES,
        close: CLOSE,
    },
    Spelling {
        what: "a later version",
        header: "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                 xmlns:stream='http://etherx.jabber.org/streams' {names} version='1.10'>",
        features: FEATURES,
        close: CLOSE,
    },
    Spelling {
        what: "white space wherever it is a keepalive",
        header: "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
                 xmlns:stream='http://etherx.jabber.org/streams' {names} version='1.0'>\n \t\r\n",
        features: "\n<stream:features>\n  <dialback xmlns='urn:xmpp:features:dialback'/>\n\
                   </stream:features>\n\n",
        close: "\n</stream:stream>\n",
    },
];

/// How the bytes are cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    HeaderThenFeatures,
    ByteByByte,
}

const CUTS: [Cut; 3] = [Cut::Whole, Cut::HeaderThenFeatures, Cut::ByteByByte];

fn say(peer: &mut Peer, cut: Cut, first: &str, second: &str) {
    match cut {
        Cut::Whole => peer.send(&format!("{first}{second}")),
        Cut::HeaderThenFeatures => {
            // Two segments each, in the middle of a name.
            for part in [&first[..9], &first[9..], &second[..second.len() / 2]] {
                peer.send(part);
            }
            peer.send(&second[second.len() / 2..]);
        }
        Cut::ByteByByte => peer.drip(&format!("{first}{second}")),
    }
}

#[test]
fn every_spelling_of_a_response_is_understood_however_it_is_cut() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let mut capulet = component(&plane, US);
    for (n, spelling) in SPELLINGS.iter().enumerate() {
        for cut in CUTS {
            let remote = format!("{cut:?}{n}.example").to_lowercase();
            let listener = listener();
            plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
            capulet.send(&to(&remote, "one"));
            let mut peer = Peer::accept(&listener);
            peer.header();
            let names = format!("from=\"{remote}\" to='{US}' id='i{n}'");
            let head = spelling.header.replace("{names}", &names);
            say(&mut peer, cut, &head, spelling.features);
            // Ours is spelled as ever, whatever the peer's is.
            peer.expect(&format!("<db:result from='{US}' to='{remote}'>"));
            peer.expect("</db:result>");
            let answer = format!(
                " \n<v:result xmlns:v='jabber:server:dialback' from='{remote}' to='{US}' \
                 type='valid'/>\n "
            );
            say(&mut peer, cut, " \t\r\n\n\n\n\n\n\n\n", &answer);
            assert!(peer.expect("</message>").contains("one"), "{}", spelling.what);
            say(&mut peer, cut, "\n\n\n\n\n\n\n\n\n\n", spelling.close);
            assert_eq!(peer.expect_end(), "</stream:stream>", "{}", spelling.what);
        }
    }
}

#[test]
fn every_spelling_of_an_initiator_is_understood_however_it_is_cut() {
    let plane = Setup::new().start();
    let mut capulet = component(&plane, US);
    for spelling in &SPELLINGS {
        for cut in CUTS {
            let mut peer = Peer::connect(plane.s2s());
            let names = format!("from='{THEM}' to=\"{US}\"");
            let head = spelling.header.replace("{names}", &names);
            let stanza = from(THEM, "one");
            say(&mut peer, cut, &head, &format!("  {stanza}\n{stanza} "));
            let ours = peer.header();
            assert!(ours.is_spelled("stream:stream") || ours.text.contains("?><stream:stream "));
            for _ in 0..2 {
                let got = capulet.element();
                assert_eq!(got.attr("id"), "one", "{}", spelling.what);
                // The bank's attribute was in another namespace.
                assert_eq!(got.attr("from"), "romeo@montague.example");
            }
            peer.send(spelling.close);
            assert!(peer.expect_end().ends_with("</stream:stream>"), "{}", spelling.what);
        }
    }
}

#[test]
fn what_is_no_stream_of_servers_is_refused_and_bounces_what_waits() {
    let plane = Setup::new().minimum(Rung::Verified).start();
    let mut capulet = component(&plane, US);
    for (n, (header, condition)) in [
        // The content of clients.
        (
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
             {names} version='1.0'>",
            "invalid-namespace",
        ),
        // Another protocol's streams.
        (
            "<stream:stream xmlns='jabber:server' xmlns:stream='http://example.org/streams' \
             {names} version='1.0'>",
            "invalid-namespace",
        ),
        // A document type.
        ("<!DOCTYPE stream><stream:stream {names}>", "restricted-xml"),
        ("<html><body>It works!</body></html>{names}", "bad-format"),
        ("HTTP/1.1 400 Bad Request\r\n\r\n{names}", "not-well-formed"),
        ("220 mail.example ESMTP\r\n{names}", "not-well-formed"),
    ]
    .into_iter()
    .enumerate()
    {
        let remote = format!("r{n}.example");
        let listener = listener();
        plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        capulet.send(&to(&remote, "one"));
        let mut peer = Peer::accept(&listener);
        peer.header();
        let names = format!("from='{remote}' to='{US}' id='i'");
        peer.send(&format!("{}{FEATURES}", header.replace("{names}", &names)));
        let said = peer.expect_end();
        assert!(said.contains(&format!("<{condition} ")), "{header}: {said}");
        assert_eq!(bounce(&mut capulet, "one"), "wait remote-server-timeout");
        // The same as an initiator.
        let mut peer = Peer::connect(plane.s2s());
        peer.send(&header.replace("{names}", &format!("from='{THEM}' to='{US}'")));
        let said = peer.expect_end();
        assert!(said.contains("<stream:stream ") && said.contains(" id='"), "{said}");
        assert!(said.contains(&format!("<{condition} ")), "{header}: {said}");
    }
}
