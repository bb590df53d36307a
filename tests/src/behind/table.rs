//! The table itself.

use super::{Demand, Row};
use crate::matrix::{Certificate, Rung};
use crate::peer::Software;

/// Hands every row to the macro `$then`: [`ROWS`] and the tests come from the same lines.
///
/// Columns: module of the tests, server behind, what it and the router ask of each other, remote server, rung and certificates
/// outside.
#[macro_export]
macro_rules! interop_behind {
    ($then:path) => {
        $then! {
            prosody_by_dialback: Prosody Dialback, Ejabberd Verified None;
            prosody_over_tls: Prosody Tls, Ejabberd Secure SelfSigned;
            prosody_with_certificates: Prosody Certificates, Ejabberd Trusted ServerAndClientAuth;
            ejabberd_by_dialback: Ejabberd Dialback, Prosody Verified None;
            ejabberd_over_tls: Ejabberd Tls, Prosody Secure SelfSigned;
            ejabberd_with_certificates: Ejabberd Certificates, Prosody Trusted ServerAuth;
        }
    };
}

macro_rules! rows {
    ($($name:ident: $behind:ident $demand:ident, $remote:ident $rung:ident $certificate:ident;)*) => {
        /// The rows, in the order of the page.
        pub const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            behind: Software::$behind,
            demand: Demand::$demand,
            remote: Software::$remote,
            rung: Rung::$rung,
            certificate: Certificate::$certificate,
        }),*];
    };
}

interop_behind!(rows);
