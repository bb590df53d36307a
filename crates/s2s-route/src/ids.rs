//! Names of shards, links, slots and lanes, as they travel between the crates.

use std::fmt;

/// One core's thread (design: "a remote domain lives on one core"). Counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// Names one link in the whole process.
///
/// `index` is the place in the shard's table of links, `generation` tells two links apart that used the same
/// place one after the other: a name that outlived its link never reaches another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// The shard that owns the link.
    pub shard: ShardId,
    /// The place in that shard's table of links.
    pub index: u32,
    /// Counts the links that used this place.
    pub generation: u32,
}

/// Names one outbound slot of one router; like [`LinkId`] it is never used again once its slot was evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId {
    /// The place in the router's table of slots.
    pub index: u32,
    /// Grows with every slot the router makes.
    pub generation: u32,
}

/// Names one connection attempt of one slot, so that the outcome of an attempt that was given up is not taken for that of the
/// next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The slot the link is for.
    pub slot: SlotId,
    /// Grows with every attempt the router asks for.
    pub number: u32,
}

/// Names one lane of one router, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// The place in the router's table of lanes.
    pub index: u32,
    /// Grows with every lane the router makes.
    pub generation: u32,
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.shard, self.index, self.generation)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}
