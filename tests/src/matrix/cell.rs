//! One cell: servers started, everything exchanged in both directions, the rung looked up in the peer's log.

use anyhow::{Context as _, Result};

use super::{Direction, Row, Transport};
use crate::exchange;
use crate::peer::Peer;
use crate::record::Record;
use crate::router::Router;
use crate::stage::{COMPONENT_DOMAIN, PEER_DOMAIN, Stage};

/// An unmodified server on one side, the router under test on the other.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// What both are configured for.
    pub row: Row,
    /// How they find each other.
    pub transport: Transport,
    /// Who starts.
    pub direction: Direction,
}

impl Cell {
    /// The full name of its test.
    #[must_use]
    pub fn test(&self) -> String {
        let transport = match self.transport {
            Transport::StartTls => "starttls",
            Transport::DirectTls => "direct_tls",
        };
        let direction = match self.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        format!("{}::{transport}_{direction}", self.row.name)
    }

    /// Runs every exchange, one side starting, then every exchange again with the other side starting. The answers of the first
    /// half already need the link that the other side opens.
    ///
    /// # Errors
    /// The first thing that did not arrive as sent.
    pub fn run(&self, stage: &Stage) -> Result<Record> {
        let Row { software, rung, certificate, .. } = self.row;
        stage.publish(self.transport)?;
        let folder = stage.folder("peer-certificate")?;
        let identity = stage.authority().identity(certificate, PEER_DOMAIN, &folder)?;
        let peer = Peer::start(stage, software, rung, identity.as_ref())?;
        let router = Router::start(stage, rung, certificate)?;
        let mut user = peer.user()?;
        let mut component = router.component()?;
        let (first, second) = match self.direction {
            Direction::In => (&mut user, &mut component),
            Direction::Out => (&mut component, &mut user),
        };
        exchange::all(first, second)?;
        exchange::all(second, first).context("the other side starting")?;
        let seen = peer.check_rung(rung, self.row.router_proves_by, COMPONENT_DOMAIN)?;
        let version = peer.version()?;
        component.leave()?;
        router.stop()?;
        Ok(Record::passed(version, seen))
    }
}

/// The tests of the matrix, a module for each row: `interop_matrix!(peerage_tests::matrix_tests)`.
#[macro_export]
macro_rules! matrix_tests {
    ($($name:ident: $software:ident $place:ident $rung:ident $certificate:ident,
       [$($transport:ident)*], $proof:ident;)*) => {$(
        mod $name {
            $($crate::matrix_tests!(@over $name $transport);)*
        }
    )*};
    (@over $name:ident StartTls) => {
        $crate::matrix_tests!(@cell $name starttls_in StartTls In);
        $crate::matrix_tests!(@cell $name starttls_out StartTls Out);
    };
    (@over $name:ident DirectTls) => {
        $crate::matrix_tests!(@cell $name direct_tls_in DirectTls In);
        $crate::matrix_tests!(@cell $name direct_tls_out DirectTls Out);
    };
    (@cell $name:ident $test:ident $transport:ident $direction:ident) => {
        #[test]
        #[ignore = "interop: needs root, a network namespace and Debian's packages; see cargo xtask test"]
        fn $test() {
            let test = concat!(stringify!($name), "::", stringify!($test));
            let cell = $crate::matrix::cells().find(|cell| cell.test() == test).unwrap();
            $crate::namespace::recorded(test, |stage| cell.run(stage));
        }
    };
}
