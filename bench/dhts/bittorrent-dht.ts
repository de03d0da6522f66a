// bittorrent-dht's nodes (BEP 5, BEP 44), each joining by the first.
import { once } from "node:events";
import { promisify } from "node:util";
import DHT from "bittorrent-dht";
import type { DhtMember, DhtSystem } from "../lib/dht-system.ts";

const host = "127.0.0.1";

export const system: DhtSystem = {
  label: "bittorrent-dht",
  note: "UDP, not encrypted; joins one after the other by the first node; a put looks up first, for tokens; 20 replicas.",

  createNetwork() {
    const bootstrap: string[] = [];
    return {
      async add(count) {
        const members: DhtMember[] = [];
        for (let i = 0; i < count; i++) {
          const dht = new DHT({ bootstrap: bootstrap.length > 0 ? bootstrap : false, host });
          const ready = once(dht, "ready");
          dht.listen(0, host);
          await ready;
          if (bootstrap.length === 0) bootstrap.push(`${host}:${dht.address().port}`);
          members.push(member(dht));
        }
        return members;
      },
    };
  },
};

function member(dht: DHT): DhtMember {
  const put = promisify(dht.put.bind(dht));
  const get = promisify(dht.get.bind(dht));
  return {
    get contacts() {
      return dht.nodes.count();
    },
    put: async (value) => (await put({ v: Buffer.from(value) })).toString("hex"),
    get: async (key) => (await get(key))?.v,
    kill: () => promisify(dht.destroy.bind(dht))(),
  };
}
