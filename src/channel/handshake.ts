// Secret Handshake, version 1 (Tarr 2015, "Designing a Secret Handshake"), as a machine that is fed bytes. The
// cryptography is npm secret-handshake's; the framing, the refusals and the wiping are done here.
//
//     dialer                                    listener
//       │── hello         64 = HMAC ‖ ephemeral ───►│
//       │◄─ hello         64 = HMAC ‖ ephemeral ────│
//       │── authenticate 112 = boxed proof ────────►│  now the listener knows the dialer's key
//       │◄─ accept        80 = boxed proof ─────────│
//       │◄═ box stream ════════════════════════════►│
import shs from "secret-handshake/crypto.js";
import type { KeyPair } from "../identity/keys.ts";
import { NodeId } from "../identity/node-id.ts";
import type { LinkRole } from "../link/link.ts";
import { asBuffer } from "../util/bytes.ts";
import { DswarmError } from "../util/errors.ts";
import { isLowOrder } from "./low-order.ts";

/** What both roles need. */
interface HandshakeOptions {
  /** The own keys. */
  readonly keys: KeyPair;
  /** 32 bytes, the same at both ends. */
  readonly networkKey: Uint8Array;
  /** 32 random bytes, for this handshake only, which are wiped. */
  readonly seed: Uint8Array;
}

/** What the dialer needs. */
export interface DialerHandshakeOptions extends HandshakeOptions {
  /** The key that the listener must prove. */
  readonly remoteId: NodeId;
}

/** What the listener needs. */
export interface ListenerHandshakeOptions extends HandshakeOptions {
  /** Whether a proven key may connect. @default every key */
  readonly authorize?: ((id: NodeId) => boolean) | undefined;
}

/** What a handshake agreed on. The keys are secret. */
export interface HandshakeOutcome {
  /** The key that the other end has proven. */
  readonly remoteId: NodeId;
  /** 32 bytes. */
  readonly encryptKey: Buffer;
  /** 24 bytes. */
  readonly encryptNonce: Buffer;
  /** 32 bytes. */
  readonly decryptKey: Buffer;
  /** 24 bytes. */
  readonly decryptNonce: Buffer;
  /** What came after the handshake: bytes of the box stream. */
  readonly rest: Uint8Array;
}

/** What to do after bytes were taken in: send something, and perhaps be done. */
export interface HandshakeStep {
  readonly send?: Uint8Array;
  readonly outcome?: HandshakeOutcome;
}

/** The message that is waited for, with its length in bytes. */
const messageBytes = { hello: 64, authenticate: 112, accept: 80 };
const helloMacBytes = 32;
const nonceBytes = 24;
const waiting: HandshakeStep = {};
const allowAll = (): boolean => true;

/** One handshake, in one role. Used once. */
export class Handshake {
  readonly role: LinkRole;
  readonly #state: Parameters<typeof shs.initialize>[0];
  readonly #localId: NodeId;
  readonly #authorize: (id: NodeId) => boolean;
  readonly #inbox = Buffer.alloc(messageBytes.authenticate);
  #inboxBytes = 0;
  #awaits: keyof typeof messageBytes = "hello";

