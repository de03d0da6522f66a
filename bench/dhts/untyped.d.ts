// What the benchmark uses of packages that come without types.
declare module "bittorrent-dht" {
  import type { EventEmitter } from "node:events";

  type Callback<T> = (error: Error | null, result: T) => void;

  export default class DHT extends EventEmitter {
    constructor(options: { bootstrap: readonly string[] | false; host: string });
    readonly nodes: { count(): number };
    listen(port: number, address: string): void;
    address(): { port: number };
    put(options: { v: Buffer }, callback: Callback<Buffer>): void;
    get(key: string, callback: Callback<{ v: Buffer } | null>): void;
    destroy(callback: (error?: Error) => void): void;
  }
}
