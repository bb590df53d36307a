//! The matrix as data: which rung, which side starts.

use anyhow::Result;

use crate::exchange;
use crate::peer::{Peer, Software};
use crate::router::Router;
use crate::stage::Stage;

/// The rung of the trust ladder both sides are configured for, and nothing below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Dialback, no TLS at all.
    Verified,
    /// TLS with self-signed certificates on both sides, dialback over it.
    Secure,
    /// TLS with certificates of a common authority, for server authentication only; no dialback.
    Trusted,
}

/// Which side sends first, while no link exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The remote server's user writes to the component.
    In,
    /// The component writes to the remote server's user.
    Out,
}

/// How the SRV records of both sides say that they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `_xmpp-server`: TLS, where the rung has it, by STARTTLS.
    StartTls,
    /// `_xmpps-server` only: TLS from the first byte (XEP-0368).
    DirectTls,
}

/// An unmodified server on one side, the router under test on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The remote server.
    pub software: Software,
    /// The rung both sides demand.
    pub rung: Rung,
    /// How they find each other.
    pub transport: Transport,
    /// Who starts.
    pub direction: Direction,
}

impl Cell {
    /// Runs every exchange.
    ///
    /// # Errors
    /// The first thing that did not arrive as sent.
    pub fn run(self, stage: &Stage) -> Result<()> {
        stage.publish(self.transport)?;
        let peer = Peer::start(stage, self.software, self.rung)?;
        let router = Router::start(stage, self.rung)?;
        let mut user = peer.user()?;
        let mut component = router.component()?;
        match self.direction {
            Direction::In => exchange::all(&mut user, &mut component)?,
            Direction::Out => exchange::all(&mut component, &mut user)?,
        }
        peer.check_rung(self.rung)?;
        component.leave()?;
        router.stop()
    }
}

/// One test for each cell: `cells! { Prosody; verified_in: Verified StartTls In; }`.
#[macro_export]
macro_rules! cells {
    ($software:ident; $($test:ident: $rung:ident $transport:ident $direction:ident;)*) => {$(
        #[test]
        #[ignore = "interop: needs root, a network namespace and Debian's packages; see cargo xtask test"]
        fn $test() {
            let cell = $crate::Cell {
                software: $crate::Software::$software,
                rung: $crate::Rung::$rung,
                transport: $crate::Transport::$transport,
                direction: $crate::Direction::$direction,
            };
            $crate::namespace::isolated(stringify!($test), |stage| cell.run(stage));
        }
    )*};
}
