//! IBM's tests of the characters of names, which are those of the editions before the fifth (appendix B), and of the characters that the
//! fifth edition added. There each stands in the target of an instruction or in a long list, here alone in a name.

use crate::case::{Place::*, Table::*, *};

pub static SUITE: Suite =
    Suite { name: "ibm names", tables: &[Single(CASES), Each(WRONG), Each(RIGHT), Each(NEWER)] };

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("ibm-not-wf-P88-ibm88n01", "B [88]", "a parenthesis in a name", Element, b"<_)/>", SPACE),
    case("ibm-not-wf-P88-ibm88n02", "B [88]", "a semicolon in a name", Element, b"<_;/>", SPACE),
    case("x-ibm-1-0.5-not-wf-P04-ibm04n21", "2.3 [4]", "U+D800 begins a name", Name, b"\xED\xA0\x80", UTF8),
    case("x-ibm-1-0.5-not-wf-P04-ibm04n22", "2.3 [4]", "U+D801 begins a name", Name, b"\xED\xA0\x81", UTF8),
    case("x-ibm-1-0.5-not-wf-P04-ibm04n23", "2.3 [4]", "U+DAFF begins a name", Name, b"\xED\xAB\xBF", UTF8),
    case("x-ibm-1-0.5-not-wf-P04-ibm04n24", "2.3 [4]", "U+DFFF begins a name", Name, b"\xED\xBF\xBF", UTF8),
    case("x-ibm-1-0.5-not-wf-P04-ibm04n28", "2.3 [4]", "U+FFFF begins a name", Name, b"\xEF\xBF\xBF", CHARACTER),
    case("x-ibm-1-0.5-not-wf-P04a-ibm04an21", "2.3 [4a]", "U+D800 in a name", NameRest, b"\xED\xA0\x80", UTF8),
    case("x-ibm-1-0.5-not-wf-P04a-ibm04an22", "2.3 [4a]", "U+D801 in a name", NameRest, b"\xED\xA0\x81", UTF8),
    case("x-ibm-1-0.5-not-wf-P04a-ibm04an23", "2.3 [4a]", "U+DAFF in a name", NameRest, b"\xED\xAB\xBF", UTF8),
    case("x-ibm-1-0.5-not-wf-P04a-ibm04an24", "2.3 [4a]", "U+DFFF in a name", NameRest, b"\xED\xBF\xBF", UTF8),
    case("x-ibm-1-0.5-not-wf-P04a-ibm04an28", "2.3 [4a]", "U+FFFF in a name", NameRest, b"\xEF\xBF\xBF", CHARACTER),
    case("x-ibm-1-0.5-not-wf-P05-ibm05n01", "2.3 [5]", "a vertical tab behind a name", Element, b"<BadName\x0B/>", SPACE),
    case("x-ibm-1-0.5-not-wf-P05-ibm05n02", "2.3 [5]", "U+0300 begins a name", Name, "\u{300}BadName".as_bytes(), NAME),
    case("x-ibm-1-0.5-not-wf-P05-ibm05n03", "2.3 [5]", "U+036F begins a name", Name, "\u{36F}BadName".as_bytes(), NAME),
    case("x-ibm-1-0.5-not-wf-P05-ibm05n04", "2.3 [5]", "U+203F begins a name", Name, "\u{203F}BadName".as_bytes(), NAME),
    case("x-ibm-1-0.5-not-wf-P05-ibm05n05", "2.3 [5]", "U+2040 begins a name", Name, "\u{2040}BadName".as_bytes(), NAME),
    case("x-ibm-1-0.5-not-wf-P05-ibm05n06", "2.3 [5]", "a middle dot begins a name", Name, "\u{B7}BadName".as_bytes(), NAME),
];

