//! Cutting an input down to what breaks a law.

/// The shortest input that was found by leaving stretches out of `input` and by plainer bytes, and that still `breaks`.
pub(crate) fn shrink(input: &[u8], breaks: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut len = best.len() / 2;
    while len > 0 {
        let mut at = 0;
        while at < best.len() {
            let mut shorter = best.clone();
            shorter.drain(at..(at + len).min(best.len()));
            if breaks(&shorter) {
                best = shorter;
            } else {
                at += len;
            }
        }
        len /= 2;
    }
    for at in 0..best.len() {
        let mut plainer = best.clone();
        plainer[at] = b'a';
        if breaks(&plainer) {
            best = plainer;
        }
    }
    best
}

#[test]
fn what_does_not_matter_is_left_out() {
    let matters = |input: &[u8]| input.contains(&b'<') && input.len() >= 3;
    assert_eq!(shrink(b"some bytes < and others", matters), b"<aa".map(|byte| byte));
}
