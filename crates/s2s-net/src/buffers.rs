//! Read buffers, shared by all links of a shard: an idle link holds none.

/// Size of a read buffer. One read of a busy link fills it: some 170 stanzas of 380 bytes.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Most buffers kept for reuse; a shard rarely has more reads in flight than this.
const KEPT: usize = 64;

/// A free list. Taking and giving back never fails.
#[derive(Default)]
pub(crate) struct ReadBuffers {
    free: Vec<Vec<u8>>,
}

impl ReadBuffers {
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_else(|| Vec::with_capacity(READ_BYTES))
    }

    pub(crate) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.free.len() < KEPT && buffer.capacity() <= 4 * READ_BYTES {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}
