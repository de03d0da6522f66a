// How a node in a process of its own asks the process that started it to start and stop nodes of the swarm: by messages over the
// channel that Node opens between the two.
//
//     node                                  swarm
//       { number, ask: "add" }       ─────►
//                                    ◄─────  { number, id }
//       { number, ask: "stop", id }  ─────►
//                                    ◄─────  { number, code, message }
import type { ChildProcess } from "node:child_process";
import { Code, ConnectError } from "@connectrpc/connect";
import type { SwarmControl } from "../node/swarm-directory.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Answers what a child process asks. What goes wrong with the channel ends with the process. */
export function answerMember(child: ChildProcess, control: SwarmControl): void {
  child.on("message", (message) => {
    const fields = fieldsOf(message);
    const number = fields["number"];
    const answer = (outcome: Fields): void => {
      if (child.connected) child.send({ number, ...outcome }, () => undefined);
    };
    const done = fields["ask"] === "stop" ? control.stop(String(fields["id"])).then(() => "") : control.add();
    done.then(
      (id) => answer({ id }),
      (thrown: unknown) => {
        const { code, rawMessage } = ConnectError.from(thrown);
        answer({ code, message: rawMessage });
      },
    );
  });
}

/** The swarm of this process, asked over its channel; undefined where it has none. */
export function controlOfParent(): SwarmControl | undefined {
  if (process.send === undefined) return undefined;
  /** Bounded by the requests of /api that wait. */
  const waiting = new Map<number, { resolve: (id: string) => void; reject: (error: ConnectError) => void }>();
  let last = 0;
  process.on("message", (message) => {
    const { number, id, code, message: text } = fieldsOf(message);
    const asked = waiting.get(Number(number));
    waiting.delete(Number(number));
    if (isCode(code)) asked?.reject(new ConnectError(String(text), code));
    else asked?.resolve(String(id));
  });
  process.on("disconnect", () => {
    for (const { reject } of waiting.values()) reject(new ConnectError("the swarm has ended", Code.Unavailable));
    waiting.clear();
  });
  // What runs keeps the process alive, not the channel.
  process.channel?.unref();
  const ask = (fields: Fields): Promise<string> =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject });
      const number = last;
      process.send?.({ number, ...fields }, (error: Error | null) => {
        if (error !== null && waiting.delete(number)) reject(new ConnectError("the swarm has ended", Code.Unavailable));
      });
    });
  return {
    add: () => ask({ ask: "add" }),
    stop: async (id) => void (await ask({ ask: "stop", id })),
  };
}

function fieldsOf(message: unknown): Fields {
  return typeof message === "object" && message !== null ? { ...message } : {};
}

function isCode(code: unknown): code is Code {
  return Object.values(Code).some((known) => typeof known === "number" && known === code);
}
