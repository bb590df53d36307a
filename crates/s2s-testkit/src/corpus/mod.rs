//! Traffic as bytes: stanzas of one class after another, from a seed. A [`Corpus`] is what a reader is given whole; [`specimens`] are
//! single stanzas with room for a mark, for those who send them one by one and want them back.

mod stanzas;

use self::stanzas::{MIXED_SLOTS, Scribe};
use crate::random::Random;

/// A class of traffic. Sizes are means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// One-to-one messages of 310 bytes, 180 of them body, the size the peers were measured with.
    Chat,
    /// Presence of a crowded room: capabilities, photo hash, role; 420 bytes.
    Presence,
    /// An iq with three items of a microblog: many small elements in five namespaces; 2,400 bytes.
    PubSub,
    /// An avatar: an iq with 64 KiB of base64 in one text.
    Avatar,
    /// A quoted mail: 100 elements inside each other, all with a prefix that the outermost binds; 6 KB.
    DeepNesting,
    /// Messages in Russian, Japanese and Greek, with emoji; 560 bytes.
    NonAscii,
    /// Messages that quote markup: an entity or character reference every ten bytes; 540 bytes.
    Entities,
    /// What a server sends in a day, by number of stanzas: presence, chat, chat states, receipts, pings, some pubsub, some in other
    /// scripts; 380 bytes, the mean size the parsers were compared with.
    Mixed,
}

impl Traffic {
    /// All classes.
    pub const ALL: [Traffic; 8] = [
        Traffic::Chat,
        Traffic::Presence,
        Traffic::PubSub,
        Traffic::Avatar,
        Traffic::DeepNesting,
        Traffic::NonAscii,
        Traffic::Entities,
        Traffic::Mixed,
    ];

    /// The class with this name.
    pub fn from_name(name: &str) -> Option<Traffic> {
        Traffic::ALL.into_iter().find(|traffic| traffic.name() == name)
    }

    /// The name in benchmark ids and scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Traffic::Chat => "chat",
            Traffic::Presence => "presence",
            Traffic::PubSub => "pubsub",
            Traffic::Avatar => "avatar",
            Traffic::DeepNesting => "deep-nesting",
            Traffic::NonAscii => "non-ascii",
            Traffic::Entities => "entities",
            Traffic::Mixed => "mixed",
        }
    }
}

/// Between which domains the traffic goes.
#[derive(Clone, Debug)]
pub struct Parties {
    /// The domain of every `from`.
    pub sender: String,
    /// The domains of `to`, each as likely as the others.
    pub targets: Vec<String>,
}

impl Parties {
    /// From one domain to another.
    pub fn pair(sender: &str, target: &str) -> Parties {
        Parties { sender: sender.to_owned(), targets: vec![target.to_owned()] }
    }

    /// From one domain to `count` domains below another.
    pub fn fan_out(sender: &str, parent: &str, count: usize) -> Parties {
        let targets = (0..count).map(|number| format!("s{number}.{parent}")).collect();
        Parties { sender: sender.to_owned(), targets }
    }
}

/// The stanzas of one direction of a stream, without its header: whole first-level elements with nothing between.
#[derive(Clone, Debug)]
pub struct Corpus {
    text: String,
    frames: usize,
}

impl Corpus {
    /// Stanzas of this class until there are `bytes_min` bytes.
    pub fn generate(traffic: Traffic, parties: &Parties, bytes_min: usize, seed: u64) -> Corpus {
        let mut scribe = Scribe::new(parties, Random::new(seed));
        let mut frames = 0;
        while scribe.len() < bytes_min {
            scribe.write(traffic);
            frames += 1;
        }
        Corpus { text: scribe.into_text(), frames }
    }

    /// The stanzas.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The stanzas.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// How many there are.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Bytes of all of them.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// A stanza without its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specimen {
    /// `message`, `presence` or `iq`.
    pub name: &'static str,
    /// Its type; empty when it has none.
    pub type_: &'static str,
    /// What follows the start tag, the end tag included.
    pub content: String,
}

