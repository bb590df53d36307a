//! Each rule of Namespaces in XML 1.0 at its edges on both sides.

use crate::case::{Fact::*, Place::*, Table::*, *};

pub static SUITE: Suite = Suite {
    name: "namespaces",
    tables: &[Each(URIS), Single(RESERVED), Single(PREFIXES), Single(SCOPES), Single(ATTRIBUTES)],
};

const fn each(
    about: &'static str,
    place: Place,
    verdict: Verdict,
    list: &'static str,
) -> Characters {
    Characters { id: "[2.1] U+", clause: "NS 2.1", about, place, verdict, first: 0, width: 0, list }
}

/// What RFC 3986 lets stand in a URI, and each other character of ASCII.
#[rustfmt::skip]
const URIS: &[Characters] = &[
    each("part of a URI", UriRest, READS, "!#$%()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~"),
    each("part of an IRI", UriRest, READS, "\u{80}\u{A0}\u{E9}\u{2028}\u{4E00}\u{FFFD}\u{1F339}"),
    each("no part of a URI", UriRest, NS_NAME, "\t\n\r \">\\^`{|}\u{7F}"),
    each("no character", UriRest, CHARACTER, "\0\u{1}\u{8}\u{B}\u{C}\u{E}\u{1F}\u{FFFE}\u{FFFF}"),
    each("a less-than sign", UriRest, VALUE, "<"),
];

#[rustfmt::skip]
const RESERVED: &[Case] = &[
    case("[NS 3]", "NS 3", "what xml is, for others", Uri, b"http://www.w3.org/XML/1998/namespace", NS_DECL),
    case("[NS 3]", "NS 3", "what xmlns is, for others", Uri, b"http://www.w3.org/2000/xmlns/", NS_DECL),
    case("[NS 3]", "NS 3", "what xml is, with a reference", Uri, b"http://www.w3.org/XML/1998/namespac&#101;", NS_DECL),
    case("[NS 3]", "NS 3", "what xmlns is, with a reference", Uri, b"http://www.w3.org/2000/xmlns&#x2f;", NS_DECL),
    case("[NS 3]", "NS 2.3", "nearly what xml is", Uri, b"http://www.w3.org/XML/1998/Namespace", reads(&[Says("http://www.w3.org/XML/1998/Namespace")])),
    case("[NS 3]", "NS 2.3", "what xml is and a slash", Uri, b"http://www.w3.org/XML/1998/namespace/", reads(&[Says("http://www.w3.org/XML/1998/namespace/")])),
    case("[NS 3]", "NS 2.3", "what xmlns is without its slash", Uri, b"http://www.w3.org/2000/xmlns", reads(&[Says("http://www.w3.org/2000/xmlns")])),
    case("[NS 3]", "NS 3", "what xml is and a space", Uri, b"http://www.w3.org/XML/1998/namespace ", NS_NAME),
    case("[NS 3]", "NS 3", "xml declared with a reference", Tag, b" xmlns:xml='http://www.w3.org/XML/1998/namespac&#x65;' xml:a='1'", reads(&[Has("a", XML, "1")])),
    case("[NS 3]", "NS 3", "xml declared as nearly what it is", Tag, b" xmlns:xml='http://www.w3.org/XML/1998/namespace/'", NS_DECL),
    case("[NS 3]", "NS 3", "xml declared as what xmlns is", Tag, b" xmlns:xml='http://www.w3.org/2000/xmlns/'", NS_DECL),
    case("[NS 3]", "NS 3", "xmlns declared as what xml is", Tag, b" xmlns:xmlns='http://www.w3.org/XML/1998/namespace'", NS_DECL),
    case("[NS 3]", "NS 3", "xml declared twice", Tag, b" xmlns:xml='http://www.w3.org/XML/1998/namespace' xmlns:xml='http://www.w3.org/XML/1998/namespace'", DOUBLE),
    case("[NS 3]", "NS 3", "an attribute xml:xmlns", Tag, b" xml:xmlns='urn:z'", reads(&[Has("xmlns", XML, "urn:z"), Lacks("xmlns", "")])),
    case("[NS 3]", "NS 3", "an attribute that begins like xmlns", Tag, b" xmlnsx='urn:z' xmln='urn:y'", reads(&[Has("xmlnsx", "", "urn:z"), Has("xmln", "", "urn:y")])),
    case("[NS 3]", "NS 3", "xmlns in capitals is an attribute", Element, b"<iq XMLNS='urn:z'/>", reads(&[Called("iq", SERVER), Has("XMLNS", "", "urn:z")])),
    case("[NS 3]", "NS 3", "xmlns in capitals is a prefix like others", Tag, b" XMLNS:a='urn:z'", UNBOUND),
    case("[NS 3]", "NS 3", "xml in capitals is a prefix like others", Tag, b" XML:lang='en'", UNBOUND),
    case("[NS 3]", "NS 3", "xml in capitals declared", Tag, b" xmlns:XML='urn:z' XML:lang='en'", reads(&[Has("lang", "urn:z", "en"), Lacks("lang", XML)])),
    case("[NS 3]", "NS 3", "xml with one capital declared", Tag, b" xmlns:Xml='urn:z' Xml:lang='en'", reads(&[Has("lang", "urn:z", "en")])),
    case("[NS 3]", "NS 3", "a prefix that begins with xmlns", Tag, b" xmlns:xmlnsx='urn:z' xmlnsx:a='1'", reads(&[Has("a", "urn:z", "1")])),
    case("[NS 3]", "NS 3", "a local name xmlns of an element", Element, b"<cap:xmlns/>", reads(&[Called("xmlns", CAPULET)])),
    case("[NS 3]", "NS 3", "an element called xmlns", Element, b"<xmlns/>", reads(&[Called("xmlns", SERVER)])),
    case("[NS 3]", "NS 3", "an element called xml", Element, b"<xml/>", reads(&[Called("xml", SERVER)])),
    case("[NS 3]", "NS 3", "an element with the prefix xmlns, and its end", Element, b"<xmlns:a></xmlns:a>", UNBOUND),
    case("[NS 3]", "NS 3", "what xml is, on the header", Header, b" xmlns:a='http://www.w3.org/XML/1998/namespace'", NS_DECL),
    case("[NS 3]", "NS 3", "xmlns declared on the header", Header, b" xmlns:xmlns='urn:z'", NS_DECL),
    case("[NS 3]", "NS 3", "xml declared on the header as what it is", Header, b" xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'", reads(&[Has("lang", XML, "en")])),
    case("[NS 3]", "NS 3", "xml declared on the header as something else", Header, b" xmlns:xml='urn:z'", NS_DECL),
];

