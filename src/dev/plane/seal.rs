//! Cookies that only their load balancer can read and make: what is in them is encrypted and authenticated.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_smithy_types::base64;

use super::dice::Dice;
use crate::chance::Chance;

/// A load balancer's key. It is decided by the cloud's seed, so that the same seed gives the same cookies.
#[derive(Debug)]
pub(super) struct Seal {
    key: LessSafeKey,
}

/// Bytes of the authentication tag.
const TAG: usize = 16;

impl Seal {
    pub(super) fn new(chance: &Chance) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&chance.number().to_le_bytes());
        bytes[8..].copy_from_slice(&chance.number().to_le_bytes());
        let key = UnboundKey::new(&AES_128_GCM, &bytes).expect("AES-128 takes 16 bytes");
        Self { key: LessSafeKey::new(key) }
    }

    /// A cookie's value: letters, digits, `+`, `/` and `=`.
    pub(super) fn seal(&self, purpose: Purpose, content: &[u8], dice: &Dice) -> String {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&dice.number().to_le_bytes());
        let mut sealed = Vec::with_capacity(NONCE_LEN + content.len() + TAG);
        sealed.extend_from_slice(content);
        let bound = Aad::from(purpose.bytes());
        let done = self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut sealed);
        done.expect("a cookie is far below AES-GCM's limit of 64 GiB");
        sealed.splice(0..0, nonce);
        base64::encode(&sealed)
    }

    /// What is in a cookie; `None` if this load balancer did not make it, or for another purpose.
    pub(super) fn open(&self, purpose: Purpose, value: &str) -> Option<Vec<u8>> {
        let mut sealed = base64::decode(value).ok()?;
        let mut content = sealed.split_off(sealed.len().min(NONCE_LEN));
        let nonce = Nonce::try_assume_unique_for_key(&sealed).ok()?;
        let length = self.key.open_in_place(nonce, Aad::from(purpose.bytes()), &mut content).ok()?.len();
        content.truncate(length);
        Some(content)
    }
}

/// What a cookie is for; one that is sent under another name is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Group,
    Target,
    Application,
}

impl Purpose {
    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Group => b"group",
            Self::Target => b"target",
            Self::Application => b"application",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_opened_again_and_nothing_else_is() {
        let chance = Chance::of_seed(1);
        let (seal, other, dice) = (Seal::new(&chance), Seal::new(&chance), Dice::of(&chance));
        let cookie = seal.seal(Purpose::Group, b"blue", &dice);
        assert_eq!(seal.open(Purpose::Group, &cookie).as_deref(), Some(&b"blue"[..]));
        assert_eq!(seal.open(Purpose::Target, &cookie), None, "a cookie under another name");
        assert_eq!(other.open(Purpose::Group, &cookie), None, "another load balancer's cookie");
        assert_ne!(cookie, seal.seal(Purpose::Group, b"blue", &dice), "no two cookies are alike");
        let flipped: String = cookie.chars().rev().collect();
        for forged in ["", "AAAA", "not base64!", &flipped, &cookie[..cookie.len() - 4]] {
            assert_eq!(seal.open(Purpose::Group, forged), None, "{forged}");
        }
    }
}
