// google.protobuf.Any in JSON holds the types of the services and the well-known ones.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleService } from "../../unit/api/sample-service.ts";
import { post, send, startApi } from "./api-server.ts";

const held = { "@type": "type.googleapis.com/sample.v1.Inner", name: "a", size: 7, constructor: "b" };
const wellKnown = { "@type": "type.googleapis.com/google.protobuf.Duration", value: "1.500s" };
const peek = "/api/sample.v1.SampleService/Peek?encoding=json&message=";

for (const any of [held, wellKnown]) {
  test(`an Any of ${any["@type"]} comes and goes`, async (t) => {
    const { port } = await startApi(t, { services: [sampleService()] });
    const body = JSON.stringify({ any });
    const answers = [
      await post(port, "/api/echo", body),
      await post(port, "/api/sample.v1.SampleService/Echo", body),
      await send(port, peek + encodeURIComponent(body)),
    ];
    for (const { status, text } of answers) {
      assert.equal(status, 200, text);
      assert.deepEqual(JSON.parse(text).any, any);
    }
    const lines = (await post(port, "/api/count", body)).text.trim().split("\n");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).result.any),
      [any, any],
    );
  });
}

test("an Any of an unknown type is refused", async (t) => {
  const { port } = await startApi(t, { services: [sampleService()] });
  const body = JSON.stringify({ any: { "@type": "type.googleapis.com/nowhere.v1.Nothing" } });
  for (const path of ["/api/echo", "/api/sample.v1.SampleService/Echo"]) {
    const { status, text } = await post(port, path, body);
    assert.equal(status, 400, text);
    assert.match(text, /"invalid_argument".*nowhere\.v1\.Nothing/);
  }
});
