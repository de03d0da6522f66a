// A peer whose contacts all name one port of a third party: the program must not be its weapon.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { DhtService } from "../../gen/dswarm/v1/dht_pb.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { generateKeyPair } from "../../src/identity/keys.ts";
import { base64, type CaseContext, group } from "../case.ts";

const gets = 3;
const contactsAnAnswer = 20;
/** Dials to one endpoint in the first minute (docs/protocol.md, section 2). */
const maxDials = 20;

/** A port that closes every connection, and counts them. */
async function victim(context: CaseContext): Promise<{ readonly address: string; readonly dials: () => number }> {
  let dials = 0;
  const server = createServer((socket) => {
    dials += 1;
    socket.on("error", () => socket.destroy()).destroy();
  }).listen(0, "127.0.0.1");
  context.after(async () => void server.close());
  await once(server, "listening");
  const bound = server.address();
  assert.ok(typeof bound === "object" && bound !== null);
  return { address: `127.0.0.1:${bound.port}`, dials: () => dials };
}

/** Cases of the dials that strangers cause. */
export const dialingCases = [
  ...group("dht", ["dht"], {
    "many-keys-one-port": async (context) => {
      const { network, program } = context;
      const { address, dials } = await victim(context);
      const node = await context.node({ dht: { isClient: true } });
      const invented = () =>
        Array.from({ length: contactsAnAnswer }, () => ({ id: generateKeyPair().id.bytes, addresses: [address] }));
      node.serve(DhtService, {
        ping: ({ nonce }) => ({ nonce }),
        findNode: () => ({ contacts: invented() }),
        store: () => ({}),
        findValue: () => ({ records: [], contacts: invented() }),
      });
      const { dht } = await program.request("join", { bootstrap: [node.address], network });
      context.after(() => program.request("close", { dht }));
      for (let i = 0; i < gets; i++) {
        const key = RecordKey.ofName(`nothing ${i}`);
        assert.equal((await program.request("get", { dht, key: base64(key.bytes) }))["found"], false);
      }
      assert.ok(dials() > 0, "it dials no contact at all");
      assert.ok(dials() <= maxDials, `${dials()} dials for ${gets * contactsAnAnswer} keys at one port`);
    },
  }),
];
