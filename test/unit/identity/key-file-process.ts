// A process that loads or creates the key files it is told to: { path } is answered with the key in hex, or the error.
import { loadOrCreateKeyFile } from "../../../src/identity/keys.ts";
import { DswarmError } from "../../../src/util/errors.ts";

/** What the process is asked. */
export interface KeyFileRequest {
  readonly path: string;
  /** Becomes this user before it opens the file. */
  readonly userId?: number;
}

/** What the process answers; its first message, without a path, says that it is ready. */
export interface KeyFileAnswer {
  readonly path?: string;
  readonly key?: string;
  readonly code?: string;
  readonly message?: string;
}

async function answerTo({ path, userId }: KeyFileRequest): Promise<KeyFileAnswer> {
  try {
    if (userId !== undefined) process.seteuid?.(userId);
    return { path, key: (await loadOrCreateKeyFile(path)).id.toHex() };
  } catch (error) {
    if (error instanceof DswarmError) return { path, code: error.code, message: error.message };
    throw error;
  }
}

process.on("message", (request: KeyFileRequest) => {
  void answerTo(request).then((answer) => process.send?.(answer));
});
process.send?.({});