#[rustfmt::skip]
const WRONG: &[Characters] = &[
    Characters { id: "ibm-not-wf-P85-ibm85n", clause: "B [85]", about: "no letter", place: Name, verdict: NAME, first: 1, width: 2, list: "\
        \u{D7}\u{F7}\u{132}\u{133}\u{13F}\u{140}\u{149}\u{17F}\u{1C4}\u{1CC}\u{1F1}\u{1F3}\u{1F6}\u{1F9}\u{1F9}\u{230}\u{2AF}\u{2CF}\
        \u{387}\u{38B}\u{3A2}\u{3CF}\u{3D7}\u{3DD}\u{3E1}\u{3F4}\u{40D}\u{450}\u{45D}\u{482}\u{4C5}\u{4C6}\u{4C9}\u{4EC}\u{4ED}\u{4F6}\
        \u{4FA}\u{557}\u{558}\u{587}\u{5EB}\u{5F3}\u{620}\u{63B}\u{64B}\u{6B8}\u{6BF}\u{6CF}\u{6D4}\u{6D6}\u{6E7}\u{93A}\u{93E}\u{962}\
        \u{98D}\u{991}\u{992}\u{9A9}\u{9B1}\u{9B5}\u{9BA}\u{9DE}\u{9E2}\u{9F2}\u{A0B}\u{A11}\u{A29}\u{A31}\u{A34}\u{A37}\u{A3A}\u{A5D}\
        \u{A70}\u{A75}\u{A84}\u{ABC}\u{A92}\u{AA9}\u{AB1}\u{AB4}\u{ABA}\u{B04}\u{B0D}\u{B11}\u{B29}\u{B31}\u{B34}\u{B3A}\u{B3E}\u{B5E}\
        \u{B62}\u{B8B}\u{B91}\u{B98}\u{B9B}\u{B9D}\u{BA0}\u{BA7}\u{BAB}\u{BB6}\u{BBA}\u{C0D}\u{C11}\u{C29}\u{C34}\u{C5F}\u{C62}\u{C8D}\
        \u{C91}\u{CA9}\u{CB4}\u{CBA}\u{CDF}\u{CE2}\u{D0D}\u{D11}\u{D29}\u{D3A}\u{D62}\u{E2F}\u{E31}\u{E34}\u{E46}\u{E83}\u{E85}\u{E89}\
        \u{E8B}\u{E8E}\u{E98}\u{EA0}\u{EA4}\u{EA6}\u{EA8}\u{EAC}\u{EAF}\u{EB1}\u{EB4}\u{EBE}\u{EC5}\u{F48}\u{F6A}\u{10C6}\u{10F7}\
        \u{1101}\u{1104}\u{1108}\u{110A}\u{110D}\u{113B}\u{113F}\u{1141}\u{114D}\u{114F}\u{1151}\u{1156}\u{115A}\u{1162}\u{1164}\u{1166}\
        \u{116B}\u{116F}\u{1174}\u{119F}\u{11AC}\u{11B6}\u{11B9}\u{11BB}\u{11C3}\u{11F1}\u{11FA}\u{1E9C}\u{1EFA}\u{1F16}\u{1F1E}\u{1F46}\
        \u{1F4F}\u{1F58}\u{1F5A}\u{1F5C}\u{1F5E}\u{1F7E}\u{1FB5}\u{1FBD}\u{1FBF}\u{1FC5}\u{1FCD}\u{1FD5}\u{1FDC}\u{1FED}\u{1FF5}\u{1FFD}\
        \u{2127}\u{212F}\u{2183}\u{3095}\u{30FB}\u{312D}\u{D7A4}" },
    Characters { id: "ibm-not-wf-P86-ibm86n", clause: "B [86]", about: "no ideograph", place: Name, verdict: NAME, first: 1, width: 2, list: "\u{4CFF}\u{9FA6}\u{3008}\u{302A}" },
    Characters { id: "ibm-not-wf-P87-ibm87n", clause: "B [87]", about: "no combining character", place: NameRest, verdict: NAME, first: 1, width: 2, list: "\
        \u{2FF}\u{346}\u{362}\u{487}\u{5A2}\u{5BA}\u{5BE}\u{5C0}\u{5C3}\u{653}\u{6B8}\u{6B9}\u{6E9}\u{6EE}\u{904}\u{93B}\u{94E}\u{955}\
        \u{964}\u{984}\u{9C5}\u{9C9}\u{9CE}\u{9D8}\u{9E4}\u{A03}\u{A3D}\u{A46}\u{A49}\u{A4E}\u{A80}\u{A84}\u{ABB}\u{AC6}\u{ACA}\u{ACE}\
        \u{B04}\u{B3B}\u{B44}\u{B4A}\u{B4E}\u{B58}\u{B84}\u{BC3}\u{BC9}\u{BD6}\u{C0D}\u{C45}\u{C49}\u{C54}\u{C81}\u{C84}\u{CC5}\u{CC9}\
        \u{CD4}\u{CD7}\u{D04}\u{D45}\u{D49}\u{D4E}\u{D58}\u{E3F}\u{E3B}\u{E4F}" },
    Characters { id: "ibm-not-wf-P87-ibm87n", clause: "B [87]", about: "no combining character", place: NameRest, verdict: NAME, first: 66, width: 2, list: "\
        \u{EBA}\u{EBE}\u{ECE}\u{F1A}\u{F36}\u{F38}\u{F3B}\u{F3A}\u{F70}\u{F85}\u{F8C}\u{F96}\u{F98}\u{FB0}\u{FB8}\u{FBA}\u{20DD}\u{20E2}\
        \u{3030}\u{309B}" },
    Characters { id: "ibm-not-wf-P88-ibm88n", clause: "B [88]", about: "no digit", place: NameRest, verdict: NAME, first: 3, width: 2, list: "\u{66A}\u{6FA}\u{970}\u{9F2}" },
    Characters { id: "ibm-not-wf-P88-ibm88n", clause: "B [88]", about: "no digit", place: NameRest, verdict: NAME, first: 8, width: 2, list: "\u{AF0}\u{B70}\u{C65}\u{CE5}\u{CF0}\u{D70}\u{E5A}\u{EDA}\u{F2A}" },
    Characters { id: "ibm-not-wf-P89-ibm89n", clause: "B [89]", about: "no extender", place: NameRest, verdict: NAME, first: 1, width: 2, list: "\u{B6}\u{B8}\u{2D2}\u{3FE}\u{65F}\u{EC7}\u{3006}\u{3030}\u{3036}\u{309C}\u{309F}\u{30FF}" },
    Characters { id: "x-ibm-1-0.5-not-wf-P04-ibm04n", clause: "2.3 [4]", about: "begins no name in any edition", place: Name, verdict: NAME, first: 2, width: 2, list: "\
        \u{333}\u{369}\u{37E}\u{2000}\u{2001}\u{2002}\u{2005}\u{200B}\u{200E}\u{200F}\u{2069}\u{2190}\u{23FF}\u{280F}\u{2A00}\u{2B00}\
        \u{2BFF}\u{2FFF}\u{3000}" },
    Characters { id: "x-ibm-1-0.5-not-wf-P04-ibm04n", clause: "2.3 [4]", about: "begins no name in any edition", place: Name, verdict: NAME, first: 25, width: 2, list: "\u{EFFF}\u{F1FF}\u{F8FF}" },
    Characters { id: "x-ibm-1-0.5-not-wf-P04a-ibm04an", clause: "2.3 [4a]", about: "in no name in any edition", place: NameRest, verdict: NAME, first: 1, width: 2, list: "\
        \u{B8}\u{A1}\u{AF}\u{37E}\u{2000}\u{2001}\u{2002}\u{2005}\u{200B}\u{200E}\u{203D}\u{2041}\u{2190}\u{23FF}\u{280F}\u{2A00}\
        \u{FDD0}\u{FDEF}\u{2FFF}\u{3000}" },
    Characters { id: "x-ibm-1-0.5-not-wf-P04a-ibm04an", clause: "2.3 [4a]", about: "in no name in any edition", place: NameRest, verdict: NAME, first: 25, width: 2, list: "\u{EFFF}\u{F1FF}\u{F8FF}" },
];