#[rustfmt::skip]
const PREFIXES: &[Case] = &[
    case("[NS 4]", "NS 4", "a prefix of one letter", Tag, b" xmlns:a='urn:z' a:a='1'", reads(&[Has("a", "urn:z", "1")])),
    case("[NS 4]", "NS 4", "a prefix that is an underscore", Tag, b" xmlns:_='urn:z' _:_='1'", reads(&[Has("_", "urn:z", "1")])),
    case("[NS 4]", "NS 4", "a prefix with a full stop, a hyphen and a digit", Tag, b" xmlns:a.b-1='urn:z' a.b-1:c='1'", reads(&[Has("c", "urn:z", "1")])),
    case("[NS 4]", "NS 4", "a prefix beyond ASCII", Tag, "\txmlns:\u{E9}='urn:z' \u{E9}:a='1'".as_bytes(), reads(&[Has("a", "urn:z", "1")])),
    case("[NS 4]", "NS 4", "a prefix as long as a vector", Tag, b" xmlns:abcdefghijklmnop='urn:z' abcdefghijklmnop:a='1'", reads(&[Has("a", "urn:z", "1")])),
    case("[NS 4]", "NS 4", "a prefix as long as a longer one", Element, b"<iq xmlns:abcdefghijklmnopqrstuvwxyzabcdef='urn:z'><abcdefghijklmnopqrstuvwxyzabcdef:b/></iq>", reads(&[Holds(1, "b", "urn:z")])),
    case("[NS 4]", "NS 4", "a prefix longer than two vectors", Tag, b" xmlns:abcdefghijklmnopqrstuvwxyzabcdefghijklmnop='urn:z' abcdefghijklmnopqrstuvwxyzabcdefghijklmnop:a='1'", reads(&[Has("a", "urn:z", "1")])),
    case("[NS 4]", "NS 4", "a prefix that begins with a digit", Tag, b" xmlns:1a='urn:z'", NAME),
    case("[NS 4]", "NS 4", "a prefix that begins with a hyphen", Tag, b" xmlns:-a='urn:z'", NAME),
    case("[NS 4]", "NS 4", "a local name that begins with a digit", Tag, b" cap:1='1'", NAME),
    case("[NS 4]", "NS 4", "a local name that begins with a full stop", Element, b"<cap:.a/>", NAME),
    case("[NS 4]", "NS 4", "a local name that begins with a combining character", Element, "<cap:\u{301}/>".as_bytes(), NAME),
    case("[NS 4]", "NS 4", "a local name that is missing", Element, b"<cap:/>", NAME),
    case("[NS 4]", "NS 4", "a local name that is missing before a space", Element, b"<cap: />", NAME),
    case("[NS 4]", "NS 4", "a local name that is missing before the end", Element, b"<cap:></cap:>", NAME),
    case("[NS 4]", "NS 4", "a local name that is missing before an equals sign", Tag, b" cap:='1'", NAME),
    case("[NS 4]", "NS 4", "a prefix that is missing", Element, b"<:a/>", NAME),
    case("[NS 4]", "NS 4", "a prefix that is missing on an attribute", Tag, b" :a='1'", NAME),
    case("[NS 4]", "NS 4", "a prefix that is missing in an end tag", Element, b"<a></:a>", NAME),
    case("[NS 4]", "NS 4", "a space before the colon", Element, b"<cap :a/>", NAME),
    case("[NS 4]", "NS 4", "a space behind the colon", Element, b"<cap: a/>", NAME),
    case("[NS 4]", "NS 4", "two prefixes", Element, b"<cap:cap:a/>", NAME),
    case("[NS 4]", "NS 4", "two prefixes in a declaration", Tag, b" xmlns:a:b='urn:z'", NAME),
    case("[NS 4]", "NS 4", "two colons in a declaration", Tag, b" xmlns::a='urn:z'", NAME),
    case("[NS 4]", "NS 4", "two prefixes in an end tag", Element, b"<cap:a></cap:a:a>", NAME),
    case("[NS 4]", "NS 4", "a fullwidth colon", Element, "<cap\u{FF1A}a/>".as_bytes(), NAME),
    case("[NS 4]", "NS 4", "a colon by reference", Element, b"<cap&#58;a/>", SPACE),
    case("[NS 5]", "NS 5", "a prefix for nothing", Tag, b" xmlns:a=''", NS_DECL),
    case("[NS 5]", "NS 5", "a prefix for nothing on the header", Header, b" xmlns:a=''", NS_DECL),
    case("[NS 5]", "NS 5", "a prefix for a space", Tag, b" xmlns:a=' '", NS_NAME),
    case("[NS 5]", "NS 5", "a default for a space", Tag, b" xmlns=' '", NS_NAME),
    case("[NS 5]", "NS 5", "a prefix for a space by reference", Tag, b" xmlns:a='&#32;'", NS_NAME),
];

