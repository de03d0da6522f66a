// What the benchmark asks of every RPC stack. A stack is a file in bench/stacks that exports `stack`.

/** A stack: how its server and its client are started, each in a process of its own. */
export interface Stack {
  /** Shown in tables. */
  readonly label: string;
  /** What is good to know when its figures are read. */
  readonly note: string;
  /** Starts a server on 127.0.0.1, on a free port. */
  startServer(): Promise<StackServer>;
  /** Connects to a server and makes sure that the connection is there. @param address what the server gave */
  startClient(address: string): Promise<StackClient>;
}

/** A running server. */
export interface StackServer {
  /** All that a client needs to know: text, of any form. */
  readonly address: string;
  /** Stops it. */
  close(): Promise<void> | void;
}

/** A client with one connection. What a stack cannot do it leaves out. */
export interface StackClient {
  /** One call: sends bytes and is answered the same bytes. */
  echo(payload: Uint8Array): Promise<Uint8Array>;
  /** One server-streaming call that answers the payload `count` times. Returns how many answers came. */
  stream?(count: number, payload: Uint8Array): Promise<number>;
  /** Opens a connection of its own, with all that a first connection costs. */
  readonly connect?: () => Promise<StackConnection>;
  /** The same call as `stream`, but reads one answer and then no more. Returns what cancels it. */
  stall?(count: number, payload: Uint8Array): Promise<() => void>;
  /** Closes all. */
  close(): Promise<void> | void;
}

/** A connection besides the client's own. */
export interface StackConnection {
  echo(payload: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void> | void;
}
