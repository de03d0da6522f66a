// The stateless functions of npm secret-handshake; the package ships no types. Each reads and extends one state.
declare module "secret-handshake/crypto.js" {
  interface SecretHandshakeState {
    /** 32 bytes. */
    readonly app_key: Buffer;
    /** 32 bytes, from which the ephemeral key pair is made. */
    readonly random: Buffer;
    local: {
      /** 32 bytes. */
      readonly publicKey: Buffer;
      /** 64 bytes. */
      readonly secretKey: Buffer;
      app_mac?: Buffer;
      kx_pk?: Buffer;
      kx_sk?: Buffer | null;
    };
    readonly remote: { publicKey?: Buffer; app_mac?: Buffer; kx_pk?: Buffer };
    secret?: Buffer;
    shash?: Buffer | null;
    a_bob?: Buffer | null;
    b_alice?: Buffer | null;
    secret2?: Buffer | null;
    secret3?: Buffer | null;
    encryptKey?: Buffer;
    decryptKey?: Buffer;
  }
  interface SecretHandshakeCrypto {
    initialize(state: SecretHandshakeState): SecretHandshakeState;
    /** The hello of either side: 64 bytes. */
    createChallenge(state: SecretHandshakeState): Buffer;
    /** Null where the HMAC is wrong. */
    verifyChallenge(state: SecretHandshakeState, challenge: Buffer): SecretHandshakeState | null;
    /** Null where the HMAC is wrong, or the remote key is no point of the curve. */
    clientVerifyChallenge(state: SecretHandshakeState, challenge: Buffer): SecretHandshakeState | null;
    /** 112 bytes. */
    clientCreateAuth(state: SecretHandshakeState): Buffer;
    clientVerifyAccept(state: SecretHandshakeState, accept: Buffer): SecretHandshakeState | null;
    serverVerifyAuth(state: SecretHandshakeState, auth: Buffer): SecretHandshakeState | null;
    /** 80 bytes. */
    serverCreateAccept(state: SecretHandshakeState): Buffer;
    /** Derives the keys of the box streams and zeroes the rest. */
    clean(state: SecretHandshakeState): SecretHandshakeState;
  }
  const crypto: SecretHandshakeCrypto;
  export default crypto;
}