/// Different stanzas of this class, each with `mark` once, at the beginning of a text: about `count` of them; of mixed traffic so many
/// times a hundred that every share is there exactly. `mark` must not need escaping and is at most 100 bytes.
pub fn specimens(traffic: Traffic, count: usize, mark: &'static str, seed: u64) -> Vec<Specimen> {
    let parties = Parties::pair("montague.example", "capulet.example");
    let mut scribe = Scribe::marking(mark, &parties, Random::new(seed));
    let mut write = |write: &dyn Fn(&mut Scribe<'_>)| {
        write(&mut scribe);
        scribe.specimen()
    };
    if traffic != Traffic::Mixed {
        return (0..count.max(1)).map(|_| write(&|scribe| scribe.write(traffic))).collect();
    }
    let shares = (0..count.div_ceil(MIXED_SLOTS).max(1)).flat_map(|_| 0..MIXED_SLOTS);
    let mut mixed: Vec<_> = shares.map(|slot| write(&|scribe| scribe.mixed_of(slot))).collect();
    Random::new(!seed).shuffle(&mut mixed);
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mix;

    fn corpus(traffic: Traffic) -> Corpus {
        let parties = Parties::pair("montague.example", "capulet.example");
        Corpus::generate(traffic, &parties, 512 * 1024, 1)
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        for traffic in Traffic::ALL {
            assert_eq!(corpus(traffic).text(), corpus(traffic).text());
        }
    }

    /// The figures in `benches/README.md` are of these bytes. Another generator is another benchmark.
    #[test]
    fn the_bytes_of_every_class_are_those_that_were_measured() {
        let sums = Traffic::ALL.map(|traffic| {
            let fold = |sum: u64, &byte: &u8| mix(sum ^ u64::from(byte));
            corpus(traffic).bytes().iter().fold(0, fold)
        });
        let measured = [
            143_241_835_002_693_277,
            14_791_177_731_137_899_825,
            2_946_853_859_740_561_161,
            7_621_380_211_069_994_890,
            15_002_744_886_407_364_301,
            7_003_890_997_170_348_542,
            16_673_952_780_822_909_320,
            1_118_358_544_990_821_573,
        ];
        assert_eq!(sums, measured);
    }

    #[test]
    fn every_specimen_carries_its_mark_once_at_the_beginning_of_a_text() {
        const MARK: &str = "0123456789 0123456789 0123456789 0123456789 0123456789 ";
        for traffic in Traffic::ALL {
            let specimens = specimens(traffic, 10, MARK, 1);
            assert_eq!(specimens.len(), if traffic == Traffic::Mixed { 100 } else { 10 });
            for Specimen { name, type_, content } in specimens {
                assert_eq!(content.matches(MARK).count(), 1, "{content}");
                assert!(content.contains(&format!(">{MARK}")), "{content}");
                assert!(content.ends_with(&format!("</{name}>")), "{content}");
                assert_ne!((name, type_), ("iq", "result"));
            }
        }
    }

    #[test]
    fn mixed_specimens_have_the_shares_of_mixed_traffic() {
        let specimens = specimens(Traffic::Mixed, 200, "mark ", 1);
        let count = |name| specimens.iter().filter(|specimen| specimen.name == name).count();
        assert_eq!((count("message"), count("presence"), count("iq")), (108, 68, 24));
    }

    #[test]
    fn stanzas_have_the_size_their_class_says() {
        for (traffic, mean) in [
            (Traffic::Chat, 310),
            (Traffic::Presence, 420),
            (Traffic::PubSub, 2_400),
            (Traffic::Avatar, 65_900),
            (Traffic::DeepNesting, 6_000),
            (Traffic::NonAscii, 560),
            (Traffic::Entities, 540),
            (Traffic::Mixed, 380),
        ] {
            let corpus = corpus(traffic);
            let found = corpus.len() / corpus.frames();
            assert!(found.abs_diff(mean) * 20 <= mean, "{traffic:?}: {found}, not about {mean}");
        }
    }
}
