//! Nothing is lost, doubled or overtaken between two shards, however the bytes are cut.

use std::io::Write;
use std::net::TcpStream;

use crate::support::plane::at;
use crate::support::*;

const MESSAGES: usize = 3_000;

/// A small generator; the seed is in the failure's text.
struct Cuts(u64);

impl Cuts {
    fn next(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap() + 1
    }
}

/// Writes all of `text` in pieces of random size, from a thread of its own.
fn trickle(socket: &TcpStream, text: String, seed: u64) -> std::thread::JoinHandle<()> {
    let mut socket = socket.try_clone().unwrap();
    std::thread::spawn(move || {
        let (mut rest, mut cuts) = (text.as_bytes(), Cuts(seed));
        while !rest.is_empty() {
            // Mostly small, sometimes many stanzas at once.
            let most = if cuts.next(8) == 1 { 60_000 } else { 700 };
            let (piece, later) = rest.split_at(cuts.next(most).min(rest.len()));
            socket.write_all(piece).unwrap();
            rest = later;
        }
    })
}

#[test]
fn messages_arrive_in_order_and_complete_in_both_directions() {
    let seed = u64::from(std::process::id()) << 20 | 1;
    println!("seed {seed}");
    let plane = Setup::new().start();
    let mut remotes = Vec::new();
    let mut capulet = component(&plane, "capulet.example");
    // Several, so that some live on the component's shard and some on the other.
    for n in 0..4 {
        let remote = format!("r{n}.example");
        let listener = listener();
        plane.zone(&remote, &[at(listener.local_addr().unwrap())]);
        remotes.push((remote, listener));
    }
    let to_remotes: String = (0..MESSAGES)
        .map(|n| {
            let remote = &remotes[n % 4].0;
            message("juliet@capulet.example", &format!("a@{remote}"), &format!("n{n}"))
        })
        .collect();
    let mut writers = vec![trickle(capulet.socket(), to_remotes, seed)];
    let mut inbound: Vec<_> = remotes.iter().map(|(name, _)| believed(&plane, name)).collect();
    for (n, peer) in inbound.iter_mut().enumerate() {
        let text: String = (0..MESSAGES / 4)
            .map(|m| {
                message(&format!("a@r{n}.example"), "juliet@capulet.example", &format!("m{m}"))
            })
            .collect();
        writers.push(trickle(peer.socket(), text, seed + n as u64));
    }
    let readers: Vec<_> = remotes
        .into_iter()
        .enumerate()
        .map(|(n, (_, listener))| {
            std::thread::spawn(move || {
                let mut peer = serve(&listener, NO_FEATURES, "o");
                for m in (n..MESSAGES).step_by(4) {
                    assert_eq!(attr(&peer.expect("</message>"), "id"), format!("n{m}"));
                }
                peer
            })
        })
        .collect();
    let mut next = [0; 4];
    for _ in 0..MESSAGES / 4 * 4 {
        let got = capulet.expect("</message>");
        let from: usize = attr(&got, "from")[3..4].parse().unwrap();
        assert_eq!(attr(&got, "id"), format!("m{}", next[from]), "from {from}, seed {seed}");
        next[from] += 1;
    }
    for writer in writers {
        writer.join().unwrap();
    }
    let _peers: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
}
