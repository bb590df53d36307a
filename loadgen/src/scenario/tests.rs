//! What a scenario accepts, refuses and becomes.

use s2s_testkit::corpus::Traffic as Class;

use super::catalogue::{CLASSES, markdown};
use super::model::{Behaviour, Direction, Popularity, Rung};
use super::*;

const SOUND: &str =
    "about = \"a test\"\n[peers]\ndomains = 10\n[traffic]\nseconds = 5\nwindow = 64\n";

fn read(text: &str) -> Scenario {
    check::read("mine.toml", text).unwrap_or_else(|refused| panic!("{refused}"))
}

fn mistakes(text: &str) -> Vec<String> {
    match check::read("mine.toml", text) {
        Ok(scenario) => panic!("accepted: {scenario:?}"),
        Err(refused) => refused.to_string().lines().map(str::to_owned).collect(),
    }
}

/// What is said when `line` is added to a sound file, behind the keys of `[traffic]`.
fn refused(line: &str, expected: &str) {
    assert_eq!(mistakes(&format!("{SOUND}{line}\n")), [format!("mine.toml:{expected}")], "{line}");
}

#[test]
fn every_shipped_scenario_is_sound_and_explains_itself() {
    for Shipped { name, toml } in SHIPPED {
        let loaded = load(name).unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(loaded.name, *name);
        let lines: Vec<&str> = toml.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(lines[0].starts_with(&format!("# {name}: ")), "{name}: {}", lines[0]);
        for words in ["# What it is for:", "# How to read the result:"] {
            assert!(lines.iter().any(|line| line.starts_with(words)), "{name}: {words}");
        }
        assert!(describe::describe(&loaded.scenario).contains("traffic"), "{name}");
    }
}

#[test]
fn every_file_in_the_directory_is_shipped() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(SHIPPED.iter().any(|shipped| shipped.name == stem), "{}", path.display());
    }
}

#[test]
fn a_scenario_that_is_written_reads_back_the_same() {
    for Shipped { name, .. } in SHIPPED {
        let scenario = load(name).unwrap().scenario;
        let written = toml::to_string(&scenario).unwrap();
        // Written out, every default is there, also where it would be refused in a file of somebody's.
        assert_eq!(toml::from_str::<Scenario>(&written).unwrap(), scenario, "{name}");
        assert_eq!(read(&scenario.to_toml()), scenario, "{name}");
    }
}

#[test]
fn what_a_file_leaves_out_has_the_default_of_the_reference() {
    let scenario = read(SOUND);
    let traffic = &scenario.traffic;
    assert_eq!((scenario.seed, scenario.processes, scenario.peers.users), (1, 1, 1));
    assert_eq!(scenario.peers.addresses(), 10);
    assert_eq!((traffic.direction, traffic.popularity), (Direction::In, Popularity::Uniform));
    assert_eq!(traffic.classes(), [(Class::Chat, 1)]);
    assert_eq!((traffic.greet, traffic.warm_up_seconds, traffic.patience_seconds), (true, 0, 5));
    assert_eq!((traffic.links_max, traffic.burst(), traffic.exponent()), (9000, 100, 1.0));
    let kinds = scenario.kinds();
    assert_eq!(
        (kinds.len(), kinds[0].rung, kinds[0].behaviour),
        (1, Rung::Trusted, Behaviour::Normal)
    );
    // One that is only named is the same kind.
    let named = read(&format!("{SOUND}[[peer]]\nname = \"trusted\"\n"));
    assert_eq!(named.kinds(), kinds);
}

