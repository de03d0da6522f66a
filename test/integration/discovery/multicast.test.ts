import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type InterfaceTable } from "../../../src/discovery/interfaces.ts";
import { MulticastSocket } from "../../../src/discovery/multicast.ts";
import { type DiscoveryOptions, resolveDiscoveryOptions } from "../../../src/discovery/options.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { Counters } from "../../../src/util/counters.ts";
import { dswarmErrorOf } from "../../../src/util/errors.ts";
import { type LogFields, silentLogger } from "../../../src/util/log.ts";
import { freeUdpPort, type Scope, until } from "./rig.ts";

const details = { netmask: "255.0.0.0", family: "IPv4", mac: "00:00:00:00:00:00", cidr: null } as const;
const loopback = { ...details, address: "127.0.0.1", internal: true };
// An address of no interface: whatever is asked of the kernel for it fails, and nothing leaves the machine.
const elsewhere = { ...details, address: "203.0.113.77", internal: false };

class Rig {
  readonly counters = new Counters();
  /** What was received, in hex. */
  readonly packets: string[] = [];
  readonly events: string[] = [];
  table: InterfaceTable = { lo: [loopback] };
  failing = false;

  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  async open(options: DiscoveryOptions): Promise<MulticastSocket> {
    const note = ({ event }: LogFields): void => void this.events.push(event);
    const socket = await MulticastSocket.open({
      config: resolveDiscoveryOptions({ rescanMs: 20, ...options }),
      clock: systemClock,
      logger: { ...silentLogger, info: note, warn: note },
      sink: { receive: (packet) => this.packets.push(toHex(packet)), count: (name) => this.counters.add(name) },
      listInterfaces: () => {
        if (this.failing) throw new Error("too many open files");
        return this.table;
      },
    });
    this.#scope.after(() => socket.close());
    return socket;
  }

  count(name: string): number {
    return this.counters.get(`announce.${name}`);
  }
}

describe("MulticastSocket", () => {
  it("hears what it sends on loopback, once", async (t) => {
    const rig = new Rig(t);
    const socket = await rig.open({ udpPort: await freeUdpPort() });
    await socket.send(Uint8Array.of(1));
    await socket.send(Uint8Array.of(2));
    await until(() => rig.packets.length >= 2);
    assert.deepEqual(rig.packets, ["01", "02"]);
    assert.deepEqual(rig.counters.snapshot(), { "announce.received": 2, "announce.sent": 2 });
  });

  it("joins on all interfaces that it can, and needs one", async (t) => {
    const rig = new Rig(t);
    rig.table = { lo: [loopback], gone0: [elsewhere] };
    const udpPort = await freeUdpPort();
    const socket = await rig.open({ udpPort, host: "0.0.0.0" });
    assert.deepEqual(rig.events, ["discovery_interface_joined"]);
    await socket.close();
    await assert.rejects(rig.open({ udpPort, host: "gone0" }), (error) => {
      assert.equal(dswarmErrorOf(error)?.code, "discovery_failed");
      assert.match(String(error), /joining 239\.255\.255\.19 on gone0/);
      return true;
    });
  });

  it("stops sending on an interface that vanishes, and goes on when it is back", async (t) => {
    const rig = new Rig(t);
    const socket = await rig.open({ udpPort: await freeUdpPort(), host: "0.0.0.0" });
    rig.table = {};
    await until(() => rig.events.includes("discovery_interface_left"));
    await socket.send(Uint8Array.of(1));
    assert.equal(rig.count("sent"), 0);
    rig.table = { lo: [loopback] };
    await until(() => rig.events.length === 3);
    await socket.send(Uint8Array.of(2));
    await until(() => rig.packets.length === 1);
    assert.deepEqual(rig.packets, ["02"]);
  });

  it("keeps its interfaces when they cannot be listed for a while", async (t) => {
    const rig = new Rig(t);
    const socket = await rig.open({ udpPort: await freeUdpPort() });
    rig.failing = true;
    await until(() => rig.count("socket_errors") > 1);
    await socket.send(Uint8Array.of(1));
    await until(() => rig.packets.length === 1);
  });

  it("counts a failing send, and lives", async (t) => {
    const rig = new Rig(t);
    const socket = await rig.open({ udpPort: await freeUdpPort() });
    await socket.send(new Uint8Array(70_000));
    assert.deepEqual(rig.counters.snapshot(), { "announce.send_failed": 1 });
  });

  it("drops what comes from an interface that is none of its own", async (t) => {
    const rig = new Rig(t);
    // The kernel is told of loopback by its address, discovery that it is another interface.
    rig.table = { eth7: [{ ...loopback, internal: false }] };
    const socket = await rig.open({ udpPort: await freeUdpPort(), host: "eth7" });
    await socket.send(Uint8Array.of(1));
    await until(() => rig.count("dropped.foreign") === 1);
    assert.equal(rig.packets.length, 0);
  });

  it("hands on every packet of a burst, or counts it as dropped", async (t) => {
    const rig = new Rig(t);
    const socket = await rig.open({ udpPort: await freeUdpPort() });
    for (let i = 0; i < 3000; i++) await socket.send(Uint8Array.of(i));
    const fates = (): number => rig.packets.length + rig.count("dropped.overflow");
    // How many of them the kernel's buffer holds is not ours to say.
    await until(() => fates() >= 500 && fates() === rig.count("received"));
  });

  it("fails to open when interfaces cannot be listed", async (t) => {
    const rig = new Rig(t);
    rig.failing = true;
    await assert.rejects(rig.open({ udpPort: await freeUdpPort() }), { code: "discovery_failed" });
  });

  it("sends nothing once closed, and closes once", async (t) => {
    const rig = new Rig(t);
    const socket = await rig.open({ udpPort: await freeUdpPort() });
    await Promise.all([socket.close(), socket.close()]);
    await socket.send(Uint8Array.of(1));
    assert.deepEqual(rig.counters.snapshot(), {});
  });
});
