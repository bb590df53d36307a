//! libexpat through its C interface, with namespaces, loaded at run time.
//!
//! All the `unsafe` of the crate is here. What it rests on, besides the declarations of `expat.h`: a parser is used by one thread at a
//! time (`Parser` is neither `Send` nor `Sync`), its handlers run within `XML_Parse` only, and what they are given lives until they
//! return.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::OnceLock;

use libloading::Library;

use crate::pieces::pieces;
use crate::reading::Reading;
use crate::tree::Name;

/// Between namespace and local name, and a character that no XML document can contain: what expat joins can be taken apart again, and
/// no namespace name is refused for it.
const SEPARATOR: u8 = 0x0C;

const FILE: &str = "libexpat.so.1";

/// The library is not here.
#[derive(Clone, Debug)]
pub struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{FILE} cannot be used ({}): install it, on Debian with `apt-get install libexpat1`",
            self.0
        )
    }
}

impl std::error::Error for Missing {}

type RawParser = NonNull<c_void>;
type OnStart = unsafe extern "C" fn(*mut c_void, *const c_char, *const *const c_char);
type OnEnd = unsafe extern "C" fn(*mut c_void, *const c_char);
type OnText = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);
type OnComment = unsafe extern "C" fn(*mut c_void, *const c_char);
type OnInstruction = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char);
type OnSection = unsafe extern "C" fn(*mut c_void);
type OnDoctype =
    unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char, c_int);

/// The functions of libexpat that are used, as `expat.h` declares them for a build with `char`.
pub struct Expat {
    create: unsafe extern "C" fn(*const c_char, c_char) -> Option<RawParser>,
    free: unsafe extern "C" fn(RawParser),
    set_user_data: unsafe extern "C" fn(RawParser, *mut c_void),
    set_element: unsafe extern "C" fn(RawParser, Option<OnStart>, Option<OnEnd>),
    set_text: unsafe extern "C" fn(RawParser, Option<OnText>),
    set_comment: unsafe extern "C" fn(RawParser, Option<OnComment>),
    set_instruction: unsafe extern "C" fn(RawParser, Option<OnInstruction>),
    set_section: unsafe extern "C" fn(RawParser, Option<OnSection>, Option<OnSection>),
    set_doctype: unsafe extern "C" fn(RawParser, Option<OnDoctype>),
    parse: unsafe extern "C" fn(RawParser, *const c_char, c_int, c_int) -> c_int,
    /// Since 2.6.0, and in distributions' older versions: see [`Parser::without_deferral`].
    set_deferral: Option<unsafe extern "C" fn(RawParser, u8) -> u8>,
    error: unsafe extern "C" fn(RawParser) -> c_int,
    error_text: unsafe extern "C" fn(c_int) -> *const c_char,
    version: String,
    /// Keeps the functions in memory.
    _library: Library,
}

