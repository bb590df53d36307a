//! Feeds each stream of a case in all the ways that must not matter.

use std::{fmt, iter};

use bytes::Bytes;
use xmpp_frame::{Element, Frame, FrameError, Framer, Header, Item, Kind, Limits, Vectors};

use crate::case::{CLIENT, SERVER, Suite, Trial, Verdict, XML};
use crate::stage::{HEADER, Setting, settings};

/// How many plain bytes stand before a case: its bytes then lie across the ends of the first, second and fourth vector of 16 bytes.
const PADS: [usize; 16] = [0, 13, 14, 15, 16, 17, 29, 30, 31, 32, 33, 61, 62, 63, 64, 65];

/// Tries all of a suite; panics with the names of the cases that do not hold.
pub fn hold(suite: &Suite) {
    let trials = suite.trials();
    let wrong: Vec<String> = trials.iter().filter_map(|trial| judge(trial).err()).collect();
    let shown: Vec<_> = wrong.iter().take(25).map(String::as_str).collect();
    let (count, all) = (wrong.len(), trials.len());
    assert!(
        count == 0,
        "{}: {count} of {all} cases do not hold:\n{}",
        suite.name,
        shown.join("\n")
    );
}

/// Tries one case in all settings; why not, when it does not hold.
fn judge(trial: &Trial) -> Result<(), String> {
    assert!(!settings(trial, 0).is_empty(), "{} is never tried", trial.name);
    for pad in pads(trial) {
        for setting in settings(trial, pad) {
            let mut seen = None;
            for (vectors, split) in ways(&setting, pad) {
                let outcome = feed(&setting, vectors, split);
                let saw = outcome.saw();
                let is_same = *seen.get_or_insert_with(|| saw.clone()) == saw;
                let held = outcome.check(&setting, trial, split);
                let held = if is_same { held } else { Err(format!("now it is {saw:?}")) };
                held.map_err(|why| {
                    let (name, bytes) = (&trial.name, setting.bytes.escape_ascii());
                    format!("- {name}: {why}\n  in {bytes}, {split}, {vectors:?}")
                })?;
            }
        }
    }
    Ok(())
}

/// All of them. Of many characters in one trap each has its turn with another, in a debug build.
fn pads(trial: &Trial) -> impl Iterator<Item = usize> {
    let turn = trial.character.map(|character| 1 + character as usize % (PADS.len() - 1));
    let is_tried = move |index| !cfg!(debug_assertions) || turn.is_none_or(|turn| index == turn);
    PADS.into_iter().enumerate().filter(move |&(n, _)| n == 0 || is_tried(n)).map(|(_, pad)| pad)
}

/// How much of a stream comes at once. Before single bytes comes a read of none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    Whole,
    ByteByByte,
    /// In two pieces, the first of so many bytes.
    At(usize),
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Split::Whole => f.write_str("whole"),
            Split::ByteByByte => f.write_str("byte by byte"),
            Split::At(len) => write!(f, "cut after {len} bytes"),
        }
    }
}

/// Whole, byte by byte, and cut wherever a cut falls in the case or at its edges (all else is plain), with all vectors. A debug build splits
/// only where cases lie across the ends of vectors, and with one kind of vectors at each such place.
fn ways(setting: &Setting, pad: usize) -> impl Iterator<Item = (Vectors, Split)> {
    let range = &setting.case;
    let cuts = range.start.saturating_sub(1)..(range.end + 3).min(setting.bytes.len());
    let turn = match pad {
        0 => Some(0),
        15 => Some(1),
        31 => Some(2),
        _ => None,
    };
    let kinds = Vectors::available().count();
    Vectors::available().enumerate().flat_map(move |(index, vectors)| {
        let is_split = !cfg!(debug_assertions) || turn.is_some_and(|turn| turn % kinds == index);
        let splits = iter::once(Split::ByteByByte).chain(cuts.clone().map(Split::At));
        let splits = splits.filter(move |_| is_split);
        iter::once(Split::Whole).chain(splits).map(move |split| (vectors, split))
    })
}

/// What came of one stream.
#[derive(Default)]
struct Outcome {
    header: Option<Header>,
    frames: Vec<Frame>,
    is_closed: bool,
    error: Option<FrameError>,
    /// How many bytes had been fed when the error came, or all.
    fed: usize,
    /// Bytes that belong to no item.
    pending: usize,
    /// When it was fed byte by byte, an item came later than with its last byte.
    is_late: bool,
}

