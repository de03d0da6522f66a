// Pipelined requests, on a real HTTP server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type TestContext, test } from "node:test";
import { inTurn } from "../../../src/channel/in-turn.ts";
import { systemClock } from "../../../src/util/clock.ts";

async function serve(t: TestContext, listener: (url: string, response: ServerResponse) => void): Promise<number> {
  const server = createServer(inTurn(systemClock, ({ url = "" }, response) => listener(url, response)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function sendAll(port: number, urls: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1").setEncoding("latin1");
  let text = "";
  socket.on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("error", () => undefined);
  const heads = urls.map((url, i) => {
    const last = i === urls.length - 1 ? "Connection: close\r\n" : "";
    return `GET ${url} HTTP/1.1\r\nHost: a\r\n${last}\r\n`;
  });
  socket.write(heads.join(""));
  await once(socket, "close");
  return text;
}

test("pipelined requests are handled one after the other, each once the one before is answered", async (t) => {
  const log: string[] = [];
  const port = await serve(t, (url, response) => {
    log.push(`begin ${url}`);
    setImmediate(() => {
      log.push(`end ${url}`);
      response.end(`<${url}>`);
    });
  });
  const urls = ["/1", "/2", "/3", "/4"];
  const text = await sendAll(port, urls);
  assert.deepEqual(text.match(/<[^>]*>/g), ["</1>", "</2>", "</3>", "</4>"]);
  assert.deepEqual(
    log,
    urls.flatMap((url) => [`begin ${url}`, `end ${url}`]),
  );
});

test("a connection with more than eight that wait is closed, and few of them are handled", async (t) => {
  let handled = 0;
  const port = await serve(t, (_, response) => {
    handled += 1;
    response.end("x");
  });
  await sendAll(
    port,
    Array.from({ length: 2000 }, () => "/"),
  );
  assert.ok(handled <= 9, `${handled} were handled`);
});
