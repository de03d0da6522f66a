// Views of the memory that chunks came in: what class they have, and how long they keep it alive.

/** The same bytes as a Uint8Array that is no Buffer. */
export function plainView(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
}

/** What is held may keep this many times its own size alive: the budget of memory counts its own size. */
const maxShare = 2;
/** The same of what is read at once, and seldom held. */
const passingShare = 4;

/**
 * The bytes themselves, or a copy where they are a small part of a larger memory: a peer that sends a byte among much else
 * would otherwise make a node hold all of it.
 * @param slackBytes memory up to this size may be kept alive whatever the share
 */
export function ownedBytes(bytes: Uint8Array, slackBytes = 0): Uint8Array {
  const heldBytes = bytes.buffer.byteLength;
  return heldBytes > slackBytes && heldBytes > maxShare * bytes.length ? new Uint8Array(bytes) : bytes;
}

/** The same as `ownedBytes` for what is read at once: it may keep up to four times its own size alive. */
export function passingBytes(bytes: Uint8Array, slackBytes = 0): Uint8Array {
  const heldBytes = bytes.buffer.byteLength;
  return heldBytes > slackBytes && heldBytes > passingShare * bytes.length ? new Uint8Array(bytes) : bytes;
}

/** Memory up to this size may be kept alive by a part of it. Node's own pool is eight times as large. */
const slabBytes = 8192;
const maxPooledBytes = 2048;
let slab = new Uint8Array(slabBytes);
let slabAt = 0;

/**
 * The same as `ownedBytes` for what is kept seldom: 8 KiB may be kept alive whatever the share, and small copies are parts of
 * such memory, which cost a tenth of memory of their own.
 */
export function pooledBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const heldBytes = bytes.buffer.byteLength;
  if (heldBytes <= slabBytes || heldBytes <= passingShare * length) return bytes;
  if (length > maxPooledBytes) return new Uint8Array(bytes);
  if (slabAt + length > slabBytes) {
    slab = new Uint8Array(slabBytes);
    slabAt = 0;
  }
  const copy = slab.subarray(slabAt, slabAt + length);
  copy.set(bytes);
  slabAt += length;
  return copy;
}
