// What the benchmark uses of packages that come without types.
declare module "hyperdht" {
  import type { Duplex } from "node:stream";

  export interface DhtKeyPair {
    readonly publicKey: Buffer;
    readonly secretKey: Buffer;
  }

  export type DhtStream = Duplex;

  export default class DHT {
    constructor(options: {
      bootstrap: { host: string; port: number }[];
      host: string;
      ephemeral?: boolean;
      firewalled?: boolean;
    });
    static keyPair(): DhtKeyPair;
    readonly table: { toArray(): readonly unknown[] };
    immutablePut(value: Buffer): Promise<{ readonly hash: Buffer }>;
    immutableGet(target: Buffer): Promise<{ readonly value: Buffer } | null>;
    fullyBootstrapped(): Promise<void>;
    address(): { host: string; port: number };
    createServer(onConnection: (stream: DhtStream) => void): { listen(keyPair: DhtKeyPair): Promise<void> };
    connect(publicKey: Buffer): DhtStream;
    destroy(options?: { force?: boolean }): Promise<void>;
  }
}

declare module "protomux-rpc" {
  import type { Duplex } from "node:stream";

  export default class ProtomuxRPC {
    constructor(stream: Duplex, options: { valueEncoding: unknown });
    readonly mux: { readonly drained: boolean };
    respond(method: string, handler: (value: Buffer) => Buffer | Promise<Buffer> | void): this;
    request(method: string, value: Uint8Array): Promise<Buffer>;
    event(method: string, value: Uint8Array): void;
  }
}

declare module "compact-encoding" {
  const encodings: { readonly buffer: unknown };
  export default encodings;
}
