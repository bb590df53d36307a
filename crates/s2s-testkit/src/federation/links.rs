//! The connections that are open, and which of them has to go when there are too many.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

/// All connections of a federation, of both roles.
#[derive(Debug)]
pub(crate) struct Links {
    max: Cell<usize>,
    /// Those that nobody asked to go.
    staying: RefCell<Vec<Rc<Place>>>,
}

#[derive(Debug)]
struct Place {
    /// Its index among those that stay; none when it was asked to go.
    index: Cell<Option<usize>>,
    used_ns: Cell<u64>,
    dismissed: Notify,
}

/// One connection's place among them, as long as it lives.
#[derive(Debug)]
pub(crate) struct Seat {
    links: Rc<Links>,
    place: Rc<Place>,
}

impl Default for Links {
    fn default() -> Links {
        Links { max: Cell::new(usize::MAX), staying: RefCell::default() }
    }
}

impl Links {
    /// How many may stay open, at least one.
    pub(crate) fn limit(&self, max: usize) {
        self.max.set(max.max(1));
    }

    /// A place for a further connection. Where there is none, whoever has been idle longest is asked to go, and goes in order: for a
    /// moment there is one more.
    pub(crate) fn seat(self: &Rc<Self>, now_ns: u64) -> Seat {
        while self.staying.borrow().len() >= self.max.get() {
            self.dismiss_oldest();
        }
        let mut staying = self.staying.borrow_mut();
        let place = Rc::new(Place {
            index: Cell::new(Some(staying.len())),
            used_ns: Cell::new(now_ns),
            dismissed: Notify::new(),
        });
        staying.push(Rc::clone(&place));
        Seat { links: Rc::clone(self), place }
    }

    fn dismiss_oldest(&self) {
        let oldest = self.staying.borrow().iter().min_by_key(|place| place.used_ns.get()).cloned();
        if let Some(oldest) = oldest {
            self.remove(&oldest);
            oldest.dismissed.notify_one();
        }
    }

    fn remove(&self, place: &Place) {
        let Some(index) = place.index.take() else { return };
        let mut staying = self.staying.borrow_mut();
        staying.swap_remove(index);
        if let Some(moved) = staying.get(index) {
            moved.index.set(Some(index));
        }
    }
}

impl Seat {
    /// Something crossed the connection.
    pub(crate) fn touch(&self, now_ns: u64) {
        self.place.used_ns.set(now_ns);
    }

    /// Waits until the connection has to make room for another.
    pub(crate) async fn dismissed(&self) {
        while self.place.index.get().is_some() {
            self.place.dismissed.notified().await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.links.remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn must_go(seat: &Seat) -> bool {
        seat.place.index.get().is_none()
    }

    #[test]
    fn the_one_idle_longest_makes_room() {
        let links = Rc::new(Links::default());
        links.limit(3);
        let seats: Vec<_> = (0..3).map(|ns| links.seat(ns)).collect();
        seats[0].touch(10);
        let newest = links.seat(11);
        assert_eq!(seats.iter().map(must_go).collect::<Vec<_>>(), [false, true, false]);
        // One that was asked to go is not asked again, and does not count any more.
        let one_more = links.seat(12);
        assert_eq!(seats.iter().map(must_go).collect::<Vec<_>>(), [false, true, true]);
        assert!(!must_go(&newest) && !must_go(&one_more));
        drop(seats);
        assert_eq!(links.staying.borrow().len(), 2);
        let another = links.seat(13);
        assert!(![&newest, &one_more, &another].into_iter().any(must_go));
    }

    #[test]
    fn without_a_limit_everybody_stays() {
        let links = Rc::new(Links::default());
        let seats: Vec<_> = (0..100).map(|ns| links.seat(ns)).collect();
        assert!(!seats.iter().any(must_go));
    }
}
