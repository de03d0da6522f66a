// node examples/worker-pool.ts worker       works; start as many as you like
// node examples/worker-pool.ts [N]          counts the primes below N (default 5000000) with all workers that it hears of
//
// Many peers, one work: shares go to whoever is free, and to another when a worker dies.
import { Code, ConnectError } from "@connectrpc/connect";
import { WorkService } from "../gen/dswarm/example/v1/work_pb.ts";
import { createNode } from "../src/index.ts";

const share = 250_000;
const [role = "5000000"] = process.argv.slice(2);
await using node = await createNode({ network: "worker-pool-example" });

if (role === "worker") {
  node.serve(WorkService, {
    countPrimes({ from, to }) {
      if (to - from > share) throw new ConnectError(`at most ${share} numbers at once`, Code.InvalidArgument);
      return { primes: countPrimes(from, to) };
    },
  });
  console.log(`${node.id.toString()} works`);
  await new Promise((resolve) => process.once("SIGINT", resolve).stdin.once("end", resolve).resume());
} else {
  const limit = Number(role);
  const shares = Array.from({ length: Math.ceil(limit / share) }, (_, i) => i * share);
  let primes = 0;
  let failures = 0;
  const work = async (worker: (typeof workers)[number]): Promise<void> => {
    const client = node.client(WorkService, worker.id, { defaultTimeoutMs: 10_000 });
    for (let from = shares.shift(); from !== undefined; from = shares.shift()) {
      try {
        primes += (await client.countPrimes({ from, to: Math.min(from + share, limit) })).primes;
      } catch (error) {
        // The share goes back for another worker; this one gets no more.
        shares.push(from);
        failures++;
        console.error(`${worker.id.toString()} failed: ${ConnectError.from(error).message}`);
        return;
      }
    }
  };
  await new Promise((resolve) => setTimeout(resolve, 1500)); // Until the announces of all workers were heard.
  const workers = node.peers.closest();
  await Promise.all(workers.map(work));
  if (shares.length > 0) throw new Error("no worker is left; start some with: node examples/worker-pool.ts worker");
  console.log(`${primes} primes below ${limit}, counted by ${workers.length - failures} workers`);
}

function countPrimes(from: number, to: number): number {
  let primes = 0;
  for (let n = Math.max(from, 2); n < to; n++) {
    let isPrime = n === 2 || n % 2 === 1;
    for (let d = 3; isPrime && d * d <= n; d += 2) isPrime = n % d !== 0;
    if (isPrime) primes++;
  }
  return primes;
}
