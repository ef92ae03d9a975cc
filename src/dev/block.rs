//! The block of loopback addresses that a dev cloud claims for itself, so that many can run on one machine.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use ipnet::Ipv4Net;

/// Blocks are `127.A.0.0/16` with `A` from here …
const FIRST: u8 = 2;
/// … to here; `127.0` and `127.1` are left to everything else on the machine.
const LAST: u8 = 250;
/// Whoever has a UDP socket on this address and port of a block owns the block until the socket is closed.
const SENTINEL: (u8, u8, u16) = (255, 254, 45_660);

/// A claimed block `127.A.0.0/16`, and which of its addresses are taken. The claim ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Block {
    a: u8,
    taken: BTreeSet<Ipv4Addr>,
    /// `None` where no other dev cloud can see the addresses.
    _claim: Option<UdpSocket>,
}

impl Block {
    /// Claims a block that no other dev cloud on this machine has.
    pub(crate) fn claim() -> io::Result<Self> {
        let count = LAST - FIRST + 1;
        let start = rand::random_range(0..count);
        for step in 0..count {
            let a = FIRST + ((u16::from(start) + u16::from(step)) % u16::from(count)) as u8;
            let (x, y, port) = SENTINEL;
            match UdpSocket::bind((Ipv4Addr::new(127, a, x, y), port)) {
                Ok(claim) => return Ok(Self { a, taken: BTreeSet::new(), _claim: Some(claim) }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("all blocks from 127.{FIRST}.0.0/16 to 127.{LAST}.0.0/16 are claimed by other dev clouds"),
        ))
    }

    /// Claims the block that a snapshot's addresses are of.
    pub(crate) fn claim_again(network: Ipv4Net) -> io::Result<Self> {
        let [_, a, ..] = network.network().octets();
        let (x, y, port) = SENTINEL;
        let claim = UdpSocket::bind((Ipv4Addr::new(127, a, x, y), port)).map_err(|error| {
            io::Error::new(error.kind(), format!("{network}, which the snapshot's addresses are of: {error}"))
        })?;
        Ok(Self { a, taken: BTreeSet::new(), _claim: Some(claim) })
    }

    /// The first block, for addresses on a network in memory, which is nobody else's.
    pub(crate) fn in_memory() -> Self {
        Self { a: FIRST, taken: BTreeSet::new(), _claim: None }
    }

    /// The whole block.
    pub(crate) fn network(&self) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(127, self.a, 0, 0), 16)
    }

    /// Takes a free address of `subnet`; AWS keeps the first four and the last of each subnet to itself.
    pub(crate) fn take_in(&mut self, subnet: Ipv4Net) -> Option<Ipv4Addr> {
        let last = subnet.broadcast();
        let address = subnet.hosts().skip(3).find(|address| *address != last && !self.taken.contains(address))?;
        self.taken.insert(address);
        Some(address)
    }

    /// Takes this very address, unless it is taken or not of this block.
    pub(crate) fn take(&mut self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        (self.network().contains(&address) && self.taken.insert(address)).then_some(address)
    }

    /// Takes a free address for an instance whose subnet lies elsewhere.
    pub(crate) fn take_outside_subnets(&mut self) -> Option<Ipv4Addr> {
        let part = Ipv4Net::new_assert(Ipv4Addr::new(127, self.a, 240, 0), 20);
        let kept = self.load_balancers();
        let address = part.hosts().find(|address| !kept.contains(address) && !self.taken.contains(address))?;
        self.taken.insert(address);
        Some(address)
    }

    /// Takes a free address for a load balancer: from the block's last 256, where no subnet may be.
    pub(crate) fn take_for_load_balancer(&mut self) -> Option<Ipv4Addr> {
        let (x, y, _) = SENTINEL;
        let address =
            (1..y).map(|last| Ipv4Addr::new(127, self.a, x, last)).find(|address| !self.taken.contains(address))?;
        self.taken.insert(address);
        Some(address)
    }

    /// The part of the block that load balancers have; subnets must not overlap it.
    pub(crate) fn load_balancers(&self) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(127, self.a, SENTINEL.0, 0), 24)
    }

    /// Gives all addresses back.
    pub(crate) fn release_all(&mut self) {
        self.taken.clear();
    }

    /// Gives an address back.
    pub(crate) fn release(&mut self, address: Ipv4Addr) {
        self.taken.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_blocks_never_overlap_and_addresses_are_given_once() {
        let (mut one, two) = (Block::claim().unwrap(), Block::claim().unwrap());
        assert_ne!(one.network(), two.network());
        let subnet = Ipv4Net::new(one.network().network(), 28).unwrap();
        let taken: Vec<_> = std::iter::from_fn(|| one.take_in(subnet)).collect();
        assert_eq!(taken.len(), 11, "16 addresses without the five that AWS keeps");
        one.release(taken[3]);
        assert_eq!(one.take_in(subnet), Some(taken[3]));
    }
}
