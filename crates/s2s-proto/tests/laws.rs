//! Law: every state of every stream survives every element, once each. Sequences of them are the identity fuzzer's business
//! (`identity/`).

mod support;

use s2s_proto::{ComponentConfig, ComponentEntry, Demand, StreamCondition};
use support::{Script, demands, header, pair, plain};
use xmpp_addr::DomainPattern;

/// Every element a stream knows, in every role; `{f}` and `{t}` are addresses.
const ELEMENTS: &[&str] = &[
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>YmFuay5leGFtcGxl</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>=</auth>",
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
    "<db:result from='{f}' to='{t}'>key</db:result>",
    "<db:result from='{f}' to='{t}'/>",
    "<db:result from='{f}'>key</db:result>",
    "<db:result to='{t}'>key</db:result>",
    "<db:result from='{f}' to='{t}' type='valid'/>",
    "<db:result from='{f}' to='{t}' type='invalid'/>",
    "<db:result from='{f}' to='{t}' type='error'><error/></db:result>",
    "<db:result type=''/>",
    "<db:verify from='{f}' to='{t}' id='X'>key</db:verify>",
    "<db:verify from='{f}' to='{t}'>key</db:verify>",
    "<db:verify from='{f}' to='{t}' id='X' type='valid'/>",
    "<db:verify from='{f}' to='{t}' id='X' type='invalid'/>",
    "<db:verify from='{f}' id='X' type='error'/>",
    "<db:verify/>",
    "<db:nonsense from='{f}' to='{t}'/>",
    "<compress xmlns='http://jabber.org/protocol/compress'/>",
    "<bidi xmlns='urn:xmpp:bidi'/>",
    "<handshake/>",
    "<handshake xmlns='jabber:component:accept'>00</handshake>",
    "<stream:features/>",
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
     <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>",
    "<stream:error/>",
    "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "<message from='a@{f}' to='b@{t}'><body>x</body></message>",
    "<iq from='a@{f}' to='b@{t}' type='get' id='1'/>",
    "<presence from='{f}'/>",
    "<presence from='' to=''/>",
    "<message xmlns='jabber:client' from='a@{f}' to='b@{t}'/>",
    "<x xmlns='urn:x' from='{f}' to='{t}' id='1' type='valid'/>",
    "</stream:stream>",
    "<!-- no -->",
    "<db:result from='{f}' from='{f}' to='{t}'>key</db:result>",
    "<bidi xmlns='urn:xmpp:features:bidi'/>",
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>\
     <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/></stream:features>",
];

fn filled(template: &str) -> String {
    template.replace("{f}", "capulet.example").replace("{t}", "montague.example")
}

#[test]
fn a37_every_state_survives_every_element() {
    let prefixes: &[&[&str]] =
        &[&[], &["H"], &["H", "E4"], &["H", "E5"], &["H", "E13"], &["H", "E0", "H"]];
    for prefix in prefixes {
        for element in ELEMENTS {
            for demand in
                [Demand::Assertion, Demand::Dialback, Demand::DialbackOverTls, Demand::Certificate]
            {
                let mut peer = Script::inbound_direct(support::proves(demand));
                for step in *prefix {
                    match step.strip_prefix('E') {
                        Some(index) => {
                            peer.recv(&filled(ELEMENTS[index.parse::<usize>().unwrap()]));
                        }
                        None => peer.recv(&header(
                            "from='capulet.example' to='montague.example' version='1.0'",
                        )),
                    }
                }
                peer.recv(&filled(element));
                peer.fail(StreamCondition::UndefinedCondition.into());
                assert!(peer.closed.is_some());
            }
            let mut peer = Script::outbound(plain(false), demands(Demand::Dialback));
            peer.authorize(pair("capulet.example", "montague.example"));
            for _ in *prefix {
                peer.recv(&header("id='S1' version='1.0'"));
            }
            peer.recv(&filled(element));
            let entry = ComponentEntry { pattern: DomainPattern::Any, secret: "s".into() };
            let mut peer = Script::component(ComponentConfig::new(vec![entry]));
            for _ in *prefix {
                let opening = header("to='chat.example'")
                    .replace("jabber:server'", "jabber:component:accept'");
                peer.recv(&opening);
            }
            peer.recv(&filled(element));
        }
    }
}
