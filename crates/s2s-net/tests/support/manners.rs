//! How the servers speak that no distribution packages: one table, data only. `named` plays it.
//!
//! In every text `{own}` is the server's domain, `{other}` ours, `{id}` a stream id, `{key}` a key,
//! `{type}` an answer and `{authzid}` the server's domain in base64. `read_in` says where the
//! manners were read; where a line has a quirk of its own, the comment names the function.

/// One server.
pub struct Manners {
    pub server: &'static str,
    /// Repository and files.
    pub read_in: &'static str,
    /// Its header as the initiating server, in clear and over TLS.
    pub initial: [&'static str; 2],
    /// Its header as the responding server, and the features before TLS, over TLS, after EXTERNAL.
    pub response: &'static str,
    pub offers: [&'static str; 3],
    /// How it asks for EXTERNAL; `None`: it cannot.
    pub auth: Option<&'static str>,
    /// How it refuses EXTERNAL.
    pub auth_refused: &'static str,
    /// `db:result` and `db:verify`, and its answers to both.
    pub key: &'static str,
    pub check: &'static str,
    pub key_answer: &'static str,
    pub check_answer: &'static str,
    pub sni: bool,
    pub dials_back: DialsBack,
    /// What it insists on in our response header.
    pub insists: &'static [Insists],
    /// It knows dialback elements by their literal prefix.
    pub prefix_is_db: bool,
    pub after_check: AfterCheck,
}

/// When the initiating server sends a dialback key.
pub enum DialsBack {
    /// The response header declares the prefix `db`.
    WhenDeclared,
    /// The features have the dialback element.
    WhenOffered,
    /// Always.
    Always,
}

/// What is checked of a response header, and the stream given up otherwise.
pub enum Insists {
    ContentNamespace,
    Version,
    Id,
    FromIsTheDomainAskedFor,
    ToIsOurs,
}

/// What the authoritative server does once it has answered a check.
#[derive(PartialEq, Eq)]
pub enum AfterCheck {
    Stays,
    Closes,
}

/// 6.3.
pub const MONGOOSEIM: Manners = Manners {
    server: "MongooseIM",
    read_in: "esl/MongooseIM: src/s2s/mongoose_s2s_in.erl, mongoose_s2s_out.erl, \
              mongoose_s2s_dialback.erl",
    // stream_header/1: an id of its own; `from` only once TLS protects it (RFC 6120 §4.7.1).
    initial: [
        "<stream:stream id='{id}' to='{other}' version='1.0' xml:lang='en' xmlns='jabber:server' \
         xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>",
        "<stream:stream from='{own}' id='{id}' to='{other}' version='1.0' xml:lang='en' \
         xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
    ],
    // No `to`.
    response: "<stream:stream from='{own}' id='{id}' version='1.0' xml:lang='en' \
               xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
               xmlns:stream='http://etherx.jabber.org/streams'>",
    // add_tls_elems/3: EXTERNAL for any certificate, and dialback is in the header only.
    offers: [
        "<stream:features from='{own}'><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\
         </stream:features>",
        "<stream:features from='{own}'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
         <mechanism>EXTERNAL</mechanism></mechanisms></stream:features>",
        "<stream:features from='{own}'/>",
    ],
    auth: Some("{authzid}"),
    // handle_auth_start/2: no condition; the stream is closed.
    auth_refused: "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></stream:stream>",
    key: "<db:result from='{own}' to='{other}'>{key}</db:result>",
    check: "<db:verify id='{id}' from='{own}' to='{other}'>{key}</db:verify>",
    key_answer: "<db:result type='{type}' from='{own}' to='{other}'/>",
    check_answer: "<db:verify id='{id}' type='{type}' from='{own}' to='{other}'/>",
    sni: true,
    dials_back: DialsBack::WhenDeclared,
    // handle_stream_start/3.
    insists: &[
        Insists::ContentNamespace,
        Insists::Version,
        Insists::Id,
        Insists::FromIsTheDomainAskedFor,
        Insists::ToIsOurs,
    ],
    prefix_is_db: true,
    after_check: AfterCheck::Stays,
};

/// 5.1.
pub const OPENFIRE: Manners = Manners {
    server: "Openfire",
    read_in: "igniterealtime/Openfire: server/ServerDialback.java, \
              session/LocalOutgoingServerSession.java, nio/NettyOutgoingConnectionHandler; \
              OF-443, OF-2690, OF-2692",
    // A declaration with an encoding, a new line, double quotes.
    initial: [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<stream:stream \
         xmlns:stream=\"http://etherx.jabber.org/streams\" xmlns=\"jabber:server\" \
         xmlns:db=\"jabber:server:dialback\" to=\"{other}\" from=\"{own}\" version=\"1.0\">",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<stream:stream \
         xmlns:stream=\"http://etherx.jabber.org/streams\" xmlns=\"jabber:server\" \
         xmlns:db=\"jabber:server:dialback\" to=\"{other}\" from=\"{own}\" version=\"1.0\">",
    ],
    response: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<stream:stream \
               xmlns:db=\"jabber:server:dialback\" \
               xmlns:stream=\"http://etherx.jabber.org/streams\" xmlns=\"jabber:server\" \
               from=\"{own}\" to=\"{other}\" id=\"{id}\" version=\"1.0\">",
    offers: [
        "<stream:features><starttls xmlns=\"urn:ietf:params:xml:ns:xmpp-tls\"/>\
         <dialback xmlns=\"urn:xmpp:features:dialback\"><errors/></dialback></stream:features>",
        "<stream:features><mechanisms xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\">\
         <mechanism>EXTERNAL</mechanism></mechanisms>\
         <dialback xmlns=\"urn:xmpp:features:dialback\"><errors/></dialback></stream:features>",
        "<stream:features/>",
    ],
    auth: Some("{authzid}"),
    auth_refused: "<failure xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\"><not-authorized/></failure>\
                   </stream:stream>",
    key: "<db:result from=\"{own}\" to=\"{other}\">{key}</db:result>",
    // sendVerifyKey: the element is serialised alone and declares its prefix again.
    check: "<db:verify xmlns:db=\"jabber:server:dialback\" from=\"{own}\" to=\"{other}\" \
            id=\"{id}\">{key}</db:verify>",
    key_answer: "<db:result from=\"{own}\" to=\"{other}\" type=\"{type}\"/>",
    // verifyReceivedKey.
    check_answer: "<db:verify from=\"{own}\" to=\"{other}\" type=\"{type}\" id=\"{id}\"/>",
    sni: true,
    dials_back: DialsBack::WhenOffered,
    // OF-2692: without an id the connection is closed.
    insists: &[Insists::Version, Insists::Id],
    prefix_is_db: true,
    // createIncomingSession: a check that comes first is answered, then the connection closed.
    after_check: AfterCheck::Closes,
};

/// Openfire where TLS is off or has failed: createOutgoingSession sends a header without version.
pub const OPENFIRE_IN_CLEAR: Manners = Manners {
    server: "Openfire in clear",
    initial: [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<stream:stream \
         xmlns:stream=\"http://etherx.jabber.org/streams\" xmlns=\"jabber:server\" \
         xmlns:db=\"jabber:server:dialback\" to=\"{other}\" from=\"{own}\">",
        "",
    ],
    offers: [
        "<stream:features><dialback xmlns=\"urn:xmpp:features:dialback\"><errors/></dialback>\
         </stream:features>",
        "",
        "",
    ],
    // It looks for the prefix in the header; there are no features.
    dials_back: DialsBack::WhenDeclared,
    insists: &[Insists::Id],
    ..OPENFIRE
};

/// 8.
pub const TIGASE: Manners = Manners {
    server: "Tigase",
    read_in: "tigase/tigase-server: server/xmppserver/proc/StreamOpen.java, SaslExternal.java, \
              Dialback.java",
    initial: [
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
         xmlns:db='jabber:server:dialback' from='{own}' to='{other}' version='1.0'>",
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
         xmlns:db='jabber:server:dialback' from='{own}' to='{other}' version='1.0'>",
    ],
    response: "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
               xmlns='jabber:server' xmlns:db='jabber:server:dialback' id='{id}' from='{own}' \
               to='{other}' version='1.0'>",
    // Dialback.streamFeatures: `<required/>` where the certificate is not trusted.
    offers: [
        "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\
         <dialback xmlns='urn:xmpp:features:dialback'><required/></dialback></stream:features>",
        "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
         <mechanism>EXTERNAL</mechanism></mechanisms>\
         <dialback xmlns='urn:xmpp:features:dialback'/></stream:features>",
        "<stream:features/>",
    ],
    // SaslExternal.sendAuthRequest.
    auth: Some("="),
    // SaslExternal.failureElement: always this condition, and the text has no namespace of its own.
    auth_refused: "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-authzid/>\
                   <text>Certificate is not trusted</text></failure>",
    key: "<db:result xmlns:db='jabber:server:dialback' from='{own}' to='{other}'>{key}</db:result>",
    check: "<db:verify xmlns:db='jabber:server:dialback' id='{id}' from='{own}' to='{other}'>{key}\
            </db:verify>",
    key_answer: "<db:result xmlns:db='jabber:server:dialback' from='{own}' to='{other}' \
                 type='{type}'/>",
    check_answer: "<db:verify xmlns:db='jabber:server:dialback' from='{own}' to='{other}' \
                   id='{id}' type='{type}'/>",
    sni: true,
    dials_back: DialsBack::WhenOffered,
    insists: &[Insists::Id],
    prefix_is_db: false,
    // A connection for a check only is stopped after its answer by the side that asked.
    after_check: AfterCheck::Stays,
};

/// 2.7, with a certificate.
pub const JABBERD2: Manners = Manners {
    server: "jabberd2",
    read_in: "jabberd2/jabberd2: s2s/in.c, s2s/out.c (sx_client_init with `to` and without \
              `from`), sx/client.c, sx/server.c",
    initial: [
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:server' xmlns:db='jabber:server:dialback' to='{other}' version='1.0'>",
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:server' xmlns:db='jabber:server:dialback' to='{other}' version='1.0'>",
    ],
    response: "<?xml version='1.0'?><stream:stream \
               xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
               xmlns:db='jabber:server:dialback' from='{own}' version='1.0' id='{id}'>",
    offers: [
        "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>\
         <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
        "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>",
        "",
    ],
    auth: None,
    auth_refused: "",
    key: "<db:result xmlns:db='jabber:server:dialback' to='{other}' from='{own}'>{key}</db:result>",
    check: "<db:verify xmlns:db='jabber:server:dialback' to='{other}' from='{own}' id='{id}'>{key}\
            </db:verify>",
    key_answer: "<db:result xmlns:db='jabber:server:dialback' to='{other}' from='{own}' \
                 type='{type}'/>",
    check_answer: "<db:verify xmlns:db='jabber:server:dialback' to='{other}' from='{own}' \
                   id='{id}' type='{type}'/>",
    sni: false,
    dials_back: DialsBack::Always,
    insists: &[Insists::Id],
    prefix_is_db: false,
    after_check: AfterCheck::Stays,
};

/// jabberd2 built or configured without TLS: neither version nor names in the header.
pub const JABBERD2_IN_CLEAR: Manners = Manners {
    server: "jabberd2 in clear",
    initial: [
        "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns='jabber:server' xmlns:db='jabber:server:dialback'>",
        "",
    ],
    response: "<?xml version='1.0'?><stream:stream \
               xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' \
               xmlns:db='jabber:server:dialback' id='{id}'>",
    offers: ["", "", ""],
    ..JABBERD2
};

/// 4; Prosody's manners, whose code it grew from, where interop does not show them.
pub const METRONOME: Manners = Manners {
    server: "Metronome",
    read_in: "maranda/metronome: plugins/mod_dialback.lua",
    initial: [
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
         xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' \
         from='{own}' to='{other}' version='1.0' xml:lang='en'>",
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
         xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' \
         from='{own}' to='{other}' version='1.0' xml:lang='en'>",
    ],
    response: "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
               xmlns:db='jabber:server:dialback' \
               xmlns:stream='http://etherx.jabber.org/streams' id='{id}' from='{own}' \
               to='{other}' version='1.0' xml:lang='en'>",
    offers: [
        "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\
         <dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>",
        "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>\
         </stream:features>",
        "<stream:features/>",
    ],
    auth: Some("{authzid}"),
    auth_refused: "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
    key: "<db:result from='{own}' to='{other}'>{key}</db:result>",
    check: "<db:verify from='{own}' to='{other}' id='{id}'>{key}</db:verify>",
    // The key comes back, with the id.
    key_answer: "<db:result from='{own}' to='{other}' id='{id}' type='{type}'>{key}</db:result>",
    check_answer: "<db:verify from='{own}' to='{other}' id='{id}' type='{type}'>{key}</db:verify>",
    sni: true,
    dials_back: DialsBack::WhenDeclared,
    insists: &[Insists::Id],
    prefix_is_db: false,
    after_check: AfterCheck::Stays,
};

/// Those that speak TLS.
pub const OVER_TLS: [&Manners; 5] = [&MONGOOSEIM, &OPENFIRE, &TIGASE, &JABBERD2, &METRONOME];

/// Those that speak in clear, by headers without version.
pub const IN_CLEAR: [&Manners; 2] = [&OPENFIRE_IN_CLEAR, &JABBERD2_IN_CLEAR];
