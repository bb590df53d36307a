//! One cell: both servers and the router started, everything exchanged in both directions, both logs looked at.

use anyhow::{Context as _, Result};

use super::{Row, server};
use crate::exchange;
use crate::matrix::{Direction, Proof, Rung, Transport};
use crate::peer::Peer;
use crate::peerage;
use crate::record::Record;
use crate::stage::{HOSTED_DOMAIN, PEER_DOMAIN, Stage};

/// An unmodified server behind the router under test, another one on the other side.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// What all three are configured for.
    pub row: Row,
    /// Who starts: the remote server's user (`In`) or the user of the server behind the router.
    pub direction: Direction,
}

impl Cell {
    /// The full name of its test.
    #[must_use]
    pub fn test(&self) -> String {
        let direction = match self.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        format!("{}::first_{direction}", self.row.name)
    }

    /// Runs every exchange, one side starting, then every exchange again with the other side starting.
    ///
    /// # Errors
    /// The first thing that did not arrive as sent.
    pub fn run(&self, stage: &Stage) -> Result<Record> {
        let Row { behind, demand, remote, rung, certificate, .. } = self.row;
        stage.publish(Transport::StartTls)?;
        let identity = |domain, folder: &str| {
            let folder = stage.folder(folder)?;
            stage.authority().identity(certificate, domain, &folder)
        };
        let outside = identity(HOSTED_DOMAIN, "router-certificate")?;
        let theirs = identity(PEER_DOMAIN, "peer-certificate")?;
        let peer = Peer::start(stage, remote, rung, theirs.as_ref())?;
        let router = peerage::Server::start_in_front(stage, rung, outside.as_ref(), demand)?;
        let server = server::Server::start(stage, behind, demand)?;
        let (mut romeo, mut juliet) = (peer.user()?, server.user()?);
        let (first, second) = match self.direction {
            Direction::In => (&mut romeo, &mut juliet),
            Direction::Out => (&mut juliet, &mut romeo),
        };
        exchange::all(first, second)?;
        exchange::all(second, first).context("the other side starting")?;
        // That the outside proved itself as if nothing stood behind the router.
        let proof = if rung == Rung::Trusted { Proof::External } else { Proof::Dialback };
        peer.check_rung(rung, proof, HOSTED_DOMAIN)?;
        let seen = server.check(demand)?;
        let version = server.version()?;
        drop((romeo, juliet));
        router.stop()?;
        Ok(Record::passed(version, seen))
    }
}

/// The tests of the table, a module for each row: `interop_behind!(peerage_tests::behind_tests)`.
#[macro_export]
macro_rules! behind_tests {
    ($($name:ident: $behind:ident $demand:ident, $remote:ident $rung:ident $certificate:ident;)*) => {$(
        mod $name {
            $crate::behind_tests!(@cell $name first_in);
            $crate::behind_tests!(@cell $name first_out);
        }
    )*};
    (@cell $name:ident $test:ident) => {
        #[test]
        #[ignore = "interop: needs root, a network namespace and Debian's packages; see cargo xtask test"]
        fn $test() {
            let test = concat!(stringify!($name), "::", stringify!($test));
            let cell = $crate::behind::cells().find(|cell| cell.test() == test).unwrap();
            $crate::namespace::recorded(test, |stage| cell.run(stage));
        }
    };
}
