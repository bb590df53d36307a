//! The dimensions of the matrix.

use std::fmt;

/// The rung of the trust ladder both sides are configured for, and nothing below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Dialback, no TLS at all.
    Verified,
    /// TLS with certificates that prove nothing, dialback over it.
    Secure,
    /// TLS with certificates of a common authority.
    Trusted,
}

/// Where the unmodified server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the federation, as the other side of the router under test.
    Remote,
}

/// What certificate both sides show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// None: no TLS.
    None,
    /// Self-signed, with the domain as dNSName.
    SelfSigned,
    /// Of the authority, with the domain as dNSName and no extended key usage.
    AnyUsage,
    /// The same, for server authentication only: what public authorities issue.
    ServerAuth,
    /// The same, for server and client authentication.
    ServerAndClientAuth,
    /// Server authentication; the names are `*.PARENT` only.
    Wildcard,
    /// Server authentication; the name is an SRVName `_xmpp-server.DOMAIN` (RFC 4985) only.
    SrvName,
    /// Server authentication; the name is an xmppAddr (RFC 6120 §13.7.1.4) only.
    XmppAddr,
}

/// How the SRV records of both sides say that they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `_xmpp-server`: TLS, where the rung has it, by STARTTLS.
    StartTls,
    /// `_xmpps-server` only: TLS from the first byte (XEP-0368).
    DirectTls,
}

/// Which side sends first, while no link exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The unmodified server's user writes to the component.
    In,
    /// The component writes to the unmodified server's user.
    Out,
}

/// By what a server is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Server dialback.
    Dialback,
    /// SASL EXTERNAL.
    External,
}

impl Rung {
    /// Every rung of the matrix.
    pub const ALL: [Rung; 3] = [Rung::Verified, Rung::Secure, Rung::Trusted];
}

impl Certificate {
    /// Every kind.
    pub const ALL: [Certificate; 8] = [
        Certificate::None,
        Certificate::SelfSigned,
        Certificate::AnyUsage,
        Certificate::ServerAuth,
        Certificate::ServerAndClientAuth,
        Certificate::Wildcard,
        Certificate::SrvName,
        Certificate::XmppAddr,
    ];
}

impl Transport {
    /// Both.
    pub const ALL: [Transport; 2] = [Transport::StartTls, Transport::DirectTls];
}

impl Direction {
    /// Both.
    pub const ALL: [Direction; 2] = [Direction::In, Direction::Out];
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rung::Verified => "verified",
            Rung::Secure => "secure",
            Rung::Trusted => "trusted",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Remote => "remote",
        })
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Certificate::None => "none",
            Certificate::SelfSigned => "self-signed",
            Certificate::AnyUsage => "dNSName, no usage named",
            Certificate::ServerAuth => "dNSName, serverAuth",
            Certificate::ServerAndClientAuth => "dNSName, serverAuth and clientAuth",
            Certificate::Wildcard => "wildcard dNSName",
            Certificate::SrvName => "SRVName",
            Certificate::XmppAddr => "xmppAddr",
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::StartTls => "STARTTLS",
            Transport::DirectTls => "direct TLS",
        })
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::In => "it",
            Direction::Out => "Peerage",
        })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Proof::Dialback => "dialback",
            Proof::External => "EXTERNAL",
        })
    }
}
