// The part of a database that records need. Any database of the abstract-level family has it.

/** One write of a batch. */
export type DatabaseOperation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };

/** How keys and values of records are encoded. */
interface RowEncodings {
  readonly keyEncoding: "utf8";
  readonly valueEncoding: "view";
}

/** An open database of records. */
export interface RecordDatabase {
  /** "open" while it can be read and written. */
  readonly status: string;
  batch(operations: DatabaseOperation[], options: RowEncodings & { readonly sync: boolean }): Promise<void>;
  get(key: string, options: RowEncodings): Promise<Uint8Array | undefined>;
  getMany(keys: string[], options: RowEncodings): Promise<(Uint8Array | undefined)[]>;
  /** All rows, by key. */
  iterator(options: RowEncodings): AsyncIterable<[key: string, value: Uint8Array]>;
  close(): Promise<void>;
  /** Opens the database again after a write that failed; missing where no disk takes part. */
  reopen?(): Promise<void>;
  /** Resolves when no reopening is under way. */
  settled?(): Promise<void>;
}
