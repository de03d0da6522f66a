// What a call tells a provider of killed-providers.test.ts: which call it is, and how the provider is to go in the midst of it.

/** How a provider takes a call. */
export type ProviderOrder =
  /** Runs it and answers. */
  | "answer"
  /** Waits to be killed, and has not run it. */
  | "wait"
  /** Runs it and waits to be killed. */
  | "run and wait"
  /** Runs it and kills itself before it answers. */
  | "run and go"
  /** Runs it, answers and kills itself in the next turn, when the answer may have left or not. */
  | "answer and go";

const orders: readonly ProviderOrder[] = ["answer", "wait", "run and wait", "run and go", "answer and go"];

/** The payload of a call. */
export function encodeOrder(call: number, order: ProviderOrder): Uint8Array {
  const payload = new Uint8Array(5);
  new DataView(payload.buffer).setUint32(0, call);
  payload[4] = orders.indexOf(order);
  return payload;
}

/** What a payload says. */
export function decodeOrder(payload: Uint8Array): { readonly call: number; readonly order: ProviderOrder } {
  const order = orders[payload[4] ?? 0];
  if (payload.length !== 5 || order === undefined) throw new RangeError("no order");
  return { call: new DataView(payload.buffer, payload.byteOffset).getUint32(0), order };
}
