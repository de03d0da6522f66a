import assert from "node:assert/strict";
import { test } from "node:test";
import { create, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createRpcClient } from "../../../src/rpc/client.ts";
import { ServiceRegistry } from "../../../src/rpc/serve.ts";
import { createMemorySwarm } from "../../../src/testing/memory-swarm.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { Counters } from "../../../src/util/counters.ts";
import { silentLogger } from "../../../src/util/log.ts";

function serviceOf(...methods: string[]): DescService {
  const file = create(FileDescriptorProtoSchema, {
    name: "odd.proto",
    package: "test",
    syntax: "proto3",
    messageType: [{ name: "Empty" }],
    service: [
      { name: "Odd", method: methods.map((name) => ({ name, inputType: ".test.Empty", outputType: ".test.Empty" })) },
    ],
  });
  const service = createFileRegistry(file, () => undefined).getService("test.Odd");
  assert.ok(service);
  return service;
}

test("a method for which there is no property of its own is refused, and nothing of its service is served", () => {
  const registry = new ServiceRegistry({ clock: systemClock, logger: silentLogger, counters: new Counters() });
  for (const methods of [["get", "Get"], ["Get", "Other", "get"], ["__proto__"], ["Get", "__proto__"]]) {
    const service = serviceOf(...methods);
    assert.throws(() => registry.serve(service, {}), /^RangeError: test\.Odd\/(Get|get|__proto__): no property/);
    assert.deepEqual(registry.services, []);
    // The error names both methods.
    const both = methods.includes("get") ? /\/get: .* test\.Odd\/Get |\/Get: .* test\.Odd\/get / : /__proto__/;
    assert.throws(() => registry.serve(service, {}), both);
  }
  for (const methods of [["Get", "Put"], ["constructor", "toString"], []]) {
    const withdraw = registry.serve(serviceOf(...methods), {});
    withdraw();
  }
});

test("a service is refused by every maker of clients as it is by serve", async (t) => {
  const { nodes } = await createMemorySwarm(1);
  const [node = assert.fail()] = nodes;
  t.after(() => node.close());
  const transport = node.transport(node.id);
  for (const methods of [["get", "Get"], ["Get", "Other", "get"], ["__proto__"], ["Get", "__proto__"]]) {
    const service = serviceOf(...methods);
    const expected = messageOf(() => node.serve(service, {}));
    assert.match(expected, /no property/);
    assert.equal(
      messageOf(() => createRpcClient(service, transport)),
      expected,
    );
    assert.equal(
      messageOf(() => node.client(service, node.id)),
      expected,
    );
    assert.equal(
      messageOf(() => node.client(service)),
      expected,
    );
  }
  for (const methods of [["Get", "Put"], ["constructor", "toString"], []]) {
    const service = serviceOf(...methods);
    const client = node.client(service, node.id);
    assert.deepEqual(
      Object.keys(client),
      service.methods.map(({ localName }) => localName),
    );
  }
});

/** What a RangeError says. */
function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof RangeError, String(error));
    return error.message;
  }
  return assert.fail("nothing is thrown");
}
