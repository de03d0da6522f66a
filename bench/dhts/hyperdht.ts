// hyperdht's nodes, each joining by the first as in its own testnet.
import DHT from "hyperdht";
import type { DhtMember, DhtSystem } from "../lib/dht-system.ts";

const host = "127.0.0.1";

export const system: DhtSystem = {
  label: "hyperdht",
  note: "UDP, requests not encrypted; joins one after the other by the first node; 20 replicas.",

  createNetwork() {
    const bootstrap: { host: string; port: number }[] = [];
    return {
      async add(count) {
        const members: DhtMember[] = [];
        for (let i = 0; i < count; i++) {
          const dht = new DHT({ bootstrap, host, ephemeral: false, firewalled: false });
          await dht.fullyBootstrapped();
          if (bootstrap.length === 0) bootstrap.push({ host, port: dht.address().port });
          members.push(member(dht));
        }
        return members;
      },
    };
  },
};

function member(dht: DHT): DhtMember {
  return {
    get contacts() {
      return dht.table.toArray().length;
    },
    put: async (value) => (await dht.immutablePut(Buffer.from(value))).hash.toString("hex"),
    get: async (key) => (await dht.immutableGet(Buffer.from(key, "hex")))?.value,
    kill: () => dht.destroy({ force: true }),
  };
}
