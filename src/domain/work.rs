//! Proof of work for a place in the queue while a flood lasts: a browser finds a number, we check it with one hash. It
//! costs a phone some seconds once, and a machine that wants a thousand places a thousand times as much. Nobody has to
//! look at or solve anything. (After hashcash, Back 2002.)

use super::value::Sha256;

/// Whether `SHA-256(challenge ":" answer)` begins with so many zero bits.
pub fn done(challenge: &str, answer: &str, bits: u32) -> bool {
    let digest = Sha256::of(format!("{challenge}:{answer}").as_bytes());
    let mut zeros = 0;
    for byte in digest.bytes() {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_count() {
        let answer = (0..100_000).map(|n: u32| n.to_string()).find(|n| done("challenge", n, 8)).unwrap();
        assert!(done("challenge", &answer, 8));
        assert!(!done("another", &answer, 30));
        assert!(done("anything", "", 0));
        assert!(!done("challenge", &answer, 256));
    }
}
