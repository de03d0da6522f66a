// Bytes and their text forms.

/** Whether two byte strings are the same. Not constant-time: for public values. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** A view of the same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes as standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("base64");
}

/** Bytes as base64url without padding. */
export function toBase64url(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("base64url");
}

/** Bytes as lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("hex");
}

/**
 * Reads 32 bytes from hex (64 digits), base64 or base64url (43 characters, "=" optional).
 * @returns undefined where the text is none of these, or has stray bits in its last character
 */
export function parse32Bytes(text: string): Uint8Array | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return new Uint8Array(Buffer.from(text, "hex"));
  if (!/^(?:[A-Za-z0-9+/]{43}|[A-Za-z0-9_-]{43})=?$/.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64url");
  const canonical = toBase64url(bytes);
  const given = text.replace(/=$/, "").replaceAll("+", "-").replaceAll("/", "_");
  return canonical === given ? new Uint8Array(bytes) : undefined;
}
