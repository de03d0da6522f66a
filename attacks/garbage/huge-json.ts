// Bodies of JSON that are large, deep or wide, from a program of the owner's that went wrong or is fed by strangers.
import type { Attack } from "../attack.ts";
import type { Attacker } from "../lib/attacker.ts";

const mebibyte = 1_048_576;
const atOnce = 2;
const rounds = 6;

const bodies: readonly string[] = [
  `{"value":${"[".repeat(mebibyte - 100)}`,
  `{"value":${"[".repeat(400_000)}${"]".repeat(400_000)}}`,
  `${`{"a":`.repeat(150_000)}1${"}".repeat(150_000)}`,
  `{"value":"${"A".repeat(3 * mebibyte)}"}`,
  `{"ids":[${'"@",'.repeat(200_000)}"@"]}`,
  `{${Array.from({ length: 60_000 }, (_, i) => `"f${i}":1`).join()}}`,
  `{"value":1e${"9".repeat(500_000)}}`,
];

async function post(attacker: Attacker, path: string, body: string): Promise<number> {
  const socket = await attacker.tls();
  const { promise, resolve } = Promise.withResolvers<number>();
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("close", () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)));
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  socket.end(body);
  return promise;
}

export const hugeJson: Attack = {
  name: "huge-json",
  does: "2 clients at once post JSON of 1 to 3 MiB that is deep, wide or over the limit, 42 bodies each.",
  promise: "Bodies are bounded, and to refuse one stalls nobody.",
  spends: { megabytes: 600, connections: 400, seconds: 20 },
  // They are programs of the owner, so that they may cost the node the time of parsing some MiB of JSON.
  limits: { slowdown: 50, p99FloorMs: 500, ownerMs: 1500 },
  testScale: 0.1,
  async run(attacker) {
    let accepted = 0;
    const client = async (): Promise<void> => {
      for (let i = 0; i < attacker.scaled(rounds) && !attacker.isOver; i++) {
        for (const body of bodies) {
          const path = i % 2 === 0 ? "/api/values" : "/api/ping";
          if ((await post(attacker, path, body).catch(() => 0)) === 200) accepted += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, client));
    attacker.check("bodies accepted", accepted, { most: 0 });
  },
};
