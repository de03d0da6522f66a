// A child process of the benchmark: the server or the client of one stack. Usage: node --expose-gc lib/host.ts STACK
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { type Ability, type Answer, type Commands, type Request } from "./commands.ts";
import { randomPayload, runLoad } from "./load.ts";
import type { Stack, StackClient, StackConnection, StackServer } from "./stack.ts";

const holdConcurrency = 8;
const abilities: readonly Ability[] = ["stream", "connect", "stall"];

type Handlers = {
  readonly [Name in keyof Commands]: (take: Commands[Name]["take"]) => Promise<Commands[Name]["give"]>;
};

let server: StackServer | undefined;
let client: StackClient | undefined;
let profiler: Session | undefined;
let unstall: (() => void) | undefined;
const held: StackConnection[] = [];

const { stack } = (await import(`../stacks/${process.argv[2]}.ts`)) as { stack: Stack };

function connected(): StackClient {
  if (client === undefined) throw new Error("the client is not connected");
  return client;
}

const handlers: Handlers = {
  async serve() {
    server = await stack.startServer();
    return { address: server.address };
  },
  async connect({ address }) {
    const connecting = await stack.startClient(address);
    client = connecting;
    return { can: abilities.filter((ability) => connecting[ability] !== undefined) };
  },
  load: ({ ms, ...load }) => runLoad(connected(), load, ms),
  async hold({ count }) {
    const { connect } = connected();
    if (connect === undefined) throw new Error("the stack opens no further connections");
    const payload = randomPayload(32);
    const target = held.length + count;
    let opened = held.length;
    const worker = async (): Promise<void> => {
      while (opened++ < target) {
        const connection = await connect();
        await connection.echo(payload);
        held.push(connection);
      }
    };
    await Promise.all(Array.from({ length: holdConcurrency }, worker));
    return undefined;
  },
  async stall({ count, payloadBytes }) {
    unstall = await connected().stall?.(count, randomPayload(payloadBytes));
    return undefined;
  },
  async unstall() {
    unstall?.();
    return undefined;
  },
  async cpu() {
    const { user, system } = process.cpuUsage();
    return { us: user + system };
  },
  async profile({ file }) {
    if (file === undefined) {
      profiler = new Session();
      profiler.connect();
      await profiler.post("Profiler.enable");
      await profiler.post("Profiler.start");
    } else if (profiler !== undefined) {
      const { profile } = await profiler.post("Profiler.stop");
      writeFileSync(file, JSON.stringify(profile));
      profiler.disconnect();
    }
    return undefined;
  },
  async gc() {
    // Twice, with a turn between: what finalizers let go of is collected too.
    globalThis.gc?.();
    await new Promise(setImmediate);
    globalThis.gc?.();
    return undefined;
  },
  async close() {
    await client?.close();
    await server?.close();
    return undefined;
  },
};

async function run({ id, name, take }: Request): Promise<void> {
  let answer: Answer;
  try {
    answer = { id, give: await handlers[name](take as never) };
  } catch (error) {
    answer = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.send?.(answer, () => {
    // Not left to the stack: a handle that it forgets would keep the process.
    if (name === "close") process.exit(0);
  });
}

process.on("message", (request: Request) => void run(request));
process.on("disconnect", () => process.exit(0));
