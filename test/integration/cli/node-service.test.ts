// Each unary method of NodeService on a running node by a client of @connectrpc/connect-web and by a command: both get the same.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect, getCACertificates, setDefaultCACertificates } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import { type DescMethod, type DescMethodUnary, fromJsonString, type JsonValue, toJson } from "@bufbuild/protobuf";
import { createConnectTransport } from "@connectrpc/connect-web";
import { NodeService } from "../../../gen/dswarm/v1/node_pb.ts";
import { CliRig } from "./cli-rig.ts";

/** A service that the other node provides. */
const provided = "grpc.health.v1.Health";
const key = "&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

/** The request and the command of each method, in an order in which one finds what those before have left. */
const calls = (peer: string): Readonly<Record<string, { json: object; command: readonly string[] }>> => ({
  GetStatus: { json: {}, command: ["status"] },
  ListPeers: { json: {}, command: ["peers"] },
  PingPeers: { json: { ids: [peer] }, command: ["ping", peer] },
  FindPeer: { json: { id: peer }, command: ["find", peer] },
  ListBuckets: { json: {}, command: ["buckets"] },
  Lookup: { json: { key }, command: ["lookup", key] },
  PutValue: { json: { value: "aGVsbG8=" }, command: ["put", "hello"] },
  GetValue: { json: { key }, command: ["get", key] },
  UpdateValue: { json: { value: "aGVsbG8=" }, command: ["update", "hello"] },
  DeleteValue: { json: {}, command: ["delete"] },
  Provide: { json: { name: "pictures" }, command: ["provide", "--name", "pictures"] },
  FindKeepers: { json: { key }, command: ["keepers", key] },
  FindProviders: { json: { name: "pictures" }, command: ["providers", "--name", "pictures"] },
  ListRecords: { json: {}, command: ["records"] },
  Unprovide: { json: { name: "pictures" }, command: ["provide", "--name", "pictures", "--stop"] },
  ListServices: { json: { id: peer }, command: ["services", peer] },
  DescribeService: { json: { service: provided }, command: ["services", provided] },
  CheckHealth: { json: { id: peer }, command: ["health", peer] },
  ListSwarm: { json: {}, command: ["ls"] },
});

/** Methods that nodes of a swarm alone have: `add` and `stop` are tried in swarm-nodes.test.ts. */
const ofSwarms: ReadonlySet<string> = new Set(["AddSwarmNode", "StopSwarmNode"]);

// What differs from one call to the next.
const volatile = /Ms$|^(?:sequence|ttlS|counters|heldBytes|bytes|connections)$/;

function withoutVolatile(json: JsonValue): unknown {
  return JSON.parse(JSON.stringify(json), (name, value: unknown) => (volatile.test(name) ? undefined : value));
}

/** Trusts the certificate of a node from here on. */
async function trust(port: number): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  const pem = `-----BEGIN CERTIFICATE-----\n${raw.toString("base64")}\n-----END CERTIFICATE-----\n`;
  setDefaultCACertificates([...getCACertificates("default"), pem]);
}

function isUnary(method: DescMethod): method is DescMethodUnary & DescMethod {
  return method.methodKind === "unary";
}

test("each unary method by connect-web and by its command", { timeout: 300_000 }, async (t) => {
  const rig = new CliRig(t);
  const { node } = await rig.startNode();
  const other = await rig.startNode();
  await trust(node.port);
  const transport = createConnectTransport({ baseUrl: `https://localhost:${node.port}/api` });
  const table = calls(other.node.id);
  const methods = NodeService.methods.filter(isUnary).filter(({ name }) => !ofSwarms.has(name));
  assert.deepEqual(Object.keys(table).sort(), methods.map(({ name }) => name).sort(), "a method has no command here");

  const ask = async (method: DescMethodUnary, json: object): Promise<JsonValue> => {
    const request = fromJsonString(method.input, JSON.stringify(json));
    const { message } = await transport.unary(method, undefined, undefined, undefined, request);
    return toJson(method.output, message, { alwaysEmitImplicit: true });
  };
  let buckets = "";
  for (let tries = 0; tries < 500 && !buckets.includes(other.node.id); tries++) {
    buckets = JSON.stringify(await ask(NodeService.method.listBuckets, {}));
  }
  const providing = await rig.result(["provide", "--name", provided, "--node", `${other.node.port}`]);
  assert.equal(providing.code, 0, providing.stderr);
  for (const [name, { json, command }] of Object.entries(table)) {
    await t.test(name, async () => {
      const method = methods.find((each) => each.name === name);
      assert(method !== undefined);
      // What the two nodes know of each other may settle between the answer and the command.
      for (let tries = 4; ; tries--) {
        const answer = withoutVolatile(await ask(method, json));
        const { code, stdout, stderr } = await rig.result([...command, "--json", "--node", `${node.port}`]);
        assert.equal(code, 0, stderr);
        // It is an answer of this method, with no field more.
        const message = fromJsonString(method.output, stdout);
        const printed = withoutVolatile(toJson(method.output, message, { alwaysEmitImplicit: true }));
        if (tries > 0 && !isDeepStrictEqual(printed, answer)) continue;
        assert.deepEqual(printed, answer);
        return;
      }
    });
  }
});
