//! Chance from one number: the same seed gives the same choices on any machine and in any version of anything else.

/// SplitMix64 (Steele, Lea and Flood, 2014): small, well mixed, and written down here so that it never changes.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Everything that follows is decided by `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Sixty-four random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// A number by which an operation names one of what will be there by then.
    pub fn any(&mut self) -> usize {
        usize::try_from(self.below(1000)).unwrap()
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }

    /// Whether it is one time in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
