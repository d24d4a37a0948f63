//! Reading and writing the fixed little-endian fields of the formats.

use crate::error::{Error, Result};

/// A cursor over bytes that never reads past their end.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Decoder { rest: bytes }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Error::Decode("the bytes end too early"))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(crate) fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A *str*: u16 length and UTF-8 bytes.
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let n = self.u16()?;
        std::str::from_utf8(self.take(usize::from(n))?).map_err(|_| Error::Decode("text is not UTF-8"))
    }

    /// `n` f32 values.
    pub(crate) fn f32s(&mut self, n: usize) -> Result<Vec<f32>> {
        let bytes = self.take(n.checked_mul(4).ok_or(Error::Decode("the bytes end too early"))?)?;
        Ok(bytemuck::allocation::pod_collect_to_vec(bytes))
    }

    /// `n` u32 values.
    pub(crate) fn u32s(&mut self, n: usize) -> Result<Vec<u32>> {
        let bytes = self.take(n.checked_mul(4).ok_or(Error::Decode("the bytes end too early"))?)?;
        Ok(bytemuck::allocation::pod_collect_to_vec(bytes))
    }

    /// Fails unless every byte was read.
    pub(crate) fn finish(self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::Decode("bytes are left over")) }
    }
}

/// Appends a *str*. Lengths are limited long before u16 (see `Limits`).
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    let n = u16::try_from(text.len()).expect("ids and names are limited to u16 bytes");
    out.extend_from_slice(&n.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
