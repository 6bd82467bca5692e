//! Places for connections: so many in all, and so many of each address, so that nobody alone takes them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The bits of an IPv6 address that a network has in common. Whoever has one of its addresses has all of them (RFC 6177
/// section 2), so they count as one.
const IPV6_NETWORK: u128 = u128::MAX << 64;

/// The places of a listener.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    by_address: Arc<ByAddress>,
}

struct ByAddress {
    limit: usize,
    /// As many as there are connections, at most.
    taken: Mutex<HashMap<IpAddr, Taken>>,
}

#[derive(Default)]
struct Taken {
    places: usize,
    /// Whether the log says already that there are no more.
    is_told: bool,
}

/// A place, free again when it is dropped.
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_address: Option<PlaceOfAddress>,
}

/// One of the places of an address.
struct PlaceOfAddress {
    by_address: Arc<ByAddress>,
    address: IpAddr,
}

/// An address has all of its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlace {
    /// Whether it is the first time since it had one.
    pub(crate) is_news: bool,
}

impl Places {
    pub(crate) fn new(all: usize, of_address: usize) -> Self {
        let by_address = ByAddress { limit: of_address, taken: Mutex::default() };
        Self { all: Arc::new(Semaphore::new(all)), by_address: Arc::new(by_address) }
    }

    /// Waits until there is one in all.
    pub(crate) async fn one(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.all).acquire_owned().await
    }

    /// That place for a connection from `address`; `None` is one that is not counted.
    pub(crate) fn of(&self, place: OwnedSemaphorePermit, address: Option<IpAddr>) -> Result<Place, NoPlace> {
        let of_address = address.map(|address| self.by_address.take(network(address))).transpose()?;
        Ok(Place { _of_all: place, _of_address: of_address })
    }
}

impl ByAddress {
    fn take(self: &Arc<Self>, address: IpAddr) -> Result<PlaceOfAddress, NoPlace> {
        let mut taken = self.locked();
        let taken = taken.entry(address).or_default();
        if taken.places >= self.limit {
            return Err(NoPlace { is_news: !std::mem::replace(&mut taken.is_told, true) });
        }
        taken.places += 1;
        Ok(PlaceOfAddress { by_address: Arc::clone(self), address })
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<IpAddr, Taken>> {
        // What is behind it is whole at any moment.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PlaceOfAddress {
    fn drop(&mut self) {
        let mut taken = self.by_address.locked();
        if let Entry::Occupied(mut entry) = taken.entry(self.address) {
            match entry.get().places {
                0 | 1 => drop(entry.remove()),
                several => entry.get_mut().places = several - 1,
            }
        }
    }
}

/// What counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_its_places_and_leaves_the_others_theirs() {
        let places = Places::new(100, 2);
        let take = async |address: &str| {
            let place = places.one().await.unwrap();
            places.of(place, Some(address.parse().unwrap())).map_err(|none| none.is_news)
        };
        let (first, second) = (take("192.0.2.1").await.unwrap(), take("::ffff:192.0.2.1").await);
        assert_eq!(take("192.0.2.1").await.err(), Some(true));
        assert_eq!(take("192.0.2.1").await.err(), Some(false), "it is told once");
        let other = take("192.0.2.2").await;
        assert!(other.is_ok());
        drop(first);
        let third = take("192.0.2.1").await;
        assert!(third.is_ok() && take("192.0.2.1").await.is_err());
        drop((second, third, other));
        assert!(places.by_address.locked().is_empty(), "nothing is kept of who has gone");
        assert_eq!(places.all.available_permits(), 100, "nor a place");
        assert!(take("192.0.2.1").await.is_ok());
    }

    #[tokio::test]
    async fn the_addresses_of_an_ipv6_network_are_one() {
        let places = Places::new(100, 1);
        let take = async |address: Option<&str>| {
            let place = places.one().await.unwrap();
            places.of(place, address.map(|address| address.parse().unwrap()))
        };
        let _kept = take(Some("2001:db8:0:1::1")).await.unwrap();
        assert!(take(Some("2001:db8:0:1:ffff::2")).await.is_err());
        assert!(take(Some("2001:db8:0:2::1")).await.is_ok());
        let _uncounted = [take(None).await.unwrap(), take(None).await.unwrap()];
    }
}
