//! Sun's tests, in stanzas.

use crate::case::{Fact::*, Place::*, Table::*, *};

pub static SUITE: Suite = Suite { name: "sun", tables: &[Single(CASES)] };

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("not-wf-sa03", "2.9", "an entity within a value", Value, b"external-&number;", ENTITY),
    case("attlist01", "3.3.1 [56]", "a declaration for attributes in an element", Text, b"<!ATTLIST root number NUTOKEN '1'>", DTD),
    case("attlist10", "3.1 [40]", "no space between attributes of a start tag", Tag, b" att1=\"value1\"att2=\"value2\"", SPACE),
    case("attlist11", "3.1 [44]", "no space between attributes of an empty element", Element, b"<iq att1='1'att2='2'/>", SPACE),
    case("element00", "3.1 [42]", "an end tag cut in its name", Stanza, b"<iq>thou</i", WAITS),
    case("element01", "3.1 [42]", "an end tag cut before its bracket", Stanza, b"<iq>thou</iq", WAITS),
    case("element02", "3.1 [43]", "a directive of a page in text", Text, b"<% @ LANGUAGE=\"X\" %>", NAME),
    case("element03", "3.1 [43]", "a script of a page in text", Text, b"<% print (\"x\"); %>", NAME),
    case("element04", "3.1 [43]", "an element declaration in an element", Text, b"<!ELEMENT foo EMPTY>", DTD),
    case("encoding01", "4.3.3 [81]", "a space in an encoding's name", Opening, b"<?xml version=\"1.0\" encoding=\" utf-8\"?>", XML_DECL),
    case("encoding02", "4.3.3 [81]", "a slash in an encoding's name", Opening, b"<?xml version=\"1.0\" encoding=\"a/b\"?>", XML_DECL),
    case("encoding03", "4.3.3 [81]", "a reference in an encoding's name", Opening, b"<?xml version=\"1.0\" encoding=\"UTF&#45;8\"?>", XML_DECL),
    case("encoding04", "4.3.3 [81]", "a colon in an encoding's name", Opening, b"<?xml version=\"1.0\" encoding=\"utf:8\"?>", XML_DECL),
    case("encoding05", "4.3.3 [81]", "an at sign in an encoding's name", Opening, b"<?xml version=\"1.0\" encoding=\"@utf(8)\"?>", XML_DECL),
    case("encoding06", "4.3.3 [81]", "a plus sign in an encoding's name", Opening, b"<?xml version=\"1.0\" encoding=\"XYZ+999\"?>", XML_DECL),
    case("pi", "2.6 [16]", "no space behind the target of an instruction", Text, b"<?note+?>", INSTRUCTION),
    case("pubid01", "2.3 [12]", "an entity in a public name", Opening, b"<!DOCTYPE a [<!ENTITY b PUBLIC 'c&apos;s' 'd'>]>", DTD),
    case("sgml01", "3 [39]", "an end tag left out", Stanza, b"<iq>", WAITS),
    case("sgml02", "2.8", "a space before the declaration", Opening, b" <?xml version=\"1.0\"?>", INSTRUCTION),
    case("sgml03", "2.5 [15]", "two hyphens in a comment", Between, b"<!-- SGML -- too -->", COMMENT),
    case("el06", "3", "a predefined entity in an element", Element, b"<iq>&amp;</iq>", reads(&[Says("&")])),
    case("inv-not-sa14", "3", "white space in a CDATA section", Element, b"<iq><![CDATA[\n    ]]><c/></iq>", reads(&[Says("\n    "), Holds(1, "c", SERVER)])),
    case("not-sa01", "2.9", "a declaration that is not standalone", Opening, b"<?xml version='1.0' standalone='no'?>\n\n", READS),
    case("sa01", "2.9 [32]", "a declaration that is standalone", Opening, b"<?xml version='1.0' standalone='yes'?>\n\n", READS),
    case("required00", "3.3.2 [60]", "one attribute", Tag, b" req=\"foo\"", reads(&[Has("req", "", "foo")])),
    case("sa02", "3.3.3", "white space of all kinds in a value", Value, b" this\t\r\n also\t gets\r\n", reads(&[Says(" this   also  gets ")])),
    case("v-lang01", "2.12 [35]", "a language", Tag, b" xml:lang=\"en\"", reads(&[Has("lang", XML, "en"), Lacks("lang", "")])),
    case("v-lang02", "2.12 [35]", "a language with a country", Tag, b" xml:lang=\"en-IN\"", reads(&[Has("lang", XML, "en-IN")])),
    case("v-lang03", "2.12 [36]", "a registered language", Tag, b" xml:lang=\"i-klingon-whorf\"", reads(&[Has("lang", XML, "i-klingon-whorf")])),
    case("v-lang04", "2.12 [37]", "a private language", Tag, b" xml:lang=\"x-dialect\"", reads(&[Has("lang", XML, "x-dialect")])),
    case("v-lang05", "2.12 [35]", "a language in capitals", Tag, b" xml:lang=\"DE\"", reads(&[Has("lang", XML, "DE")])),
    case("v-lang06", "2.12 [37]", "a private language in capitals", Header, b" xml:lang=\"X-Java\"", reads(&[Has("lang", XML, "X-Java")])),
];
