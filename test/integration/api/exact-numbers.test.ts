// 64-bit numbers on every way on which JSON comes into /api: as JSON numbers, which JavaScript rounds above 2^53.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleService } from "../../unit/api/sample-service.ts";
import { type Answer, post, send, startApi } from "./api-server.ts";

const echo = "/api/echo";
const connect = "/api/sample.v1.SampleService/";
const exact = "9007199254740993";

function enveloped(json: string): string {
  return `\0\0\0\0${String.fromCharCode(json.length)}${json}`;
}

/** By what the way is: a request whose field `big` has the text. */
const ways: Readonly<Record<string, (port: number, big: string) => Promise<Answer>>> = {
  "a short route's body": (port, big) => post(port, echo, `{"big":${big}}`),
  "a short route's query": (port, big) => send(port, `${echo}?big=${encodeURIComponent(big.replaceAll('"', ""))}`),
  "Connect's body": (port, big) => post(port, `${connect}Echo`, `{"big":${big}}`),
  "Connect's query": (port, big) =>
    send(port, `${connect}Peek?encoding=json&message=${encodeURIComponent(`{"big":${big}}`)}`),
  "Connect's query in base64": (port, big) => {
    const message = Buffer.from(`{"big":${big}}`).toString("base64url");
    return send(port, `${connect}Peek?encoding=json&base64=1&message=${message}`);
  },
  "Connect's stream": (port, big) =>
    post(port, `${connect}Count`, enveloped(`{"big":${big}}`), "application/connect+json"),
  "gRPC-Web": (port, big) => post(port, `${connect}Echo`, enveloped(`{"big":${big}}`), "application/grpc-web+json"),
};

for (const [way, ask] of Object.entries(ways)) {
  test(`${way} keeps 64-bit numbers exact`, async (t) => {
    const { port } = await startApi(t, { services: [sampleService()] });
    for (const big of [exact, `"${exact}"`]) {
      const { text } = await ask(port, big);
      assert(text.includes(`"big":"${exact}"`), `${big}: ${text}`);
    }
  });

  test(`${way} refuses numbers that JSON does not know`, async (t) => {
    const { port } = await startApi(t, { services: [sampleService()] });
    for (const big of ['"0x10"', '"+5"', '"1.5"']) {
      const { status, text } = await ask(port, big);
      const isRefused = status === 400 || /invalid_argument|grpc-status: 3/.test(text);
      assert(isRefused, `${big}: ${status} ${text}`);
      assert(!text.includes('"big"'), text);
    }
  });
}
