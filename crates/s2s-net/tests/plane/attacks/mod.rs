//! The known attacks on federating servers (the table at the end of `s2s-proto/FACTS.md`), each whole:
//! bytes on one socket in, bytes on another out. Every test says what the attacker sees, that nothing
//! reached the component or another server, that it was counted, and that honest traffic still passes.

mod bounces;
mod certificates;
mod crafted;
mod dialback;
mod floods;
mod names;
mod tls;
mod xml;
