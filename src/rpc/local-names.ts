// Names of methods in TypeScript: the properties of clients and implementations.
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { methodName } from "./method-name.ts";

/**
 * Checks that each method of a service has a property of its own. Otherwise a client would reach one of two methods, and only one would be
 * served, and nobody would notice.
 * @throws RangeError when two methods have one name in TypeScript (`Get` and `get`), or one is called `__proto__`
 */
export function checkLocalNames(service: DescService): void {
  const byName = new Map<string, DescMethod>();
  for (const method of service.methods) {
    const { localName } = method;
    const other = byName.get(localName);
    if (other !== undefined) throw notAlone(method, `${methodName(other)} has the same`);
    if (localName === "__proto__") throw notAlone(method, "every object has it");
    byName.set(localName, method);
  }
}

function notAlone(method: DescMethod, reason: string): RangeError {
  const { localName } = method;
  return new RangeError(
    `${methodName(method)}: no property "${localName}" can stand for this method alone, as ${reason}`,
  );
}
