//! Traffic as bytes: stanzas of one class after another, from a seed.

mod random;
mod stanzas;

use self::random::Random;
use self::stanzas::Scribe;

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

    /// The name in benchmark ids.
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

#[cfg(test)]
mod tests {
    use super::*;

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
