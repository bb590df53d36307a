//! A scripted peer: says what the test tells it, waits for what the test expects.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use super::certs::Issued;
use super::plane::PATIENCE;

enum Wire {
    Plain(TcpStream),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
    Moving,
}

/// See the module documentation.
pub struct Peer {
    wire: Wire,
    heard: String,
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
        Peer { wire: Wire::Plain(stream), heard: String::new() }
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
        let result = match &mut self.wire {
            Wire::Plain(stream) => stream.read(&mut buffer),
            Wire::Client(tls) => tls.read(&mut buffer),
            Wire::Server(tls) => tls.read(&mut buffer),
            Wire::Moving => unreachable!(),
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
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
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
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
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