#[rustfmt::skip]
const SCOPES: &[Case] = &[
    case("[NS 6.1]", "NS 6.1", "a declaration holds for its own element", Element, b"<a:iq xmlns:a='urn:x'></a:iq>", reads(&[Called("iq", "urn:x")])),
    case("[NS 6.1]", "NS 6.1", "a declaration behind the attribute that uses it", Tag, b" a:b='1' xmlns:a='urn:x'", reads(&[Has("b", "urn:x", "1")])),
    case("[NS 6.1]", "NS 6.1", "a declaration holds for all below", Element, b"<iq xmlns:a='urn:x'><b><c/></b><a:d/></iq>", reads(&[Holds(2, "d", "urn:x")])),
    case("[NS 6.1]", "NS 6.1", "a declaration does not hold behind its element", Element, b"<iq><b xmlns:a='urn:x'><a:c/></b><a:d/></iq>", UNBOUND),
    case("[NS 6.1]", "NS 6.1", "nor behind an empty one", Element, b"<iq><b xmlns:a='urn:x'/><a:d/></iq>", UNBOUND),
    case("[NS 6.1]", "NS 6.1", "nor in an attribute behind it", Element, b"<iq><b xmlns:a='urn:x'/><c a:d='1'/></iq>", UNBOUND),
    case("[NS 6.1]", "NS 6.1", "the one before holds again behind it", Element, b"<iq xmlns:a='urn:x'><b xmlns:a='urn:y'><a:c/></b><a:d/></iq>", reads(&[Holds(2, "d", "urn:x")])),
    case("[NS 6.1]", "NS 6.1", "prefixes differ by their case", Element, b"<A:iq xmlns:a='urn:x'/>", UNBOUND),
    case("[NS 6.1]", "NS 6.1", "a prefix of which another is the beginning", Element, b"<ab:iq xmlns:a='urn:x'/>", UNBOUND),
    case("[NS 6.1]", "NS 6.1", "a prefix that is the beginning of another", Element, b"<a:iq xmlns:ab='urn:x'/>", UNBOUND),
    case("[NS 6.1]", "NS 6.1", "an end tag with another prefix for the same", Element, b"<a:iq xmlns:a='urn:x' xmlns:b='urn:x'></b:iq>", MISMATCH),
    case("[NS 6.1]", "NS 6.1", "an end tag by the default for the same", Element, b"<a:iq xmlns:a='urn:x' xmlns='urn:x'></iq>", MISMATCH),
    case("[NS 6.1]", "NS 6.1", "a prefix of the header", Element, b"<cap:iq/>", reads(&[Called("iq", CAPULET)])),
    case("[NS 6.1]", "NS 6.1", "a prefix of the header that means something else here", Element, b"<cap:iq xmlns:cap='urn:x'/>", reads(&[Called("iq", "urn:x")])),
    case("[NS 6.1]", "NS 6.1", "and again what it meant behind that", Element, b"<iq><a xmlns:cap='urn:x'><cap:b/></a><cap:c/></iq>", reads(&[Holds(2, "c", CAPULET)])),
    case("[NS 6.2]", "NS 6.2", "a default holds for its own element", Element, b"<iq xmlns='urn:x'/>", reads(&[Called("iq", "urn:x")])),
    case("[NS 6.2]", "NS 6.2", "a default holds for all below", Element, b"<iq xmlns='urn:x'><a><b/></a><c/></iq>", reads(&[Holds(2, "c", "urn:x")])),
    case("[NS 6.2]", "NS 6.2", "the one before holds again behind it", Element, b"<iq><a xmlns='urn:x'><b/></a><c/></iq>", reads(&[Holds(2, "c", SERVER)])),
    case("[NS 6.2]", "NS 6.2", "the one before holds again behind an empty element", Element, b"<iq><a xmlns='urn:x'/><c/></iq>", reads(&[Holds(2, "c", SERVER)])),
    case("[NS 6.2]", "NS 6.2", "none", Element, b"<iq xmlns=''/>", reads(&[Called("iq", "")])),
    case("[NS 6.2]", "NS 6.2", "none, then one below", Element, b"<iq xmlns=''><a xmlns='urn:x'/></iq>", reads(&[Called("iq", ""), Holds(1, "a", "urn:x")])),
    case("[NS 6.2]", "NS 6.2", "none below one", Element, b"<iq xmlns='urn:x'><a xmlns=''/><b/></iq>", reads(&[Holds(2, "b", "urn:x")])),
    case("[NS 6.2]", "NS 6.2", "a default does not hold for attributes", Tag, b" xmlns='urn:x' a='1'", reads(&[Has("a", "", "1"), Lacks("a", "urn:x")])),
    case("[NS 6.2]", "NS 6.2", "a default is not that of an element with a prefix", Element, b"<cap:iq xmlns='urn:x'/>", reads(&[Called("iq", CAPULET)])),
    case("[NS 6.2]", "NS 6.2", "a default written with references", Element, b"<iq xmlns='urn:&#x78;'><a/></iq>", reads(&[Called("iq", "urn:x"), Holds(1, "a", "urn:x")])),
    case("[NS 6.2]", "NS 6.2", "a default in double quotes", Element, b"<iq xmlns=\"urn:x\"/>", reads(&[Called("iq", "urn:x")])),
    case("[NS 6.2]", "NS 6.2", "a default with spaces around its equals sign", Element, b"<iq xmlns = 'urn:x'/>", reads(&[Called("iq", "urn:x")])),
    case("[NS 6.2]", "NS 6.2", "a default that is the stream's", Element, b"<iq xmlns='jabber:server'><a/></iq>", reads(&[Called("iq", SERVER), Holds(1, "a", SERVER)])),
];

