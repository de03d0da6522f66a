// A process with a node that keeps records in the data directory that is its first argument. It puts those with the numbers from
// the second argument up to the third, of as many bytes as the fourth says, prints "put N" when one is acknowledged, and then "done"; and waits to be killed.
import { createNode } from "../../../src/create-node.ts";
import { numberedRecord } from "../dht/numbered-record.ts";

const [dataDir = "", from = "0", to = "0", bytes = "200"] = process.argv.slice(2);
const node = await createNode({ dataDir, discovery: false, api: false });
for (let n = Number(from); n < Number(to); n++) {
  await node.dht.store.put(numberedRecord(n, Number(bytes)), { ttlS: 86_400, from: undefined });
  process.stdout.write(`put ${n}\n`);
}
process.stdout.write("done\n");
