// Updates of signed values: on a condition, and what is believed of those who refuse one.
import assert from "node:assert/strict";
import { type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { RecordSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import type { MutableRecord } from "../../src/dht/record.ts";
import { createMutable, recordToMessage } from "../../src/dht/record-codec.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { type KeyPair, keyPairFromSeed } from "../../src/identity/keys.ts";
import { base64, type CaseContext, group } from "../case.ts";
import { answering, nodes, ProgramDht, text, value } from "../program-dht.ts";
import { until } from "../until.ts";

type Shown = readonly MessageInitShape<typeof RecordSchema>[];

const late = Buffer.from("late");
/** Far below what a program waits for an answer. */
const shownAfterMs = 2000;

/** The behaviour of a node that refuses every record, as if it had another, and answers `records` from then on. */
class Refusal {
  /** Whether it has refused a record. */
  hasRefused = false;
  /** Its answers since. */
  answers = 0;
  readonly #records: Shown;

  constructor(records: Shown) {
    this.#records = records;
  }

  /** A node that does it; `before` is waited for before it shows the records. */
  serve(context: CaseContext, before: () => Promise<unknown> = async () => undefined) {
    return answering(context, {
      store: () => {
        this.hasRefused = true;
        throw new ConnectError("there is another", Code.Aborted);
      },
      findValue: async () => {
        if (!this.hasRefused) return { records: [], contacts: [] };
        await before();
        this.answers += 1;
        return { records: [...this.#records], contacts: [] };
      },
    });
  }
}

/** Waits for a node's turn to show what it holds. The others may never be asked: then it shows it all the same. */
async function inTurn(isDone: () => boolean): Promise<void> {
  await until("the others have answered", isDone, shownAfterMs).catch(() => undefined);
}

/** A record of the same sequence as ours, whose signature is larger or smaller. */
function rivalOf(ours: MutableRecord, keys: KeyPair, isLarger: boolean): MutableRecord {
  for (let tries = 0; ; tries++) {
    const rival = createMutable({ keys, sequence: ours.sequence, value: Buffer.from(`rival ${tries}`) });
    if (Buffer.compare(rival.signature, ours.signature) > 0 === isLarger) return rival;
  }
}

/**
 * Another update has come between, which the node shows that has refused ours: before the honest ones answer, or after them.
 * Ours is known beforehand: signatures are deterministic.
 */
function overtaken(isLarger: boolean, isShownFirst: boolean) {
  return async (context: CaseContext): Promise<void> => {
    const { seed } = context.identity();
    const keys = keyPairFromSeed(Buffer.from(seed, "base64"));
    const rival = rivalOf(createMutable({ keys, sequence: 1n, value: late }), keys, isLarger);
    const refusal = new Refusal([recordToMessage(rival, 60)]);
    const held: Shown = [recordToMessage(createMutable({ keys, sequence: 1n, value: late }), 60)];
    let honestAnswers = 0;
    const honest = [1, 2].map(() =>
      answering(context, {
        findValue: async () => {
          if (!refusal.hasRefused) return { records: [], contacts: [] };
          if (isShownFirst) await inTurn(() => refusal.answers > 0);
          honestAnswers += 1;
          return { records: [...held], contacts: [] };
        },
      }),
    );
    const refusing = await refusal.serve(context, async () => {
      if (isShownFirst) return;
      await inTurn(() => honestAnswers >= honest.length);
      // Answered does not mean read: what the program says to a call that comes behind the answer does.
      for (const node of await Promise.all(honest)) {
        await node
          .client(Health, keys.id)
          .check({})
          .catch(() => undefined);
      }
    });
    const dht = await ProgramDht.join(context, [...(await Promise.all(honest)), refusing], seed);
    const update = { value: base64(late), expectedSequence: "0" };
    assert.equal(await dht.fails("update", update), "record_conflict");
  };
}

/** Cases of updates. */
export const dhtUpdateCases = group("dht", ["dht"], {
  "compare-and-swap": async (context) => {
    const { seed } = context.identity();
    const dht = await ProgramDht.join(context, await nodes(context, 2), seed);
    const { sequence } = await dht.request("update", { value: base64(value) });
    const wrong = `${BigInt(String(sequence)) + 5n}`;
    assert.equal(await dht.fails("update", { value: base64(value), expectedSequence: wrong }), "record_conflict");
    await dht.request("update", { value: base64(value), expectedSequence: sequence });
  },
  // The callee checks it again: another update may come between the question and the Store.
  "expected-sequence": async (context) => {
    const { seed } = context.identity();
    const asked: (bigint | undefined)[] = [];
    const node = await answering(context, {
      store: ({ expectedSequence }) => {
        asked.push(expectedSequence);
        return {};
      },
    });
    const dht = await ProgramDht.join(context, [node], seed);
    await dht.request("update", { value: base64(value), expectedSequence: "0" });
    assert.deepEqual(asked, [0n]);
  },
  "refused-without-proof": async (context) => {
    const { seed } = context.identity();
    const all = await nodes(context, 2);
    const dht = await ProgramDht.join(context, [...all, await new Refusal([]).serve(context)], seed);
    await dht.request("update", { value: base64(Buffer.from("one")) });
    const { key, sequence } = await dht.request("update", { value: base64(Buffer.from("two")) });
    assert.equal(sequence, "2");
    const found = await dht.get(RecordKey.fromBytes(Buffer.from(String(key), "base64")));
    assert.equal(text(found["value"]), "two");
  },
  "overtaken-by-larger-signature-shown-first": overtaken(true, true),
  "overtaken-by-larger-signature-shown-last": overtaken(true, false),
  "overtaken-by-smaller-signature-shown-first": overtaken(false, true),
  "overtaken-by-smaller-signature-shown-last": overtaken(false, false),
});