impl Expat {
    /// The library of this machine.
    ///
    /// # Errors
    /// When there is none, or not one of 8-bit characters with namespaces.
    pub fn load() -> Result<&'static Expat, Missing> {
        static LOADED: OnceLock<Result<Expat, Missing>> = OnceLock::new();
        LOADED.get_or_init(Expat::open).as_ref().map_err(Clone::clone)
    }

    fn open() -> Result<Expat, Missing> {
        let missing = |error: libloading::Error| Missing(error.to_string());
        // SAFETY: libexpat has no initialiser that does anything.
        let library = unsafe { Library::new(FILE) }.map_err(missing)?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the field that it is stored in has the type that expat.h declares.
                *unsafe { library.get(concat!($name, "\0").as_bytes()) }.map_err(missing)?
            };
        }
        // SAFETY: as expat.h declares it.
        let version: libloading::Symbol<'_, unsafe extern "C" fn() -> *const c_char> =
            unsafe { library.get(b"XML_ExpatVersion\0") }.map_err(missing)?;
        // SAFETY: a constant string.
        let version = unsafe { CStr::from_ptr(version()) }.to_string_lossy().into_owned();
        // SAFETY: as expat.h declares it.
        let set_deferral = unsafe { library.get(b"XML_SetReparseDeferralEnabled\0") }.ok();
        let set_deferral = set_deferral.map(|function| *function);
        Ok(Expat {
            set_deferral,
            create: function!("XML_ParserCreateNS"),
            free: function!("XML_ParserFree"),
            set_user_data: function!("XML_SetUserData"),
            set_element: function!("XML_SetElementHandler"),
            set_text: function!("XML_SetCharacterDataHandler"),
            set_comment: function!("XML_SetCommentHandler"),
            set_instruction: function!("XML_SetProcessingInstructionHandler"),
            set_section: function!("XML_SetCdataSectionHandler"),
            set_doctype: function!("XML_SetStartDoctypeDeclHandler"),
            parse: function!("XML_Parse"),
            error: function!("XML_GetErrorCode"),
            error_text: function!("XML_ErrorString"),
            version,
            _library: library,
        })
    }

    /// What it calls itself, such as `expat_2.5.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Reads a stream in [`pieces`] of these lengths; `close` is the end tag of its root.
    pub fn read(&'static self, bytes: &[u8], lengths: &[usize], close: &str) -> Reading {
        let mut parser = Parser::new(self, Reading::default()).without_deferral();
        let fault = pieces(bytes, lengths).find_map(|piece| parser.feed(piece, false).err());
        let whole = match (&fault, parser.handler().is_closed) {
            (Some(_), _) => false,
            (None, true) => parser.feed(b"", true).is_ok(),
            (None, false) => {
                // What this completes is no part of the reading.
                let so_far = parser.handler().clone();
                let is_whole = parser.feed(close.as_bytes(), true).is_ok();
                *parser.handler() = so_far;
                is_whole
            }
        };
        Reading { fault, is_whole: whole, ..std::mem::take(parser.handler()) }
    }

    /// A parser that counts; for benchmarks.
    pub fn counter(&'static self) -> Counter {
        Counter(Parser::new(self, Count::default()))
    }
}

impl fmt::Debug for Expat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expat").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Counts the first-level elements of a stream and looks for the attributes that a router needs. Allocates nothing but what expat does.
#[derive(Debug)]
pub struct Counter(Parser<Count>);

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// First-level elements that are complete.
    pub elements: usize,
    /// Bytes in the values of `from`, `to`, `id` and `type` of first-level elements.
    pub address_bytes: usize,
    /// Bytes of character data.
    pub text_bytes: usize,
    depth: usize,
}

impl Counter {
    /// Goes on with the bytes of the stream.
    ///
    /// # Errors
    /// What expat says; from then on nothing is read.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.feed(bytes, false)
    }

    /// What was counted so far.
    pub fn count(&mut self) -> Count {
        *self.0.handler()
    }
}

/// What is done with what expat finds.
trait Handler {
    fn start(&mut self, name: &CStr, attributes: Attributes<'_>);
    fn text(&mut self, text: &[u8]);
    fn end(&mut self);
    /// A CDATA section begins.
    fn section(&mut self) {}
    /// A comment, an instruction or a document type declaration.
    fn beyond_xmpp(&mut self) {}
}

impl Handler for Reading {
    fn start(&mut self, name: &CStr, attributes: Attributes<'_>) {
        let pair =
            |(name, value): (&CStr, &CStr)| (expanded(name), value.to_string_lossy().into_owned());
        Reading::start(self, expanded(name), attributes.map(pair));
    }

    fn text(&mut self, text: &[u8]) {
        Reading::text(self, &String::from_utf8_lossy(text));
    }

    fn end(&mut self) {
        Reading::end(self);
    }

    fn section(&mut self) {
        Reading::section(self);
    }

