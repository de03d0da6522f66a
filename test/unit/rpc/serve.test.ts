import assert from "node:assert/strict";
import { test } from "node:test";
import { create, createFileRegistry, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { ServiceRegistry } from "../../../src/rpc/serve.ts";
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
  }
  for (const methods of [["Get", "Put"], ["constructor", "toString"], []]) {
    const withdraw = registry.serve(serviceOf(...methods), {});
    withdraw();
  }
});
