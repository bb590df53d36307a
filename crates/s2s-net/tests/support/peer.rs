//! A scripted peer: says what the test tells it, waits for what the test expects.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};

use super::certs::Issued;
use super::plane::PATIENCE;
use super::xml::{self, Element, Piece, Scope};

enum Wire {
    Plain(TcpStream),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
    Moving,
}

/// One read that brings something. The data plane's rings live in this process; their work may interrupt a read.
pub fn read_some(mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// See the module documentation.
pub struct Peer {
    wire: Wire,
    heard: String,
    /// What the header that was heard last declares.
    scope: Scope,
}

/// An opening tag or a first-level element: as it was written, and what it means.
pub struct Heard {
    pub text: String,
    pub element: Element,
}

impl Heard {
    pub fn attr(&self, name: &str) -> &str {
        self.element.attribute(name)
    }

    /// Whether the other end spelled the element's name so, prefix included.
    pub fn is_spelled(&self, name: &str) -> bool {
        self.text.trim_start().strip_prefix('<').is_some_and(|rest| {
            rest.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '/', '>']))
        })
    }
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Peer {
        Peer::on(TcpStream::connect(address).unwrap())
    }

    /// The next connection to `listener`.
    pub fn accept(listener: &TcpListener) -> Peer {
        socket2::SockRef::from(listener).set_read_timeout(Some(PATIENCE)).unwrap();
        Peer::on(listener.accept().expect("nobody connected").0)
    }

    fn on(stream: TcpStream) -> Peer {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Peer { wire: Wire::Plain(stream), heard: String::new(), scope: Scope::new() }
    }

    pub fn socket(&self) -> &TcpStream {
        match &self.wire {
            Wire::Plain(stream) => stream,
            Wire::Client(tls) => &tls.sock,
            Wire::Server(tls) => &tls.sock,
            Wire::Moving => unreachable!(),
        }
    }

    pub fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).unwrap();
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(bytes),
            Wire::Client(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
            Wire::Server(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
            Wire::Moving => unreachable!(),
        }
    }

    fn hear(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let result = loop {
            let result = match &mut self.wire {
                Wire::Plain(stream) => stream.read(&mut buffer),
                Wire::Client(tls) => tls.read(&mut buffer),
                Wire::Server(tls) => tls.read(&mut buffer),
                Wire::Moving => unreachable!(),
            };
            // The data plane's rings live in this process; their work may interrupt a read.
            match result {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        if let Ok(len) = result {
            self.heard.push_str(std::str::from_utf8(&buffer[..len]).unwrap());
        }
        result
    }

    /// Waits for `text`; answers with everything up to its end.
    pub fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(text) {
                let rest = self.heard.split_off(at + text.len());
                return std::mem::replace(&mut self.heard, rest);
            }
            match self.hear() {
                Ok(0) => panic!("expected {text:?}, got the end after {:?}", self.heard),
                Ok(_) => {}
                Err(error) => panic!("expected {text:?}, got {error} after {:?}", self.heard),
            }
        }
    }

    /// Waits for an opening tag, read by an XML parser that is not the router's.
    pub fn header(&mut self) -> Heard {
        self.read("a stream header", |peer| {
            let (element, scope, length) = xml::cut_header(&peer.heard).unwrap()?;
            peer.scope = scope;
            Some((element, length))
        })
    }

    /// Waits for a first-level element of the stream whose header was read last.
    pub fn element(&mut self) -> Heard {
        self.read("an element", |peer| match xml::cut(&peer.heard, &peer.scope).unwrap() {
            Piece::Element(element, length) => Some((element, length)),
            Piece::Incomplete => None,
            Piece::End => panic!("expected an element, got {:?}", peer.heard),
        })
    }

    fn read(&mut self, what: &str, cut: impl Fn(&mut Peer) -> Option<(Element, usize)>) -> Heard {
        loop {
            if let Some((element, length)) = cut(self) {
                let rest = self.heard.split_off(length);
                let text = std::mem::replace(&mut self.heard, rest);
                return Heard { text, element };
            }
            match self.hear() {
                Ok(0) => panic!("expected {what}, got the end after {:?}", self.heard),
                Ok(_) => {}
                Err(error) => panic!("expected {what}, got {error} after {:?}", self.heard),
            }
        }
    }

    /// Says it one byte a segment.
    pub fn drip(&mut self, text: &str) {
        for at in 0..text.len() {
            self.send_bytes(&text.as_bytes()[at..=at]).unwrap();
        }
    }

    /// No more is said, the rest is still heard.
    pub fn half_close(&self) {
        self.socket().shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Ends the connection by a reset.
    pub fn reset(self) {
        socket2::SockRef::from(self.socket()).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    /// Waits for the end of the connection; answers with what came before it.
    pub fn expect_end(&mut self) -> String {
        loop {
            match self.hear() {
                Ok(0) => return std::mem::take(&mut self.heard),
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                    ) =>
                {
                    return std::mem::take(&mut self.heard);
                }
                Err(error) => panic!("expected the end, got {error} after {:?}", self.heard),
            }
        }
    }

    /// Whether the other end has closed; waits a moment for it.
    pub fn is_over(&mut self) -> bool {
        let stream = self.socket();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(4))).unwrap();
        let outcome = stream.peek(&mut [0; 1]);
        let over = match outcome {
            Ok(0) => true,
            Ok(_) => {
                let _ = self.hear();
                false
            }
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        self.socket().set_read_timeout(Some(PATIENCE)).unwrap();
        over
    }

    fn plain(&mut self) -> TcpStream {
        match std::mem::replace(&mut self.wire, Wire::Moving) {
            Wire::Plain(stream) => stream,
            _ => panic!("TLS runs already"),
        }
    }

    /// Goes on under TLS, as the end that connected; `name` is sent as SNI.
    pub fn tls_client(&mut self, config: &Arc<ClientConfig>, name: &str) {
        let stream = self.plain();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut tls = StreamOwned::new(connection, stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock).unwrap();
        }
        self.wire = Wire::Client(Box::new(tls));
    }

    /// Goes on under TLS, as the end that accepted.
    pub fn tls_server(&mut self, config: &Arc<ServerConfig>) {
        let mut tls =
            StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), self.plain());
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock).unwrap();
        }
        self.wire = Wire::Server(Box::new(tls));
    }

    /// The handshake as the end that accepted, which this configuration refuses, by an alert.
    pub fn tls_server_refuses(&mut self, config: &Arc<ServerConfig>) -> io::Error {
        let mut tls = ServerConnection::new(Arc::clone(config)).unwrap();
        let mut stream = self.plain();
        loop {
            if let Err(error) = tls.complete_io(&mut stream) {
                return error;
            }
            assert!(tls.is_handshaking(), "the handshake succeeded");
        }
    }

    pub fn client_tls(&mut self) -> &mut ClientConnection {
        match &mut self.wire {
            Wire::Client(tls) => &mut tls.conn,
            _ => panic!("no TLS"),
        }
    }

    pub fn server_tls(&mut self) -> &mut ServerConnection {
        match &mut self.wire {
            Wire::Server(tls) => &mut tls.conn,
            _ => panic!("no TLS"),
        }
    }
}

