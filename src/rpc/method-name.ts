// Names of methods on the wire.
import type { DescMethod } from "@bufbuild/protobuf";

const encoded = new WeakMap<DescMethod, Uint8Array>();

/** "package.Service/Method". */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** The same in ASCII; made once a method. */
export function methodNameBytes(method: DescMethod): Uint8Array {
  let bytes = encoded.get(method);
  if (bytes === undefined) {
    bytes = Buffer.from(methodName(method), "latin1");
    encoded.set(method, bytes);
  }
  return bytes;
}