#[test]
fn values_out_of_range_name_line_value_and_range() {
    let in_range = "mine.toml:3: peers.domains = 0: must be an integer, 1 to 1000000";
    assert_eq!(mistakes(&SOUND.replace("= 10", "= 0")), [in_range]);
    assert_eq!(
        mistakes(&SOUND.replace("window = 64", "window = 0")),
        ["mine.toml:6: traffic.window = 0: must be an integer, 1 to 10000000"]
    );
    for (line, expected) in [
        ("links_max = -1", "7: traffic.links_max = -1: must be an integer, 1 to 1000000"),
        (
            "patience_seconds = 3601",
            "7: traffic.patience_seconds = 3601: must be an integer, 1 to 3600",
        ),
        (
            "patience_seconds = 99999999999999999999",
            "7: traffic.patience_seconds = 99999999999999999999: must be an integer, 1 to 3600",
        ),
        (
            "popularity = \"zipf\"\nexponent = 3.5",
            "8: traffic.exponent = 3.5: must be a number, 0 to 3",
        ),
        (
            "popularity = \"zipf\"\nexponent = nan",
            "8: traffic.exponent = nan: must be a number, 0 to 3",
        ),
        (
            "direction = \"up\"",
            "7: traffic.direction = \"up\": must be \"in\" or \"out\" or \"echo\"",
        ),
        (
            "[[peer]]\nname = \"a\"\nshare = 0",
            "9: peer.share = 0: must be an integer, 1 to 1000000",
        ),
        (
            "[[peer]]\nname = \"a\"\nslow_bytes_a_second = 1",
            "9: peer.slow_bytes_a_second = 1: must be an integer, 64 to 100000000",
        ),
        (
            "[[event]]\nat_seconds = 1\nwhat = \"kill\"\npercent = 101",
            "10: event.percent = 101: must be an integer, 1 to 100",
        ),
        ("mix = { chat = 0 }", "7: traffic.mix.chat = 0: must be an integer, 1 to 1000"),
    ] {
        refused(line, expected);
    }
}

#[test]
fn values_of_a_wrong_type_name_what_is_taken() {
    for (line, expected) in [
        ("greet = \"yes\"", "7: traffic.greet = \"yes\": must be true or false"),
        ("links_max = 2.5", "7: traffic.links_max = 2.5: must be an integer, 1 to 1000000"),
        (
            "peer = 7",
            "7: traffic.peer: unknown key; known here: direction, class, mix, window, batch, rate, arrivals, burst, popularity, exponent, seconds, greet, warm_up_seconds, patience_seconds, links_max",
        ),
        ("[peer]\nname = \"a\"", "7: peer = [peer]: must be a table, [[peer]]"),
        ("[[peer]]\nname = \" \"", "8: peer.name = \" \": must be a text that is not empty"),
    ] {
        refused(line, expected);
    }
    let rung = mistakes(&format!("{SOUND}[[peer]]\nname = \"a\"\nrung = 3\n"));
    assert_eq!(
        rung,
        [
            "mine.toml:9: peer.rung = 3: must be \"promiscuous\" or \"verified\" or \"secure\" or \"trusted\""
        ]
    );
    let bounces =
        mistakes(&format!("{SOUND}[[peer]]\nname = \"a\"\nbounces = [\"gone\", \"lost\"]\n"));
    assert!(
        bounces[0].starts_with("mine.toml:9: peer.bounces = \"lost\": must be \"bad-request\""),
        "{bounces:?}"
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    for (line, expected) in [
        ("second = 5", "7: traffic.second: unknown key; did you mean seconds?"),
        (
            "[[peer]]\nname = \"a\"\nrungs = \"secure\"",
            "9: peer.rungs: unknown key; did you mean rung?",
        ),
        ("[traffik]\nrate = 1", "7: traffik: unknown key; did you mean traffic?"),
        (
            "mix = { chats = 1 }",
            "7: traffic.mix.chats: unknown class: must be \"chat\" or \"presence\" or \"pubsub\" or \"avatar\" or \"deep-nesting\" or \"non-ascii\" or \"entities\" or \"mixed\"",
        ),
    ] {
        refused(line, expected);
    }
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        mistakes("seed = 2\n"),
        [
            "mine.toml: about: is missing: a text that is not empty",
            "mine.toml: [peers]: is missing: The remote domains.",
            "mine.toml: [traffic]: is missing: What is sent, when, and to whom. Either `window` or `rate` has to be there.",
        ]
    );
    assert_eq!(
        mistakes(&SOUND.replace("window = 64\n", "")),
        [
            "mine.toml: traffic: is missing: traffic.window (closed loop) or traffic.rate (open loop)"
        ]
    );
    refused(
        "[[event]]\nwhat = \"kill\"",
        "7: event.at_seconds: is missing: an integer, 0 to 604800",
    );
}