/// A client that shows `identity` and accepts anything.
pub fn tls_client_config(identity: Option<&Issued>) -> Arc<ClientConfig> {
    tls_client_config_of(identity, rustls::DEFAULT_VERSIONS)
}

/// The same, of these versions of TLS only.
pub fn tls_client_config_of(
    identity: Option<&Issued>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    let mut config = match identity {
        Some(issued) => {
            builder.with_client_auth_cert(issued.chain.clone(), issued.key.clone_key()).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

/// A server that shows `identity`, asks for a certificate and accepts anything.
pub fn tls_server_config(identity: &Issued) -> Arc<ServerConfig> {
    tls_server_config_of(identity, rustls::DEFAULT_VERSIONS)
}

/// The same, of these versions of TLS only.
pub fn tls_server_config_of(
    identity: &Issued,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(Arc::new(Gullible))
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .unwrap();
    config.ticketer = aws_lc_rs::Ticketer::new().unwrap();
    Arc::new(config)
}

/// Believes every certificate.
#[derive(Debug)]
struct Gullible;

mod gullible {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
    use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

    use super::Gullible;

    fn schemes() -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }

    /// What both traits ask about the signature of the handshake, in the same words.
    macro_rules! signature_checks {
        () => {
            fn verify_tls12_signature(
                &self,
                _: &[u8],
                _: &CertificateDer<'_>,
                _: &DigitallySignedStruct,
            ) -> Result<HandshakeSignatureValid, Error> {
                Ok(HandshakeSignatureValid::assertion())
            }

            fn verify_tls13_signature(
                &self,
                _: &[u8],
                _: &CertificateDer<'_>,
                _: &DigitallySignedStruct,
            ) -> Result<HandshakeSignatureValid, Error> {
                Ok(HandshakeSignatureValid::assertion())
            }

            fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
                schemes()
            }
        };
    }

    impl ServerCertVerifier for Gullible {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        signature_checks!();
    }

    impl ClientCertVerifier for Gullible {
        fn root_hint_subjects(&self) -> &[DistinguishedName] {
            &[]
        }

        fn client_auth_mandatory(&self) -> bool {
            false
        }

        fn verify_client_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: UnixTime,
        ) -> Result<ClientCertVerified, Error> {
            Ok(ClientCertVerified::assertion())
        }

        signature_checks!();
    }
}
