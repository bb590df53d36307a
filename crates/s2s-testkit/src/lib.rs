//! Test tools: virtual-time pairs, simulated federation, certificates, zones (dev)

pub mod certs;
pub mod federation;
pub mod pair;
pub mod process;
pub mod zone;