#[test]
fn contradictions_are_refused() {
    for (line, expected) in [
        ("rate = 5", "7: traffic.rate = 5: not together with traffic.window"),
        ("arrivals = \"poisson\"", "7: traffic.arrivals = \"poisson\": only with traffic.rate"),
        ("burst = 5", "7: traffic.burst = 5: only with traffic.arrivals = \"bursts\""),
        ("exponent = 1", "7: traffic.exponent = 1: only with traffic.popularity = \"zipf\""),
        (
            "class = \"chat\"\nmix = { chat = 1 }",
            "8: traffic.mix = { chat = 1 }: not together with traffic.class",
        ),
        (
            "[[peer]]\nname = \"a\"\nrung = \"secure\"\ndirect_tls = true",
            "10: peer.direct_tls = true: only with peer.rung = \"trusted\"",
        ),
        (
            "[[peer]]\nname = \"a\"\nversion_less = true",
            "9: peer.version_less = true: only with peer.rung = \"verified\"",
        ),
        (
            "[[peer]]\nname = \"a\"\nrung = \"verified\"\ncertificate = \"expired\"",
            "10: peer.certificate = \"expired\": only with peer.rung = \"secure\" or \"trusted\"",
        ),
        (
            "[[peer]]\nname = \"a\"\nnames = \"xmpp-addr\"\nwildcard = true",
            "10: peer.wildcard = true: not with peer.names = \"xmpp-addr\": an xmppAddr is one address",
        ),
        (
            "[[peer]]\nname = \"a\"\nreset_after_seconds = 9",
            "9: peer.reset_after_seconds = 9: only with peer.behaviour = \"resetting\"",
        ),
        (
            "[[peer]]\nname = \"a\"\n[[peer]]\nname = \"a\"",
            "10: peer.name = \"a\": is the name of another [[peer]] already",
        ),
        (
            "[[peer]]\nname = \"A b\"",
            "8: peer.name = \"A b\": must be at most 32 lower-case letters, digits and hyphens inside, as in a domain name",
        ),
        (
            "[[peer]]\nname = \"a\"\nbounces = [\"gone\", \"gone\"]",
            "9: peer.bounces = \"gone\": is there twice",
        ),
        (
            "[[peer]]\nname = \"a\"\nbehaviour = \"dead\"",
            " peer.behaviour: no kind of peer can be spoken to: one at least must not be silent, dead or unlisted",
        ),
        (
            "[[event]]\nat_seconds = 5\nwhat = \"kill\"",
            "8: event.at_seconds = 5: must be below traffic.seconds, which is 5",
        ),
        (
            "[[event]]\nat_seconds = 1\nwhat = \"raise-minimum\"",
            "9: event.what = \"raise-minimum\": needs event.minimum: the rung that is demanded from then on",
        ),
        (
            "[[event]]\nat_seconds = 1\nwhat = \"kill\"\nminimum = \"secure\"",
            "10: event.minimum = \"secure\": only with event.what = \"raise-minimum\"",
        ),
        (
            "[[event]]\nat_seconds = 1\nwhat = \"raise-minimum\"\nminimum = \"secure\"\npercent = 5",
            "11: event.percent = 5: only with event.what = \"reconnect\" or \"kill\"",
        ),
    ] {
        refused(line, expected);
    }
    assert_eq!(
        mistakes(&SOUND.replace("domains = 10", "domains = 10\naddresses = 11")),
        ["mine.toml:4: peers.addresses = 11: must be at most peers.domains"]
    );
    assert_eq!(
        mistakes(&format!("processes = 11\n{SOUND}")),
        [
            "mine.toml:1: processes = 11: must be at most peers.domains: each process plays one at least"
        ]
    );
}

