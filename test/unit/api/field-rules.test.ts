// The patterns of the OpenAPI document against the parsers of a node: what one takes, the other takes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromJson } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import {
  DeleteValueRequestSchema,
  FindPeerRequestSchema,
  FindProvidersRequestSchema,
  GetValueRequestSchema,
  PutValueRequestSchema,
  WatchEventsRequestSchema,
} from "../../../gen/dswarm/v1/node_pb.ts";
import { base64Pattern, exactlyOne, nodeIdPattern, ruledFields } from "../../../src/api/field-rules.ts";
import { JsonSchemas } from "../../../src/api/json-schema.ts";
import { objectOf, textOf } from "../../../src/api/json-values.ts";
import { protobufJson } from "../../../src/api/protobuf-json.ts";
import { RecordKey } from "../../../src/dht/record-key.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { formatPeerAddress } from "../../../src/identity/peer-address.ts";

function parses(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

const component = (name: string, schemas: JsonSchemas) => objectOf(objectOf(schemas.components)[name]);

test("every form of a key matches its pattern, and what is nearly one does not", () => {
  const schemas = new JsonSchemas({});
  schemas.message(GetValueRequestSchema);
  const { key } = objectOf(component("dswarm.v1.GetValueRequest", schemas)["properties"]);
  const keyPattern = new RegExp(textOf(objectOf(key)["pattern"]));
  const idPattern = new RegExp(nodeIdPattern);
  for (let i = 0; i < 50; i++) {
    const { id } = generateKeyPair();
    const record = RecordKey.ofValue(id.bytes);
    const forms = (of: typeof id | typeof record, sigil: string) =>
      [of.toString(), of.toString().slice(1), of.toBase64url(), of.toHex(), of.toHex().toUpperCase()].flatMap(
        (text) => [text, text.startsWith(sigil) ? text : sigil + text],
      );
    for (const text of forms(id, "@")) assert.match(text, idPattern);
    for (const text of forms(record, "&")) assert.match(text, keyPattern);
  }
  const { id } = generateKeyPair();
  const characters = fc
    .array(fc.constantFrom(...Array.from("@&=+/-_Aaz09 ")), { maxLength: 3 })
    .map((all) => all.join(""));
  const nearly = fc
    .tuple(fc.constantFrom(id.toString(), id.toBase64url(), id.toHex()), fc.nat(66), fc.nat(2), characters)
    .map(([text, at, cut, more]) => text.slice(0, at) + more + text.slice(at + cut));
  fc.assert(
    fc.property(nearly, (text) => {
      // Of the bytes, a NodeId refuses a few; those of a record's key may be any.
      if (parses(() => NodeId.parse(text))) assert.match(text, idPattern);
      assert.equal(
        keyPattern.test(text),
        parses(() => RecordKey.parse(text)),
        text,
      );
    }),
    { seed: 7, numRuns: 3000 },
  );
});

test("the address of a peer is where its id is, of the method that takes it", () => {
  const schemas = new JsonSchemas({});
  schemas.message(FindPeerRequestSchema);
  const { id: field } = objectOf(component("dswarm.v1.FindPeerRequest", schemas)["properties"]);
  const pattern = new RegExp(textOf(objectOf(field)["pattern"]));
  const { id } = generateKeyPair();
  for (const host of ["127.0.0.1", "::1", "box.example"]) {
    const address = formatPeerAddress({ id, host, port: 65_535 });
    assert.match(address, pattern);
    assert.doesNotMatch(address, new RegExp(nodeIdPattern));
  }
  assert.match(id.toString(), pattern);
  for (const text of [`dswarm://${id.toBase64url()}`, `dswarm://${id.toBase64url()}@host`, "dswarm://x@host:1"])
    assert.doesNotMatch(text, pattern);
});

test("base64 is what the pattern says, with at most so many bytes", () => {
  const text = fc.array(fc.constantFrom(...Array.from("Az09+/-_=")), { maxLength: 12 }).map((all) => all.join(""));
  for (const maxBytes of [undefined, 3, 4, 5, 6]) {
    const pattern = new RegExp(base64Pattern(maxBytes));
    fc.assert(
      fc.property(text, (salt) => {
        const read = () =>
          fromJson(DeleteValueRequestSchema, protobufJson(DeleteValueRequestSchema, { salt })).salt.length;
        const isTaken = parses(read) && (maxBytes === undefined || read() <= maxBytes);
        assert.equal(pattern.test(salt), isTaken, `${salt} ${maxBytes}`);
      }),
      { seed: 7, numRuns: 3000 },
    );
  }
  for (const salt of ["YQ= =", " YQ==", "YQ==\n", "YQ==YQ==", "Y", "YQ=", "YWE==", "="]) {
    assert.throws(() => protobufJson(DeleteValueRequestSchema, { salt }), /invalid base64/, salt);
  }
  assert.doesNotThrow(() => protobufJson(PutValueRequestSchema, { value: "A".repeat(2 ** 20) }));
});

test("the whole numbers of 64 bits match, and the next ones do not", () => {
  const schemas = new JsonSchemas({});
  schemas.message(DeleteValueRequestSchema);
  const { properties } = component("dswarm.v1.DeleteValueRequest", schemas);
  const pattern = new RegExp(textOf(objectOf(objectOf(properties)["expectedSequence"])["pattern"]));
  const bounds = [0n, 1n, 9n, 10n, 18n, 10n ** 18n, 10n ** 19n, 2n ** 63n, 2n ** 64n - 10n, 2n ** 64n - 1n];
  for (const number of bounds) assert.match(`${number}`, pattern);
  for (const text of [`${2n ** 64n}`, "20000000000000000000", "99999999999999999999", "-1", "01", "", "1e3"])
    assert.doesNotMatch(text, pattern);
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 65n }), (n) => pattern.test(`${n}`) === n < 2n ** 64n),
    {
      seed: 7,
    },
  );
});

test("of two fields of which one is needed, the document demands one, and an empty one is refused", () => {
  assert.deepEqual(ruledFields(FindProvidersRequestSchema), { oneOf: [{ required: ["key"] }, { required: ["name"] }] });
  assert.deepEqual(
    exactlyOne(FindProvidersRequestSchema).map(({ name }) => name),
    ["key", "name"],
  );
  for (const json of [{ key: "", name: "x" }, { name: "" }]) {
    assert.throws(() => protobufJson(FindProvidersRequestSchema, json), /is empty; leave the field out/);
  }
  assert.doesNotThrow(() => protobufJson(WatchEventsRequestSchema, { after: "" }));
  assert.equal(create(FindProvidersRequestSchema).name, "");
});