#[rustfmt::skip]
const RIGHT: &[Characters] = &[
    Characters { id: "ibm-valid-P85-ibm85v01 U+", clause: "B [85]", about: "a letter", place: Name, verdict: READS, first: 0, width: 2, list: "\
        \u{C0}\u{CB}\u{D6}\u{D8}\u{E7}\u{F6}\u{F8}\u{FB}\u{FF}\u{100}\u{118}\u{131}\u{134}\u{139}\u{13E}\u{141}\u{144}\u{148}\u{14A}\
        \u{164}\u{17E}\u{180}\u{1A1}\u{1C3}\u{1CD}\u{1DE}\u{1F0}\u{1F4}\u{1F5}\u{1FA}\u{208}\u{217}\u{250}\u{27C}\u{2A8}\u{2BB}\u{2BE}\
        \u{2C1}\u{386}\u{388}\u{389}\u{38A}\u{38C}\u{38E}\u{397}\u{3A1}\u{3A3}\u{3B8}\u{3CE}\u{3D0}\u{3D3}\u{3D6}\u{3DA}\u{3DC}\u{3DE}\
        \u{3E0}\u{3E2}\u{3EA}\u{3F3}\u{401}\u{406}\u{40C}\u{40E}\u{42E}\u{44F}\u{451}\u{456}\u{45C}\u{45E}\u{46F}\u{481}\u{490}\u{4AA}\
        \u{4C4}\u{4C7}\u{4C8}\u{4CB}\u{4CC}\u{4D0}\u{4DD}\u{4EB}\u{4EE}\u{4F1}\u{4F5}\u{4F8}\u{4F9}\u{531}\u{543}\u{556}\u{559}\u{561}\
        \u{573}\u{586}\u{5D0}\u{5DD}\u{5EA}\u{5F0}\u{5F1}\u{5F2}\u{621}\u{62D}\u{63A}\u{641}\u{645}\u{64A}\u{671}\u{694}\u{6B7}\u{6BA}\
        \u{6BC}\u{6BE}\u{6C0}\u{6C7}\u{6CE}\u{6D0}\u{6D1}\u{6D3}\u{6D5}\u{6E5}\u{6E6}\u{905}\u{91F}\u{939}\u{93D}\u{958}\u{95C}\u{961}\
        \u{985}\u{988}\u{98C}\u{98F}\u{990}\u{993}\u{99D}\u{9A8}\u{9AA}\u{9AD}\u{9B0}\u{9B2}\u{9B6}\u{9B7}\u{9B9}\u{9DC}\u{9DD}\u{9DF}\
        \u{9E0}\u{9E1}\u{9F0}\u{9F1}\u{A05}\u{A07}\u{A0A}\u{A0F}\u{A10}\u{A13}\u{A1D}\u{A28}\u{A2A}\u{A2D}\u{A30}\u{A32}\u{A33}\u{A35}\
        \u{A36}\u{A38}\u{A39}\u{A59}\u{A5A}\u{A5C}\u{A5E}\u{A72}\u{A73}\u{A74}\u{A85}\u{A88}\u{A8B}\u{A8D}\u{A8F}\u{A90}\u{A91}\u{A93}\
        \u{A9D}\u{AA8}\u{AAA}\u{AAD}\u{AB0}\u{AB2}\u{AB3}\u{AB5}\u{AB7}\u{AB9}\u{ABD}\u{AE0}\u{B05}\u{B08}\u{B0C}\u{B0F}\u{B10}\u{B13}\
        \u{B1D}\u{B28}\u{B2A}\u{B2D}\u{B30}\u{B32}\u{B33}\u{B36}\u{B37}\u{B39}\u{B3D}\u{B5C}\u{B5D}\u{B5F}\u{B60}\u{B61}\u{B85}\u{B87}\
        \u{B8A}\u{B8E}\u{B8F}\u{B90}\u{B92}\u{B93}\u{B95}\u{B99}\u{B9A}\u{B9C}\u{B9E}\u{B9F}\u{BA3}\u{BA4}\u{BA8}\u{BA9}\u{BAA}\u{BAE}\
        \u{BB1}\u{BB5}\u{BB7}\u{BB8}\u{BB9}\u{C05}\u{C08}\u{C0C}\u{C0E}\u{C0F}\u{C10}\u{C12}\u{C1D}\u{C28}\u{C2A}\u{C2E}\u{C33}\u{C35}\
        \u{C37}\u{C39}\u{C60}\u{C61}\u{C85}\u{C88}\u{C8C}\u{C8E}\u{C8F}\u{C90}\u{C92}\u{C9D}\u{CA8}\u{CAA}\u{CAE}\u{CB3}\u{CB5}\u{CB7}\
        \u{CB9}\u{CDE}\u{CE0}\u{CE1}\u{D05}\u{D08}\u{D0C}\u{D0E}\u{D0F}\u{D10}\u{D12}\u{D1D}\u{D28}\u{D2A}\u{D31}\u{D39}\u{D60}\u{D61}\
        \u{E01}\u{E17}\u{E2E}\u{E30}\u{E32}\u{E33}\u{E40}\u{E42}\u{E45}\u{E81}\u{E82}\u{E84}\u{E87}\u{E88}\u{E8A}\u{E8D}\u{E94}\u{E95}\
        \u{E97}\u{E99}\u{E9C}\u{E9F}\u{EA1}\u{EA2}\u{EA3}\u{EA5}\u{EA7}\u{EAA}\u{EAB}\u{EAD}\u{EAE}\u{EB0}\u{EB2}\u{EB3}\u{EBD}\u{EC0}\
        \u{EC2}\u{EC4}\u{F40}\u{F43}\u{F47}\u{F49}\u{F59}\u{F69}\u{10A0}\u{10B2}\u{10C5}\u{10D0}\u{10E3}\u{10F6}\u{1100}\u{1102}\u{1103}\
        \u{1105}\u{1106}\u{1107}\u{1109}\u{110B}\u{110C}\u{110E}\u{1110}\u{1112}\u{113C}\u{113E}\u{1140}\u{114C}\u{114E}\u{1150}\u{1154}\
        \u{1155}\u{1159}\u{115F}\u{1160}\u{1161}\u{1163}\u{1165}\u{1167}\u{1169}\u{116D}\u{116E}\u{1172}\u{1173}\u{1175}\u{119E}\u{11A8}\
        \u{11AB}\u{11AE}\u{11AF}\u{11B7}\u{11B8}\u{11BA}\u{11BC}\u{11BF}\u{11C2}\u{11EB}\u{11F0}\u{11F9}\u{1E00}\u{1E4D}\u{1E9B}\u{1EA0}\
        \u{1ECC}\u{1EF9}\u{1F00}\u{1F0A}\u{1F15}\u{1F18}\u{1F1A}\u{1F1D}\u{1F20}\u{1F32}\u{1F45}\u{1F48}\u{1F4A}\u{1F4D}\u{1F50}\u{1F53}\
        \u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}\u{1F6E}\u{1F7D}\u{1F80}\u{1F9A}\u{1FB4}\u{1FB6}\u{1FB9}\u{1FBC}\u{1FBE}\u{1FC2}\u{1FC3}\
        \u{1FC4}\u{1FC6}\u{1FC9}\u{1FCC}\u{1FD0}\u{1FD1}\u{1FD3}\u{1FD6}\u{1FD8}\u{1FDB}\u{1FE0}\u{1FE6}\u{1FEC}\u{1FF2}\u{1FF3}\u{1FF4}\
        \u{1FF6}\u{1FF9}\u{1FFC}\u{2126}\u{212A}\u{212B}\u{212E}\u{2180}\u{2181}\u{2182}\u{3041}\u{306A}\u{3094}\u{30A1}\u{30CD}\u{30FA}\
        \u{3105}\u{3118}\u{312C}\u{AC00}\u{C1D1}\u{D7A3}" },
    Characters { id: "ibm-valid-P86-ibm86v01 U+", clause: "B [86]", about: "an ideograph", place: Name, verdict: READS, first: 0, width: 2, list: "\u{3007}\u{3021}\u{3025}\u{3029}\u{4E00}\u{76D2}\u{9FA5}" },
    Characters { id: "ibm-valid-P87-ibm87v01 U+", clause: "B [87]", about: "a combining character", place: NameRest, verdict: READS, first: 0, width: 2, list: "\
        \u{300}\u{322}\u{345}\u{360}\u{361}\u{483}\u{484}\u{486}\u{591}\u{599}\u{5A1}\u{5A3}\u{5AE}\u{5B9}\u{5BB}\u{5BC}\u{5BD}\u{5BF}\
        \u{5C1}\u{5C2}\u{5C4}\u{64B}\u{64E}\u{652}\u{670}\u{6D6}\u{6D9}\u{6DC}\u{6DD}\u{6DE}\u{6DF}\u{6E0}\u{6E2}\u{6E4}\u{6E7}\u{6E8}\
        \u{6EA}\u{6EB}\u{6ED}\u{901}\u{902}\u{903}\u{93C}\u{93E}\u{945}\u{94C}\u{94D}\u{951}\u{952}\u{954}\u{962}\u{963}\u{981}\u{982}\
        \u{983}\u{9BC}\u{9BE}\u{9BF}\u{9C0}\u{9C2}\u{9C4}\u{9C7}\u{9C8}\u{9CB}\u{9CC}\u{9CD}\u{9D7}\u{9E2}\u{9E3}\u{A02}\u{A3C}\u{A3E}\
        \u{A3F}\u{A40}\u{A41}\u{A42}\u{A47}\u{A48}\u{A4B}\u{A4C}\u{A4D}\u{A70}\u{A71}\u{A81}\u{A82}\u{A83}\u{ABC}\u{ABE}\u{AC1}\u{AC5}\
        \u{AC7}\u{AC8}\u{AC9}\u{ACB}\u{ACC}\u{ACD}\u{B01}\u{B02}\u{B03}\u{B3C}\u{B3E}\u{B40}\u{B43}\u{B47}\u{B48}\u{B4B}\u{B4C}\u{B4D}\
        \u{B56}\u{B57}\u{B82}\u{B83}\u{BBE}\u{BC0}\u{BC2}\u{BC6}\u{BC7}\u{BC8}\u{BCA}\u{BCB}\u{BCD}\u{BD7}\u{C01}\u{C02}\u{C03}\u{C3E}\
        \u{C41}\u{C44}\u{C46}\u{C47}\u{C48}\u{C4A}\u{C4B}\u{C4D}\u{C55}\u{C56}\u{C82}\u{C83}\u{CBE}\u{CC1}\u{CC4}\u{CC6}\u{CC7}\u{CC8}\
        \u{CCA}\u{CCB}\u{CCD}\u{CD5}\u{CD6}\u{D02}\u{D03}\u{D3E}\u{D40}\u{D43}\u{D46}\u{D47}\u{D48}\u{D4A}\u{D4B}\u{D4D}\u{D57}\u{E31}\
        \u{E34}\u{E37}\u{E3A}\u{E47}\u{E4A}\u{E4E}\u{EB1}\u{EB4}\u{EB6}\u{EB9}\u{EBB}\u{EBC}\u{EC8}\u{ECA}\u{ECD}\u{F18}\u{F19}\u{F35}\
        \u{F37}\u{F39}\u{F3E}\u{F3F}\u{F71}\u{F7A}\u{F84}\u{F86}\u{F88}\u{F8B}\u{F90}\u{F92}\u{F95}\u{F97}\u{F99}\u{FA3}\u{FAD}\u{FB1}\
        \u{FB4}\u{FB7}\u{FB9}\u{20D0}\u{20D6}\u{20DC}\u{20E1}\u{302A}\u{302C}\u{302F}\u{3099}\u{309A}" },
    Characters { id: "ibm-valid-P88-ibm88v01 U+", clause: "B [88]", about: "a digit", place: NameRest, verdict: READS, first: 0, width: 2, list: "\
        \u{660}\u{664}\u{669}\u{6F0}\u{6F4}\u{6F9}\u{966}\u{96A}\u{96F}\u{9E6}\u{9EA}\u{9EF}\u{A66}\u{A6A}\u{A6F}\u{AE6}\u{AEA}\u{AEF}\
        \u{B66}\u{B6A}\u{B6F}\u{BE7}\u{BEB}\u{BEF}\u{C66}\u{C6A}\u{C6F}\u{CE6}\u{CEA}\u{CEF}\u{D66}\u{D6A}\u{D6F}\u{E50}\u{E54}\u{E59}\
        \u{ED0}\u{ED4}\u{ED9}\u{F20}\u{F24}\u{F29}" },
    Characters { id: "ibm-valid-P89-ibm89v01 U+", clause: "B [89]", about: "an extender", place: NameRest, verdict: READS, first: 0, width: 2, list: "\u{B7}\u{2D0}\u{2D1}\u{387}\u{640}\u{E46}\u{EC6}\u{3005}\u{3031}\u{3033}\u{3035}\u{309D}\u{309E}\u{30FC}\u{30FD}\u{30FE}" },
    Characters { id: "x-ibm-1-0.5-valid-P04-ibm04v01 U+", clause: "2.3 [4]", about: "begins a name in all editions", place: Name, verdict: READS, first: 0, width: 2, list: "\u{C0}\u{C1}" },
    Characters { id: "x-ibm-1-0.5-valid-P04a-ibm04av01 U+", clause: "2.3 [4a]", about: "in a name in all editions", place: NameRest, verdict: READS, first: 0, width: 2, list: "\u{C2}\u{C3}\u{B7}\u{300}\u{301}" },
];