#[test]
fn every_mistake_of_a_file_is_reported_in_its_order() {
    let text = "about = 1\n[traffic]\nseconds = 0\nwindow = 1\n[peers]\ndomain = 3\n";
    assert_eq!(
        mistakes(text),
        [
            "mine.toml:1: about = 1: must be a text that is not empty",
            "mine.toml:3: traffic.seconds = 0: must be an integer, 1 to 604800",
            "mine.toml:5: peers.domains: is missing: an integer, 1 to 1000000",
            "mine.toml:6: peers.domain: unknown key; did you mean domains?",
        ]
    );
    assert!(mistakes("about = \n")[0].starts_with("mine.toml:1: not TOML: "));
}

#[test]
fn shares_hold_exactly_and_kinds_are_spread() {
    let kinds = "[[peer]]\nname = \"a\"\nshare = 7\n[[peer]]\nname = \"b\"\nshare = 2\n[[peer]]\nname = \"c\"\n";
    let scenario = read(&format!("{}{kinds}", SOUND.replace("domains = 10", "domains = 1000")));
    assert_eq!(scenario.domains_of_kinds(), [700, 200, 100]);
    let order: Vec<usize> = scenario.kind_of().collect();
    for ten in order.chunks(10) {
        assert_eq!(ten.iter().filter(|kind| **kind == 0).count(), 7);
    }
    assert!(order.windows(2).all(|pair| pair[0] == 0 || pair[0] != pair[1]), "{:?}", &order[..20]);
}

#[test]
fn the_classes_are_those_of_the_corpus() {
    assert_eq!(Class::ALL.map(Class::name), CLASSES);
    for class in Class::ALL {
        let scenario = read(&format!("{SOUND}class = \"{}\"\n", class.name()));
        assert_eq!(scenario.traffic.classes(), [(class, 1)]);
    }
    let scenario = read(&format!("{SOUND}mix = {{ presence = 2, chat = 3 }}\n"));
    assert_eq!(scenario.traffic.classes(), [(Class::Chat, 3), (Class::Presence, 2)]);
}

#[test]
fn the_reference_in_the_readme_is_that_of_the_program() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (begin, end) = ("<!-- reference -->\n", "\n<!-- end of the reference -->");
    let found = readme.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
    let (found, _) = found.expect("README.md has the marks of the reference");
    assert!(found == markdown(), "write this between the marks in README.md:\n{}", markdown());
}

#[test]
fn the_example_in_the_readme_is_sound() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let scenarios: Vec<Scenario> =
        blocks.filter(|block| block.contains("[traffic]")).map(read).collect();
    assert_eq!(scenarios.len(), 1);
    assert_eq!(
        describe::describe(&scenarios[0]),
        "peers     200 domains on 200 addresses; users at each: 1; processes: 1; seed 1\n\
         \x20         190 verified: verified\n\
         \x20         10 gone: trusted, STARTTLS, certificates, dead, bounces allowed: remote-server-timeout\n\
         traffic   out, 10.0 % chat + 90.0 % presence; 2000 a second, in bursts of 500, 120000 stanzas in all\n\
         \x20         turns uniform; one stanza each first, 0 s of warm-up, 60 s measured, 5 s of patience; 9000 links a process\n"
    );
}

#[test]
fn a_name_that_is_neither_shipped_nor_a_file_is_refused_with_those_that_are() {
    let error = format!("{:#}", load("dens").unwrap_err());
    assert!(error.starts_with("dens is neither a file nor one of dense, sparse,"), "{error}");
}
