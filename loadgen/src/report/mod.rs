//! Reports of what a run or a comparison found out, all drawn from [`crate::record`] and from nothing else.
//!
//! [`mod@file`] keeps records as JSON and reads them back, [`text`] tells them on the terminal, [`page`] draws them. What follows from the
//! figures is said once for all of them: [`verdict`] of a run and what it left [`undelivered`], [`summary`] of a comparison. [`figure`]
//! writes numbers.

pub(crate) mod figure;
pub(crate) mod file;
pub(crate) mod page;
#[cfg(test)]
pub(crate) mod sample;
mod summary;
pub(crate) mod text;
mod undelivered;
mod verdict;