#[rustfmt::skip]
const ATTRIBUTES: &[Case] = &[
    case("[NS 6.3]", "NS 6.3", "one name, two prefixes", Tag, b" xmlns:a='urn:z' xmlns:b='urn:z' a:c='1' b:c='2'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "one name, two prefixes, declared last", Tag, b" a:c='1' b:c='2' xmlns:a='urn:z' xmlns:b='urn:z'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "one name, two prefixes, others between", Tag, b" xmlns:a='urn:z' xmlns:b='urn:z' a:c='1' a:d='' c='' b:e='' b:c='2'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "one name, two spellings", Tag, b" xmlns:a='urn:z' xmlns:b='urn:&#x7a;' a:c='1' b:c='2'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "one name, two references", Tag, b" xmlns:a='urn:&#122;' xmlns:b='urn:&#x7a;' a:c='1' b:c='2'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "one name, one of the header", Tag, b" xmlns:a='urn:capulet:1' a:c='1' cap:c='2'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "one name, one of the header and spelled with a reference", Tag, b" xmlns:a='urn:capulet:&#49;' a:c='1' cap:c='2'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "one name, one of an element around", Element, b"<iq xmlns:a='urn:z'><c xmlns:b='urn:z' a:d='' b:d=''/></iq>", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "one name, one of an element around that another hides", Element, b"<iq xmlns:a='urn:z'><c xmlns:a='urn:y' xmlns:b='urn:z' a:d='1' b:d='2'/></iq>", reads(&[Holds(1, "c", SERVER)])),
    case("[NS 6.3]", "NS 6.3", "one name that the stream knows", Tag, b" xmlns:a='http://etherx.jabber.org/streams' a:c='1' stream:c='2'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "one name that the default knows too", Tag, b" xmlns:a='jabber:server' xmlns:b='jabber:server' a:c='1' b:c='2'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "two names, one prefix", Tag, b" xmlns:a='urn:z' a:c='1' a:d='2'", reads(&[Has("c", "urn:z", "1"), Has("d", "urn:z", "2")])),
    case("[NS 6.3]", "NS 6.3", "one local name, two namespaces", Tag, b" xmlns:a='urn:z' xmlns:b='urn:y' a:c='1' b:c='2' c='3'", reads(&[Has("c", "urn:z", "1"), Has("c", "urn:y", "2"), Has("c", "", "3")])),
    case("[NS 6.3]", "NS 6.3", "one local name, the default and a prefix for it", Tag, b" xmlns='urn:z' xmlns:a='urn:z' a:c='1' c='2'", reads(&[Has("c", "urn:z", "1"), Has("c", "", "2")])),
    case("[NS 6.3]", "NS 6.3", "namespaces and local names that join to the same", Tag, b" xmlns:a='urn:z' xmlns:b='urn:zc' a:cd='1' b:d='2'", reads(&[Has("cd", "urn:z", "1"), Has("d", "urn:zc", "2")])),
    case("[NS 6.3]", "NS 6.3", "namespaces that differ behind a vector", Tag, b" xmlns:a='urn:capulet:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1' xmlns:b='urn:capulet:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2' a:c='1' b:c='2'", reads(&[Has("c", "urn:capulet:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2", "2")])),
    case("[NS 6.3]", "NS 6.3", "local names that differ behind their eighth letter", Tag, b" xmlns:a='urn:z' xmlns:b='urn:z' a:abcdefgh1='1' b:abcdefgh2='2'", reads(&[Has("abcdefgh1", "urn:z", "1"), Has("abcdefgh2", "urn:z", "2")])),
    case("[NS 6.3]", "NS 6.3", "long local names that do not", Tag, b" xmlns:a='urn:z' xmlns:b='urn:z' a:abcdefgh1='1' b:abcdefgh1='2'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "a prefix declared twice with two names", Tag, b" xmlns:a='urn:z' xmlns:a='urn:y'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "a default declared twice", Tag, b" xmlns='urn:z' xmlns='urn:y'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "a default declared twice, in two kinds of quotes", Tag, b" xmlns='urn:z' a='' xmlns=\"urn:z\"", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "a default and a prefix declared on the header twice", Header, b" xmlns='jabber:server'", DOUBLE),
    case("[NS 6.3]", "NS 6.3", "a language with and without its prefix", Tag, b" xml:lang='en' lang='de'", reads(&[Has("lang", XML, "en"), Has("lang", "", "de")])),
    case("[NS 6.3]", "NS 6.3", "two languages, two prefixes", Tag, b" xmlns:a='urn:z' xml:lang='en' a:lang='de'", reads(&[Has("lang", XML, "en"), Has("lang", "urn:z", "de")])),
    case("[NS 6.3]", "NS 6.3", "an address with and without a prefix", Element, b"<iq xmlns:a='urn:z' a:to='x' a:from='x' a:id='x' a:type='x' to='y'/>", reads(&[Has("to", "", "y"), Has("to", "urn:z", "x"), Lacks("from", ""), Lacks("id", ""), Lacks("type", "")])),
];
