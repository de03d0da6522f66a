// What the benchmark of DHTs needs of each of them: many nodes in one process, which put and get.

/** A DHT. */
export interface DhtSystem {
  readonly label: string;
  /** What to know when reading its figures. */
  readonly note: string;
  /** Nodes, where `--nodes` of them take too long. */
  readonly maxNodes?: number;
  /** An empty network on 127.0.0.1. */
  createNetwork(): DhtNetwork;
}

/** A network in the making. */
export interface DhtNetwork {
  /** Starts nodes that join those that are there. The first is started alone. */
  add(count: number): Promise<DhtMember[]>;
}

/** A node. */
export interface DhtMember {
  /** In its routing table. */
  readonly contacts: number;
  /** Stores a value under its hash. Returns the key. */
  put(value: Uint8Array): Promise<string>;
  /** Undefined where it is not found. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Ends it without a word to the others. */
  kill(): Promise<void>;
}