fn feed(setting: &Setting, vectors: Vectors, split: Split) -> Outcome {
    let mut framer = Framer::with_vectors(Limits::AUTHENTICATED, vectors);
    let mut outcome = Outcome::default();
    if setting.has_header {
        outcome.take(&mut framer, HEADER.as_bytes());
    }
    let bytes = &setting.bytes;
    let (first, rest) = match split {
        Split::Whole => bytes.split_at(bytes.len()),
        Split::At(len) => bytes.split_at(len),
        Split::ByteByByte => bytes.split_at(0),
    };
    let len = if split == Split::ByteByByte { 1 } else { usize::MAX };
    for piece in iter::once(first).chain(rest.chunks(len)) {
        outcome.fed += piece.len();
        let count = outcome.frames.len();
        outcome.take(&mut framer, piece);
        outcome.is_late |= len == 1 && outcome.frames.len() > count && framer.pending() > 0;
        if outcome.error.is_some() {
            break;
        }
    }
    outcome.pending = framer.pending();
    outcome
}

/// What has to be the same however a stream was fed.
type Saw = (Vec<(Bytes, Kind, String, [bool; 3])>, bool, Option<FrameError>, Option<usize>);

impl Outcome {
    fn take(&mut self, framer: &mut Framer, piece: &[u8]) {
        framer.buffer().extend_from_slice(piece);
        loop {
            match framer.next() {
                Ok(Some(Item::Header(header))) => self.header = Some(header),
                Ok(Some(Item::Element(frame))) => self.frames.push(frame),
                Ok(Some(Item::Close)) => self.is_closed = true,
                Ok(None) => return,
                Err(error) => {
                    self.error = Some(error);
                    return;
                }
            }
        }
    }

    fn saw(&self) -> Saw {
        let frames = self.frames.iter().map(|frame| {
            let flags =
                [frame.is_self_contained(), frame.spells_content_namespace(), frame.has_lang()];
            (frame.bytes().clone(), frame.kind(), frame.namespace().to_owned(), flags)
        });
        let pending = self.error.is_none().then_some(self.pending);
        (frames.collect(), self.is_closed, self.error, pending)
    }

    fn check(&self, setting: &Setting, trial: &Trial, split: Split) -> Result<(), String> {
        let refuse = |why: &str| Err(why.to_owned());
        if self.is_late {
            return refuse("an element did not come with its last byte");
        }
        match (trial.verdict, self.error) {
            (Verdict::Reads(_) | Verdict::Waits, Some(error)) => refuse(&format!("{error}")),
            (Verdict::Refused(_) | Verdict::Stricter(_), None) => refuse("accepted"),
            (Verdict::Refused(error) | Verdict::Stricter(error), Some(found)) if error != found => {
                refuse(&format!("{found} instead of {error}"))
            }
            (Verdict::Refused(error) | Verdict::Stricter(error), Some(_)) => {
                let is_restricted = matches!(error, FrameError::RestrictedXml(_));
                let slack = if is_restricted { 0 } else { setting.slack };
                let latest = setting.case.end + slack;
                let is_late = split == Split::ByteByByte && self.fed > latest;
                if is_late { refuse(&format!("refused late: {error}")) } else { Ok(()) }
            }
            (Verdict::Waits, None) if trial.bytes.is_empty() => Ok(()),
            (Verdict::Waits, None) if self.pending == 0 => refuse("complete"),
            (Verdict::Waits, None) => Ok(()),
            (Verdict::Reads(_), None) if self.pending > 0 => refuse("not complete"),
            (Verdict::Reads(facts), None) if split == Split::Whole => {
                self.frames.iter().try_for_each(agrees_with_its_tree)?;
                let header = self.header.as_ref().ok_or("no header")?;
                setting.check(trial, facts, header, &self.frames)
            }
            (Verdict::Reads(_), None) => Ok(()),
        }
    }
}

/// What routing goes by was found by the scan; the tree is read again by another tokeniser.
fn agrees_with_its_tree(frame: &Frame) -> Result<(), String> {
    let tree = frame.element().map_err(|error| format!("has no tree: {error}"))?;
    let is_same = tree.is(frame.name(), frame.namespace())
        && tree.attr("from") == frame.from().as_deref()
        && tree.attr("to") == frame.to().as_deref()
        && tree.attr("id") == frame.id().as_deref()
        && tree.attr("type") == frame.type_().as_deref()
        && tree.attr_in("lang", XML).is_some() == frame.has_lang();
    // Only the bytes tell whether a prefix is the header's.
    let bytes = String::from_utf8_lossy(frame.bytes());
    let may_borrow = ["cap:", "stream:", "p:"].into_iter().any(|prefix| bytes.contains(prefix));
    let is_foreign = is_foreign(&tree);
    let leans = !frame.is_self_contained();
    let is_known = if is_foreign { leans } else { !leans || may_borrow };
    let wrong = |what| Err(format!("{frame:?} is not {what} {tree:?}"));
    match (is_same, is_known) {
        (true, true) => Ok(()),
        (false, _) => wrong("the same as"),
        (true, false) => wrong("as self-contained as"),
    }
}

/// Whether the stanza itself, not what it carries of other namespaces, is in a content namespace that is not the stream's.
fn is_foreign(element: &Element) -> bool {
    let contents = [SERVER, CLIENT, "jabber:component:accept"];
    contents.contains(&element.namespace())
        && (element.namespace() != SERVER || element.children().any(is_foreign))
}
