// The X25519 public keys that make every shared secret the same known value (RFC 7748, sections 6.1 and 7).

// u coordinates, little-endian: the points whose order divides 8, then the same numbers plus p or 2p, which differ for a
// library that does not clear the top bit. The last five are of low order in such a library only.
const lowOrderKeys = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
  "4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
  "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "daffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]);

/**
 * Whether an X25519 public key is of low order, in any encoding: non-canonical, or with the top bit set.
 * @param key 32 bytes
 */
export function isLowOrder(key: Uint8Array): boolean {
  const bytes = Buffer.from(key);
  if (lowOrderKeys.has(bytes.toString("hex"))) return true;
  bytes[31] = (bytes[31] ?? 0) & 0x7f;
  return lowOrderKeys.has(bytes.toString("hex"));
}
