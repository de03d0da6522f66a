// The XOR space on a circle. An id is a number of 256 bits; its first 32 say where on the circle it lies, 0 at the top,
// clockwise. Ids that share leading bits with a node's own are then arcs: bucket i is the sibling of the node's own arc of
// i + 1 bits.
//
//     own id 0110…       bucket 0 = 1…      half of the circle
//                        bucket 1 = 00…     a quarter
//                        bucket 2 = 010…    an eighth, and so on towards the node

const turn = 2 ** 32;

/** The 32 bytes of an id or key in text form ("@" or "&" and base64, base64url or hex); undefined for other text. */
export function bytesOf(id: string): Uint8Array | undefined {
  const text = id.trim().replace(/^[@&]/, "");
  if (/^[0-9a-f]{64}$/i.test(text)) {
    return Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
  }
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/").replace("=", ""));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** The first 32 bits of an id or key in text form; undefined for other text. */
export function prefixOf(id: string): number | undefined {
  const bytes = bytesOf(id);
  return bytes && new DataView(bytes.buffer).getUint32(0);
}

/** Where a prefix of 32 bits lies on the circle, from 0 up to 1. */
export function placeOf(prefix: number): number {
  return prefix / turn;
}

/** The arc of bucket `sharedBits` (0 to 31) of a node: where it begins and how long it is, as fractions of the circle. */
export function bucketArc(own: number, sharedBits: number): { readonly from: number; readonly length: number } {
  const length = 1 / 2 ** (sharedBits + 1);
  const ownArc = Math.floor(placeOf(own) / length);
  const isUpper = ownArc % 2 === 1;
  return { from: (isUpper ? ownArc - 1 : ownArc + 1) * length, length };
}

/** An id in base64url, without "@" or "&": fit for a path. */
export function pathId(id: string): string {
  return id.trim().replace(/^[@&]/, "").replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** A random key, "&" and base64. */
export function randomKey(): string {
  return `&${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`;
}
