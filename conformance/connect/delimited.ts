// How the suite talks to programs: protobuf messages on stdin and stdout, each after its length as 4 bytes, big-endian.
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";

const prefixBytes = 4;

/** Reads messages until the input ends. @throws Error where it ends within a message */
export async function* readDelimited<D extends DescMessage>(
  schema: D,
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<MessageShape<D>> {
  let rest = Buffer.alloc(0);
  for await (const chunk of input) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= prefixBytes) {
      const end = prefixBytes + rest.readUInt32BE();
      if (rest.length < end) break;
      yield fromBinary(schema, rest.subarray(prefixBytes, end));
      rest = rest.subarray(end);
    }
  }
  if (rest.length > 0) throw new Error("the input ends within a message");
}

/** A message with its length before it. */
export function delimited<D extends DescMessage>(schema: D, message: MessageShape<D>): Buffer {
  const bytes = toBinary(schema, message);
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(bytes.length);
  return Buffer.concat([prefix, bytes]);
}