    fn beyond_xmpp(&mut self) {
        self.is_beyond_xmpp = true;
    }
}

/// Takes apart what expat joined.
fn expanded(joined: &CStr) -> Name {
    let joined = joined.to_string_lossy();
    match joined.split_once(char::from(SEPARATOR)) {
        Some((namespace, local)) => Name::new(namespace, local),
        None => Name::new("", &joined),
    }
}

impl Handler for Count {
    fn start(&mut self, _name: &CStr, attributes: Attributes<'_>) {
        self.depth += 1;
        if self.depth == 2 {
            for (name, value) in attributes {
                if matches!(name.to_bytes(), b"from" | b"to" | b"id" | b"type") {
                    self.address_bytes += value.count_bytes();
                }
            }
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.text_bytes += text.len();
    }

    fn end(&mut self) {
        self.depth -= 1;
        self.elements += usize::from(self.depth == 1);
    }
}

/// The attributes of a start tag: names and values in turn, then a null.
struct Attributes<'a> {
    next: *const *const c_char,
    tag: PhantomData<&'a CStr>,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a CStr, &'a CStr);

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: `next` points at a name or at the null behind the last value, which it never passes; the strings live as long as
        // the call of the handler, and so does the tag that `'a` stands for.
        unsafe {
            let name = *self.next;
            if name.is_null() {
                return None;
            }
            let pair = (CStr::from_ptr(name), CStr::from_ptr(*self.next.add(1)));
            self.next = self.next.add(2);
            Some(pair)
        }
    }
}

/// A parser and its handler.
struct Parser<H: Handler> {
    expat: &'static Expat,
    raw: RawParser,
    /// A box, as a pointer: expat has a copy of it.
    handler: NonNull<H>,
}

impl<H: Handler> Parser<H> {
    fn new(expat: &'static Expat, handler: H) -> Parser<H> {
        let handler = NonNull::from(Box::leak(Box::new(handler)));
        let separator = SEPARATOR.cast_signed();
        // SAFETY: a null encoding means that the document tells. The handlers have the types that they are set for, and the user
        // data is what they expect.
        unsafe {
            let raw = (expat.create)(std::ptr::null(), separator).expect("memory for a parser");
            (expat.set_user_data)(raw, handler.as_ptr().cast());
            (expat.set_element)(raw, Some(on_start::<H>), Some(on_end::<H>));
            (expat.set_text)(raw, Some(on_text::<H>));
            (expat.set_comment)(raw, Some(on_comment::<H>));
            (expat.set_instruction)(raw, Some(on_instruction::<H>));
            (expat.set_section)(raw, Some(on_section::<H>), None);
            (expat.set_doctype)(raw, Some(on_doctype::<H>));
            Parser { expat, raw, handler }
        }
    }

    /// Reads every token as soon as it is complete. Otherwise one that began in an earlier piece may wait for more bytes to come.
    fn without_deferral(self) -> Parser<H> {
        if let Some(set_deferral) = self.expat.set_deferral {
            // SAFETY: before anything was parsed.
            unsafe { set_deferral(self.raw, 0) };
        }
        self
    }

    fn handler(&mut self) -> &mut H {
        // SAFETY: the box lives as long as the parser, and no handler runs while the parser is borrowed here.
        unsafe { self.handler.as_mut() }
    }

    fn feed(&mut self, bytes: &[u8], is_last: bool) -> Result<(), String> {
        let len = c_int::try_from(bytes.len()).expect("less than two gigabytes");
        // SAFETY: the bytes outlive the call; nobody else has a reference to the handler.
        unsafe {
            if (self.expat.parse)(self.raw, bytes.as_ptr().cast(), len, c_int::from(is_last)) == 1 {
                return Ok(());
            }
            let text = (self.expat.error_text)((self.expat.error)(self.raw));
            let known = NonNull::new(text.cast_mut()).map(|text| CStr::from_ptr(text.as_ptr()));
            Err(known.map_or_else(|| "unknown".into(), |text| text.to_string_lossy().into_owned()))
        }
    }
}

impl<H: Handler> Drop for Parser<H> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed once; the parser first, because it points at the handler.
        unsafe {
            (self.expat.free)(self.raw);
            drop(Box::from_raw(self.handler.as_ptr()));
        }
    }
}

impl<H: Handler + fmt::Debug> fmt::Debug for Parser<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: as in `handler`.
        f.debug_tuple("Parser").field(unsafe { self.handler.as_ref() }).finish()
    }
}

// SAFETY of all that follow: `data` is the user data that `Parser::new` set, and `XML_Parse` runs within `Parser::feed`, which has the
// handler to itself. Strings end with a zero.

unsafe extern "C" fn on_start<H: Handler>(
    data: *mut c_void,
    name: *const c_char,
    list: *const *const c_char,
) {
    // SAFETY: see above.
    let (handler, name) = unsafe { (&mut *data.cast::<H>(), CStr::from_ptr(name)) };
    handler.start(name, Attributes { next: list, tag: PhantomData });
}

