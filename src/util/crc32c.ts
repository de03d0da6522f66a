// CRC-32C (Castagnoli, RFC 3720 appendix B.4), which Node's zlib does not offer: LevelDB seals its files with it.

const polynomial = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial;
  return crc;
});

/**
 * Returns the CRC-32C of a part of some bytes, 0 to 2^32 - 1.
 * @param before the CRC of the bytes before that part @default 0, none
 */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length, before = 0): number {
  let crc = ~before;
  for (let i = start; i < end; i++) crc = (crc >>> 8) ^ (table[(crc ^ (bytes[i] ?? 0)) & 255] ?? 0);
  return ~crc >>> 0;
}
