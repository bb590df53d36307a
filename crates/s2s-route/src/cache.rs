//! A bounded cache whose entries end by time.

use std::collections::VecDeque;
use std::hash::Hash;

use hashbrown::{Equivalent, HashMap};
use s2s_proto::Millis;

/// Keeps at most `capacity` answers, each until its own end.
///
/// At the bound the entry inserted longest ago makes room, so a flood of new keys can push answers out (they are then
/// asked for again) but can never grow the table. Used for discovery answers, refusals of pairs and, by the data plane,
/// for chain verdicts. Never for a dialback "valid": its key binds one stream (XEP-0220 §2.1).
#[derive(Debug)]
pub struct TtlCache<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys in the order of insertion. A key inserted again leaves its old place behind, told apart by the stamp.
    order: VecDeque<(K, u64)>,
    capacity: usize,
    stamp: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    until: Millis,
    stamp: u64,
}

impl<K: Clone + Eq + Hash, V> TtlCache<K, V> {
    /// An empty cache. A capacity of 0 keeps nothing.
    pub fn new(capacity: usize) -> TtlCache<K, V> {
        TtlCache { entries: HashMap::new(), order: VecDeque::new(), capacity, stamp: 0 }
    }

    /// The answer for `key`, unless it ended.
    pub fn get<Q: ?Sized + Hash + Equivalent<K>>(&self, now: Millis, key: &Q) -> Option<&V> {
        self.entries.get(key).filter(|entry| now < entry.until).map(|entry| &entry.value)
    }

    /// Like [`get`](Self::get), to change the answer in place.
    pub fn get_mut<Q: ?Sized + Hash + Equivalent<K>>(
        &mut self,
        now: Millis,
        key: &Q,
    ) -> Option<&mut V> {
        self.entries.get_mut(key).filter(|entry| now < entry.until).map(|entry| &mut entry.value)
    }

    /// Keeps `value` for `key` until `until`, in place of an older answer.
    pub fn insert(&mut self, key: K, value: V, until: Millis) {
        if self.capacity == 0 {
            return;
        }
        self.stamp += 1;
        self.order.push_back((key.clone(), self.stamp));
        self.entries.insert(key, Entry { value, until, stamp: self.stamp });
        while self.entries.len() > self.capacity {
            self.drop_oldest();
        }
        // Places left behind by keys inserted again: at most as many as there are entries.
        if self.order.len() > 2 * self.capacity.max(8) {
            let entries = &self.entries;
            self.order
                .retain(|(key, stamp)| entries.get(key).is_some_and(|entry| entry.stamp == *stamp));
        }
    }

    /// Forgets the answer for `key`.
    pub fn remove<Q: ?Sized + Hash + Equivalent<K>>(&mut self, key: &Q) -> Option<V> {
        self.entries.remove(key).map(|entry| entry.value)
    }

    /// Forgets everything, for instance when the policy changed.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }

    /// Entries held, ended ones that were not yet pushed out included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn drop_oldest(&mut self) {
        while let Some((key, stamp)) = self.order.pop_front() {
            if self.entries.get(&key).is_some_and(|entry| entry.stamp == stamp) {
                self.entries.remove(&key);
                return;
            }
        }
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_at_its_time() {
        let mut cache = TtlCache::new(4);
        cache.insert("montague.example", 1, Millis(100));
        assert_eq!(cache.get(Millis(99), &"montague.example"), Some(&1));
        assert_eq!(cache.get(Millis(100), &"montague.example"), None);
    }

    #[test]
    fn at_the_bound_the_oldest_makes_room() {
        let mut cache = TtlCache::new(2);
        cache.insert(1, 'a', Millis(100));
        cache.insert(2, 'b', Millis(100));
        cache.insert(1, 'c', Millis(100));
        cache.insert(3, 'd', Millis(100));
        assert_eq!(cache.get(Millis(0), &1), Some(&'c'), "inserted again, so younger than 2");
        assert_eq!(cache.get(Millis(0), &2), None);
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn one_key_inserted_for_ever_does_not_grow_the_cache() {
        let mut cache = TtlCache::new(3);
        for n in 0..10_000 {
            cache.insert(n % 2, n, Millis(100));
        }
        assert!(cache.order.len() <= 16 && cache.len() == 2);
    }

    #[test]
    fn a_capacity_of_zero_keeps_nothing() {
        let mut cache = TtlCache::new(0);
        cache.insert(1, 1, Millis(100));
        assert!(cache.is_empty());
    }
}
