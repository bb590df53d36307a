//! Components: attaching, talking across shards, reloads in between.

use crate::support::plane::{SECRET, component_entry};
use crate::support::*;

#[test]
fn components_of_different_shards_talk_to_each_other() {
    let plane = Setup::new().start();
    // The kernel spreads them: that all sixteen meet on one shard happens once in 30,000 runs.
    let name = |n: usize| format!("c{n}.capulet.example");
    let mut components: Vec<_> = (0..16).map(|n| component(&plane, &name(n))).collect();
    for n in 0..16 {
        let next = (n + 1) % 16;
        let text = message(&format!("nurse@{}", name(n)), &format!("juliet@{}", name(next)), "m");
        components[n].send(&text);
        assert!(components[next].expect("</message>").contains(&format!("nurse@{}", name(n))));
    }
    plane.wait_for("a stanza crossed shards", |totals| totals.forwarded > 0);
}

#[test]
fn a_stanza_to_an_unresolvable_domain_bounces_once() {
    let plane = Setup::new().start();
    let mut capulet = component(&plane, "capulet.example");
    capulet.send(&message("juliet@capulet.example", "romeo@nowhere.example", "lost"));
    let bounce = capulet.expect("</message>");
    assert!(bounce.contains("<remote-server-not-found"), "{bounce}");
    assert!(bounce.contains("from='romeo@nowhere.example'"), "{bounce}");
    capulet.send(&message("juliet@capulet.example", "nurse@capulet.example", "after"));
    let next = capulet.expect("</message>");
    assert!(next.contains("id='after'"), "a second answer: {next}");
    assert_eq!(plane.lookups("nowhere.example"), 1);
}

#[test]
fn a_wrong_secret_does_not_attach() {
    let plane = Setup::new().start();
    let mut peer = Peer::connect(plane.component());
    component_header(&mut peer, "capulet.example");
    shake(&mut peer, "another");
    assert!(peer.expect_end().contains("<not-authorized"));
}

#[test]
fn a_component_whose_entry_moved_in_a_reload_attaches_to_its_own_domain_only() {
    let setup = |names: &[(&str, &str)]| {
        let mut setup = Setup::new().shards(1);
        setup.settings.domains =
            names.iter().map(|(name, secret)| component_entry(name, secret)).collect();
        setup
    };
    let plane = setup(&[("capulet.example", SECRET), ("bank.example", "gold")]).start();
    let mut mover = Peer::connect(plane.component());
    component_header(&mut mover, "capulet.example");
    let mut leaver = Peer::connect(plane.component());
    component_header(&mut leaver, "bank.example");
    // Both have a header of old settings before the reload: entry 0 is now another domain.
    mover.expect("<stream:stream");
    let id = mover.expect(">");
    plane.reload(setup(&[("shop.example", "cloth"), ("capulet.example", SECRET)]));
    // The reload has arrived when the new domain is known and only the secret is wrong.
    for attempt in 0.. {
        assert!(attempt < 200, "the reload never came");
        let mut shop = Peer::connect(plane.component());
        component_header(&mut shop, "shop.example");
        shake(&mut shop, "wrong");
        if shop.expect_end().contains("<not-authorized") {
            break;
        }
    }
    mover.send(&format!("<handshake>{}</handshake>", hash(&id)));
    mover.expect("<handshake/>");
    shake(&mut leaver, "gold");
    assert!(leaver.expect_end().contains("<host-gone"));
    mover.send(&message("juliet@capulet.example", "clerk@shop.example", "order"));
    // Nobody serves the shop: the mover, entry 0 of old, does not.
    assert!(mover.expect("</message>").contains("type='error'"));
}

fn hash(header: &str) -> String {
    let id = attr(header, "id");
    let text = format!("{id}{SECRET}");
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