  private constructor(
    role: LinkRole,
    { keys, networkKey, seed }: HandshakeOptions,
    remoteId: NodeId | undefined,
    authorize: (id: NodeId) => boolean,
  ) {
    if (networkKey.length !== 32) throw new RangeError(`a network key has 32 bytes, not ${networkKey.length}`);
    if (seed.length !== 32) throw new RangeError(`a seed has 32 bytes, not ${seed.length}`);
    this.role = role;
    this.#localId = keys.id;
    this.#authorize = authorize;
    this.#state = shs.initialize({
      app_key: asBuffer(networkKey),
      random: asBuffer(seed),
      local: { publicKey: asBuffer(keys.id.bytes), secretKey: asBuffer(keys.secretKey) },
      remote: remoteId === undefined ? {} : { publicKey: asBuffer(remoteId.bytes) },
    });
  }

  /** @throws RangeError when the network key or the seed has not 32 bytes */
  static dialer(options: DialerHandshakeOptions): Handshake {
    return new Handshake("dialer", options, options.remoteId, allowAll);
  }

  /** @throws RangeError when the network key or the seed has not 32 bytes */
  static listener(options: ListenerHandshakeOptions): Handshake {
    return new Handshake("listener", options, undefined, options.authorize ?? allowAll);
  }

  /** What to send before anything has come. */
  start(): HandshakeStep {
    return this.role === "dialer" ? { send: shs.createChallenge(this.#state) } : waiting;
  }

  /**
   * Takes in bytes, however they are split. Not to be called after the outcome or an error.
   * @throws DswarmError `hello_invalid`, `hello_low_order`, `authentication_failed`, `peer_not_allowed`,
   *   `self_connection`; all secrets are wiped then, and nothing is to be sent
   */
  push(bytes: Uint8Array): HandshakeStep {
    const taken = bytes.subarray(0, messageBytes[this.#awaits] - this.#inboxBytes);
    this.#inbox.set(taken, this.#inboxBytes);
    this.#inboxBytes += taken.length;
    if (this.#inboxBytes < messageBytes[this.#awaits]) return waiting;
    const message = Buffer.from(this.#inbox.subarray(0, this.#inboxBytes));
    this.#inboxBytes = 0;
    try {
      return this.#take(message, bytes.subarray(taken.length));
    } catch (error) {
      this.wipe();
      if (error instanceof DswarmError) throw error;
      // The package and libsodium throw on some points of the curve: that is the other end's doing.
      const code = this.#awaits === "hello" ? "hello_invalid" : "authentication_failed";
      throw new DswarmError(code, undefined, { cause: error });
    }
  }

  /** What it means that the other end closes the connection now. */
  hangUp(): DswarmError {
    return new DswarmError(this.#awaits === "accept" ? "authentication_failed" : "handshake_truncated");
  }

  /** Zeroes the ephemeral secrets. Done by itself on success and after an error of `push`. */
  wipe(): void {
    const { random, secret, shash, a_bob, b_alice, secret2, secret3, local } = this.#state;
    for (const bytes of [random, secret, shash, a_bob, b_alice, secret2, secret3, local.kx_sk]) bytes?.fill(0);
  }

  #take(message: Buffer, rest: Uint8Array): HandshakeStep {
    if (this.#awaits === "hello") return this.#takeHello(message, rest);
    if (this.#awaits === "authenticate") return this.#takeAuthenticate(message, rest);
    if (shs.clientVerifyAccept(this.#state, message) === null) throw new DswarmError("authentication_failed");
    return { outcome: this.#finish(rest) };
  }

  #takeHello(hello: Buffer, rest: Uint8Array): HandshakeStep {
    if (isLowOrder(hello.subarray(helloMacBytes))) throw new DswarmError("hello_low_order");
    // Whatever follows a hello depends on the answer to it, which has not been sent yet.
    if (rest.length > 0) throw new DswarmError("hello_invalid", "it is too long");
    if (this.role === "listener") {
      if (shs.verifyChallenge(this.#state, hello) === null) throw new DswarmError("hello_invalid");
      this.#awaits = "authenticate";
      return { send: shs.createChallenge(this.#state) };
    }
    if (shs.clientVerifyChallenge(this.#state, hello) === null) {
      // The ephemeral key is kept when its HMAC is right: then it is the expected long-term key that is no point.
      const isHelloValid = this.#state.remote.kx_pk !== undefined;
      throw new DswarmError(isHelloValid ? "authentication_failed" : "hello_invalid");
    }
    this.#awaits = "accept";
    return { send: shs.clientCreateAuth(this.#state) };
  }

  #takeAuthenticate(authenticate: Buffer, rest: Uint8Array): HandshakeStep {
    if (shs.serverVerifyAuth(this.#state, authenticate) === null) throw new DswarmError("authentication_failed");
    const remoteId = this.#provenId();
    if (remoteId.equals(this.#localId)) throw new DswarmError("self_connection");
    if (!this.#isAllowed(remoteId)) throw new DswarmError("peer_not_allowed");
    return { send: shs.serverCreateAccept(this.#state), outcome: this.#finish(rest) };
  }

  #isAllowed(id: NodeId): boolean {
    try {
      return this.#authorize(id);
    } catch (error) {
      throw new DswarmError("peer_not_allowed", "the check of the key failed", { cause: error });
    }
  }

  /** NodeId refuses non-canonical keys and keys of small order, under which anyone can sign. */
  #provenId(): NodeId {
    try {
      return NodeId.fromBytes(this.#state.remote.publicKey ?? Buffer.alloc(0));
    } catch (error) {
      throw new DswarmError("authentication_failed", undefined, { cause: error });
    }
  }

  #finish(rest: Uint8Array): HandshakeOutcome {
    const remoteId = this.#provenId();
    const { encryptKey, decryptKey, local, remote } = shs.clean(this.#state);
    this.wipe();
    if (encryptKey === undefined || decryptKey === undefined) throw new DswarmError("authentication_failed");
    return {
      remoteId,
      encryptKey,
      encryptNonce: Buffer.from(remote.app_mac?.subarray(0, nonceBytes) ?? []),
      decryptKey,
      decryptNonce: Buffer.from(local.app_mac?.subarray(0, nonceBytes) ?? []),
      rest,
    };
  }
}
