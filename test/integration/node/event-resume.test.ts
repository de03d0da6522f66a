// Who comes back to the events of a node, or to a value, is told what was missed, and nothing twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { send, startNode } from "./rig.ts";

/** The events of a node that it remembers, of a stream that is cut once so many have come. */
async function eventsOf(
  port: number,
  query: string,
  count: number,
  lastEventId?: string,
): Promise<{ readonly id: string; readonly data: { readonly name: string; readonly number: number } }[]> {
  const response = await fetch(`http://127.0.0.1:${port}/api/${query}`, {
    headers: { Accept: "text/event-stream", ...(lastEventId !== undefined && { "Last-Event-ID": lastEventId }) },
  });
  assert.equal(response.status, 200, query);
  const events = [];
  let rest = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const parts = (rest + chunk).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const id = /^id: (.*)$/m.exec(part)?.[1] ?? "";
      const data = /^data: (.*)$/m.exec(part)?.[1];
      if (data !== undefined) events.push({ id, data: JSON.parse(data) });
    }
    if (events.length >= count) break;
  }
  return events;
}

test("a client that comes back with the id of the last event is told those since, those it wants", async (t) => {
  const node = await startNode(t, { discovery: false, httpPort: 0 });
  const port = Number(new URL(node.httpUrl ?? "").port);
  const add = (count: number) => {
    for (let i = 0; i < count; i++) node.events.add(i % 2 === 0 ? "dial_failed" : "peer_lost", { detail: `${i}` });
  };
  add(6);
  const first = await eventsOf(port, "events?past=6&names=dial_failed&names=peer_lost", 6);
  const numbers = first.map(({ data }) => data.number);
  assert.deepEqual(numbers, [1, 2, 3, 4, 5, 6]);
  assert.equal(new Set(first.map(({ id }) => id)).size, 6);
  add(2);
  const query = "events?past=3&names=peer_lost";
  const again = await eventsOf(port, query, 3, first[2]?.id);
  assert.deepEqual(
    again.map(({ data }) => data.number),
    [4, 6, 8],
  );
  // By another run of the node, all that it remembers: its numbers began again.
  const other = await eventsOf(port, query, 4, "otherrun-7");
  assert.deepEqual(
    other.map(({ data }) => data.number),
    [2, 4, 6, 8],
  );
  // Rates have no id: they are not to be told again.
  const [rates] = await eventsOf(port, "events?names=rates", 1, first[2]?.id);
  assert.deepEqual([rates?.data.name, rates?.id], ["rates", ""]);
  // A number that this run has not come to: there is nothing that was missed.
  const run = first[0]?.id.split("-")[0] ?? assert.fail();
  const ahead = await eventsOf(port, "events?past=3&names=rates", 1, `${run}-${"9".repeat(15)}`);
  assert.deepEqual(
    ahead.map(({ data }) => data.name),
    ["rates"],
  );
});

test("what is the id of no event is refused, in the header and in the query, and an empty one is none", {
  timeout: 60_000,
}, async (t) => {
  const node = await startNode(t, { discovery: false, httpPort: 0 });
  const port = Number(new URL(node.httpUrl ?? "").port);
  node.events.add("peer_lost", { detail: "first" });
  const { key } = await node.dht.update(Buffer.from("first"));
  const value = `values/${key.toBase64url()}/watch`;
  const nowhere = [
    "null",
    "undefined",
    "NaN",
    "x",
    "0",
    "-1",
    "1e400",
    "9".repeat(30),
    "a,b",
    "\u00e9",
    "x".repeat(1000),
  ];
  const noEvents = [
    ...nowhere,
    "none",
    "sequence-",
    "run-",
    "run-1-2",
    "run--1",
    `run-${"9".repeat(16)}`,
    "run-1, run-2",
  ];
  const noValues = [...nowhere, "None", "sequence-", "sequence--1", "run-1", `sequence-${"9".repeat(21)}`];
  for (const [path, bad] of [
    ["events?past=1", noEvents],
    [value, noValues],
  ] as const) {
    for (const after of bad) {
      for (const accept of ["text/event-stream", "*/*"]) {
        const headers = { Accept: accept, "Last-Event-ID": after };
        const query = `${path}${path.includes("?") ? "&" : "?"}after=${encodeURIComponent(after)}`;
        for (const answer of [
          await send(node.port, `/api/${path}`, { headers }),
          await send(node.port, `/api/${query}`, { headers: { Accept: accept } }),
        ]) {
          assert.equal(answer.status, 400, after);
          const { code, message } = JSON.parse(answer.text);
          assert.equal(code, "invalid_argument");
          assert.match(message, /^after: give the cursor of an /);
        }
      }
    }
    for (const none of ["", " "]) assert.ok((await eventsOf(port, path, 1, none)).length > 0, path);
  }
  // A lookup is told from its start to its end: it goes on nowhere.
  const headers = { Accept: "text/event-stream", "Last-Event-ID": "null" };
  assert.equal((await send(node.port, `/api/lookup/${key.toBase64url()}/trace`, { headers })).status, 200);
});

test("past counts the events that are wanted, and names of no event are refused", async (t) => {
  const node = await startNode(t, { discovery: false, httpPort: 0 });
  const port = Number(new URL(node.httpUrl ?? "").port);
  node.events.add("peer_lost", { detail: "first" });
  for (let i = 0; i < 100; i++) node.events.add("dial_failed");
  node.events.add("peer_lost", { detail: "last" });
  const seen = await eventsOf(port, "events?past=2&names=peer_lost", 2);
  assert.deepEqual(
    seen.map(({ data }) => data.number),
    [1, 102],
  );
  for (const name of ["nope", "", "__proto__", "Peer_lost"]) {
    const answer = await send(node.port, `/api/events?names=${name}`);
    assert.equal(answer.status, 400, name);
    assert.match(JSON.parse(answer.text).message, /^names: there is no event .*; there are peer_appeared, .*, rates$/);
  }
});

test("a client that comes back to a value is told it only if it has changed", async (t) => {
  const node = await startNode(t, { discovery: false, httpPort: 0 });
  const port = Number(new URL(node.httpUrl ?? "").port);
  const { key } = await node.dht.update(Buffer.from("first"));
  const query = `values/${key.toBase64url()}/watch?intervalMs=100`;
  const [first] = await eventsOf(port, query, 1);
  assert.ok(first !== undefined && first.id !== "");
  const coming = eventsOf(port, query, 1, first.id);
  await node.dht.update(Buffer.from("second"));
  const [second] = await coming;
  assert.notEqual(second?.id, first.id);
  assert.match(JSON.stringify(second?.data), new RegExp(Buffer.from("second").toString("base64")));
});
