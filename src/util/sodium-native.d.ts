// The functions of sodium-native that dswarm uses; the package ships no types.
declare module "sodium-native" {
  interface Sodium {
    readonly crypto_secretbox_KEYBYTES: number;
    readonly crypto_secretbox_NONCEBYTES: number;
    readonly crypto_secretbox_MACBYTES: number;
    /** Writes the cipher text (as long as the message) and, apart from it, the 16-byte mac. */
    crypto_secretbox_detached(
      cipher: Uint8Array,
      mac: Uint8Array,
      message: Uint8Array,
      nonce: Uint8Array,
      key: Uint8Array,
    ): void;
    /** Returns false, and writes nothing of use, when the mac does not match. */
    crypto_secretbox_open_detached(
      message: Uint8Array,
      cipher: Uint8Array,
      mac: Uint8Array,
      nonce: Uint8Array,
      key: Uint8Array,
    ): boolean;
    crypto_secretbox_easy(cipher: Uint8Array, message: Uint8Array, nonce: Uint8Array, key: Uint8Array): void;
    crypto_secretbox_open_easy(message: Uint8Array, cipher: Uint8Array, nonce: Uint8Array, key: Uint8Array): boolean;
    /** Refuses small-order and non-canonical keys and non-canonical signatures. */
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
    crypto_scalarmult_base(publicKey: Uint8Array, secretKey: Uint8Array): void;
    /** Throws for a key of small order. */
    crypto_scalarmult(shared: Uint8Array, secretKey: Uint8Array, publicKey: Uint8Array): void;
    crypto_sign_ed25519_pk_to_curve25519(curvePublicKey: Uint8Array, publicKey: Uint8Array): void;
    crypto_sign_ed25519_sk_to_curve25519(curveSecretKey: Uint8Array, secretKey: Uint8Array): void;
    sodium_increment(nonce: Uint8Array): void;
    sodium_memzero(secret: Uint8Array): void;
  }
  const sodium: Sodium;
  export default sodium;
}