unsafe extern "C" fn on_end<H: Handler>(data: *mut c_void, _name: *const c_char) {
    // SAFETY: see above.
    unsafe { &mut *data.cast::<H>() }.end();
}

unsafe extern "C" fn on_text<H: Handler>(data: *mut c_void, text: *const c_char, len: c_int) {
    let len = usize::try_from(len).unwrap_or(0);
    // SAFETY: see above; the text has this length and no zero behind it.
    let (handler, text) =
        unsafe { (&mut *data.cast::<H>(), std::slice::from_raw_parts(text.cast::<u8>(), len)) };
    handler.text(text);
}

unsafe extern "C" fn on_section<H: Handler>(data: *mut c_void) {
    // SAFETY: see above.
    unsafe { &mut *data.cast::<H>() }.section();
}

unsafe extern "C" fn on_comment<H: Handler>(data: *mut c_void, _text: *const c_char) {
    // SAFETY: see above.
    unsafe { &mut *data.cast::<H>() }.beyond_xmpp();
}

unsafe extern "C" fn on_instruction<H: Handler>(
    data: *mut c_void,
    _target: *const c_char,
    _text: *const c_char,
) {
    // SAFETY: see above.
    unsafe { &mut *data.cast::<H>() }.beyond_xmpp();
}

unsafe extern "C" fn on_doctype<H: Handler>(
    data: *mut c_void,
    _name: *const c_char,
    _system: *const c_char,
    _public: *const c_char,
    _has_subset: c_int,
) {
    // SAFETY: see above.
    unsafe { &mut *data.cast::<H>() }.beyond_xmpp();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openings::{HEADER, OPENINGS};
    use crate::twin;

    fn expat() -> &'static Expat {
        Expat::load().unwrap_or_else(|missing| panic!("{missing}"))
    }

    fn read(body: &str) -> Reading {
        expat().read(format!("{HEADER}{body}").as_bytes(), &[5], OPENINGS[0].close)
    }

    #[test]
    fn trees_are_those_that_were_written() {
        let body =
            "<a xml:lang='en' cap:b='&lt;' b=\"2\">x<b xmlns=''/>y&amp;<![CDATA[<]]></a> <c/>";
        let stanzas =
            twin::read(format!("{HEADER}{body}").as_bytes()).expect("a good stream").stanzas;
        let trees: Vec<_> = stanzas.iter().map(twin::Stanza::tree).collect();
        let reading = read(body);
        assert_eq!((reading.elements, reading.is_whole, reading.is_closed), (trees, true, false));
        let root = reading.root.expect("a root");
        assert_eq!(root.name, Name::new("http://etherx.jabber.org/streams", "stream"));
        assert_eq!(root.attribute("to"), Some("montague.example"));
        assert!(read("<a/></stream:stream> ").is_closed);
    }

    #[test]
    fn faults_are_told_and_the_rest_is_incomplete() {
        assert_eq!(read("<a></b>").fault.as_deref(), Some("mismatched tag"));
        assert_eq!(read("<x:a/>").fault.as_deref(), Some("unbound prefix"));
        let cut = read("<a/><b");
        assert_eq!((cut.fault, cut.is_whole, cut.elements.len()), (None, false, 1));
        assert!(
            read("<a><!-- --></a>").is_beyond_xmpp
                && read("<?a?>").is_beyond_xmpp
                && read("x").is_beyond_xmpp
                && read("<![CDATA[ ]]>").is_beyond_xmpp
        );
        assert!(!read("<a>x<![CDATA[]]></a> ").is_beyond_xmpp);
    }

    #[test]
    fn the_counter_counts_and_finds_addresses() {
        let mut counter = expat().counter();
        counter.feed(HEADER.as_bytes()).expect("a header");
        for _ in 0..3 {
            counter
                .feed(b"<iq from='ab' to='c' x='no'><q to='no'>text</q></iq>")
                .expect("a stanza");
        }
        let count = counter.count();
        assert_eq!((count.elements, count.address_bytes, count.text_bytes), (3, 9, 12));
        assert!(counter.feed(b"</iq>").is_err());
    }
}
