//! The peer is played by hand: streams that are called back or have to make room while they are negotiated, keys to those who take
//! names on trust.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
     xmlns='jabber:server' xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' version='1.0'>";
const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

struct Caller {
    stream: TcpStream,
    /// Of the stream, as the remote said it.
    id: String,
}

impl Caller {
    /// A stream to the remote at this place, up to its features.
    async fn greeted(listen: SocketAddr) -> Caller {
        Caller::heard(listen, "</stream:features>").await
    }

    /// The same up to this end.
    async fn heard(listen: SocketAddr, end: &str) -> Caller {
        let stream = TcpStream::connect(listen).await.unwrap();
        let mut caller = Caller { stream, id: String::new() };
        caller.says(HEADER).await;
        let heard = caller.hears(end).await;
        let (_, id) = heard.split_once(" id='").unwrap();
        caller.id = id.split('\'').next().unwrap().to_owned();
        caller
    }

    async fn says(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// All up to the end that is expected.
    async fn hears(&mut self, end: &str) -> String {
        let mut heard = String::new();
        let hearing = async {
            while !heard.ends_with(end) {
                let mut bytes = [0; 4096];
                let read = self.stream.read(&mut bytes).await.unwrap();
                assert!(read > 0, "the end instead of {end}: {heard}");
                heard.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), hearing).await.is_ok();
        assert!(in_time, "{end} does not come: {heard}");
        heard
    }

    /// What comes until the connection ends.
    async fn hears_the_last(mut self) -> String {
        let mut last = Vec::new();
        let reading = self.stream.read_to_end(&mut last);
        tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
        String::from_utf8(last).unwrap()
    }
}

/// Lets the federation do all that it can do.
async fn let_it_work() {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn who_is_being_negotiated_is_answered_first_and_called_back_then() {
    run(async {
        let fixture = Fixture::new();
        // Montague has Capulet's questions answered.
        let federation = fixture.pair(Behaviour::Verified, Behaviour::Verified);
        let mut caller = Caller::greeted(place(1, fixture.port)).await;
        federation.reconnect(100);
        let_it_work().await;
        let secret = &federation.world.dialback_secret;
        let key = dialback::key(secret, "capulet.example", "montague.example", &caller.id);
        caller
            .says(&format!(
                "<db:result from='montague.example' to='capulet.example'>{key}</db:result>"
            ))
            .await;
        let heard = caller.hears("</stream:stream>").await;
        assert_eq!(
            heard,
            "<db:result from='capulet.example' to='montague.example' type='valid'/></stream:stream>"
        );
        // What is under way still arrives, and the stream ends in order.
        caller.says("</stream:stream>").await;
        assert_eq!(caller.hears_the_last().await, "");
        assert!(federation.census().failures().is_empty(), "{:?}", federation.census());
    });
}

#[test]
fn nothing_is_answered_behind_a_close_tag() {
    run(async {
        let fixture = Fixture::new();
        let federation = fixture.pair(Behaviour::Secure, Behaviour::Secure);
        let mut caller = Caller::greeted(place(1, fixture.port)).await;
        // Another one takes its room while it asks for TLS.
        federation.limit_links(1);
        let other = Caller::greeted(place(1, fixture.port)).await;
        caller.hears("</stream:stream>").await;
        caller.says(&format!("{STARTTLS}</stream:stream>")).await;
        assert_eq!(caller.hears_the_last().await, "");
        assert!(federation.census().failures().is_empty(), "{:?}", federation.census());
        drop(other);
    });
}

#[test]
fn who_dies_resets_those_that_are_being_negotiated_too() {
    run(async {
        let fixture = Fixture::new();
        let federation = fixture.pair(Behaviour::Trusted, Behaviour::Trusted);
        let mut caller = Caller::greeted(place(1, fixture.port)).await;
        federation.kill(100);
        let mut byte = [0; 1];
        let ended = tokio::time::timeout(Duration::from_secs(20), caller.stream.read(&mut byte));
        let error = ended.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_key_shown_to_one_that_takes_names_on_trust_has_an_answer_that_can_be_read() {
    run(async {
        let fixture = Fixture::new();
        let federation = fixture.pair(Behaviour::Promiscuous, Behaviour::Promiscuous);
        let mut caller = Caller::heard(place(1, fixture.port), "xml:lang='en'>").await;
        caller
            .says("<db:result from='montague.example' to='capulet.example'>key</db:result>")
            .await;
        // Its header did not declare the prefix.
        assert_eq!(
            caller.hears("/>").await,
            "<db:result xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' type='valid'/>"
        );
        drop(federation);
    });
}

const STANZA: &str =
    "<message from='romeo@montague.example' to='juliet@verona.example' id='pg-00000000-00000000'/>";

#[test]
fn a_stanza_that_is_for_somebody_else_is_a_fault_of_the_run() {
    // One takes names on trust, but what is for its own alone; the other has seen no proof; without addresses it is nobody's.
    for (capulet, end, stanza) in [
        (Behaviour::Promiscuous, "xml:lang='en'>", STANZA),
        (Behaviour::Verified, "</stream:features>", STANZA),
        (Behaviour::Promiscuous, "xml:lang='en'>", "<message/>"),
    ] {
        run(async {
            let fixture = Fixture::new();
            let federation = fixture.pair(Behaviour::Verified, capulet);
            let mut caller = Caller::heard(place(1, fixture.port), end).await;
            caller.says(stanza).await;
            caller.hears("</stream:stream>").await;
            let tally = Tally { corrupted: 1, ..Tally::default() };
            assert_eq!(federation.tally(), tally, "{capulet:?}, {stanza}");
        });
    }
}

#[test]
fn a_proof_is_good_for_one_pair_of_names() {
    let between = |from, to| format!("<message from='r@{from}' to='j@{to}' id='x'/>");
    for stanza in [
        between("verona.example", "capulet.example"),
        between("montague.example", "verona.example"),
    ] {
        run(async {
            let fixture = Fixture::new();
            let federation = fixture.pair(Behaviour::Verified, Behaviour::Verified);
            let mut caller = Caller::greeted(place(1, fixture.port)).await;
            let secret = &federation.world.dialback_secret;
            let key = dialback::key(secret, "capulet.example", "montague.example", &caller.id);
            let names = "from='montague.example' to='capulet.example'";
            caller.says(&format!("<db:result {names}>{key}</db:result>")).await;
            caller.hears("type='valid'/>").await;
            caller.says(&stanza).await;
            caller.hears("</stream:stream>").await;
            let tally = Tally { corrupted: 1, ..Tally::default() };
            assert_eq!(federation.tally(), tally, "{stanza}");
        });
    }
}

#[test]
fn a_stanza_on_a_stream_that_goes_the_other_way_is_a_fault_of_the_run() {
    run(async {
        let router = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = router.local_addr().unwrap();
        spawn_local(async move {
            let (mut stream, _) = router.accept().await.unwrap();
            let header = HEADER.replace(" version='1.0'>", " id='3BF96D34'>");
            stream.write_all(format!("{header}{STANZA}").as_bytes()).await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"</stream:stream>") {
                assert!(stream.read_buf(&mut heard).await.unwrap() > 0);
            }
            // One more while the peer waits for the end.
            stream.write_all(format!("{STANZA}</stream:stream>").as_bytes()).await.unwrap();
        });
        let fixture = Fixture::new();
        let plan = FederationPlan {
            remotes: vec![fixture.remote("montague.example", Behaviour::Promiscuous, 0)],
            router: RouterAddress { starttls: address, direct_tls: None },
            roots: Vec::new(),
            seed: 1,
        };
        let mut federation = Federation::start(plan).unwrap();
        let (from, to) = ("romeo@montague.example", "juliet@verona.example");
        federation.add_flow(from, to, Course::OneWay, 200).unwrap();
        assert_eq!(federation.open().await, 0, "{:?}", federation.census());
        let corrupted = async |count| {
            while federation.tally().corrupted < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), corrupted(1)).await.unwrap();
        federation.reconnect(100);
        tokio::time::timeout(Duration::from_secs(20), corrupted(2)).await.unwrap();
        assert_eq!(federation.tally(), Tally { corrupted: 2, ..Tally::default() });
    });
}