/// A name that only the fifth edition takes is refused by the next parser that goes by an older one.
#[rustfmt::skip]
const NEWER: &[Characters] = &[
    Characters { id: "x-ibm-1-0.5-valid-P04-ibm04v01 U+", clause: "2.3 [4]", about: "begins a name in the fifth edition only", place: Name, verdict: stricter(NAME), first: 0, width: 2, list: "\
        \u{2FE}\u{2FF}\u{370}\u{371}\u{37C}\u{37D}\u{37F}\u{380}\u{1FFE}\u{1FFF}\u{200C}\u{200D}\u{2070}\u{2071}\u{218E}\u{218F}\u{2C00}\
        \u{2C01}\u{2FEE}\u{2FEF}\u{3001}\u{3002}\u{D7FE}\u{D7FF}\u{F900}\u{F901}" },
    Characters { id: "x-ibm-1-0.5-valid-P04a-ibm04av01 U+", clause: "2.3 [4a]", about: "in a name in the fifth edition only", place: NameRest, verdict: stricter(NAME), first: 0, width: 2, list: "\
        \u{2FD}\u{FFFD}\u{36E}\u{36F}\u{203F}\u{2040}\u{2FE}\u{2FF}\u{370}\u{371}\u{37C}\u{37D}\u{37F}\u{380}\u{1FFE}\u{1FFF}\u{200C}\
        \u{200D}\u{2070}\u{2071}\u{218E}\u{218F}\u{2C00}\u{2C01}\u{2FEE}\u{2FEF}\u{3001}\u{3002}\u{D7FE}\u{D7FF}\u{F900}\u{F901}" },
];
