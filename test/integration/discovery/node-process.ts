// A node of discovery in a process of its own: says whom it knows over the IPC channel, leaves when told or cut off.
import { TestNode } from "./rig.ts";

const udpPort = Number(process.argv[2]);
const node = await TestNode.start({ after() {} }, { udpPort });
let told = "";
const timer = setInterval(() => {
  const known = [...node.peers.keys()].toSorted();
  if (told === known.join()) return;
  told = known.join();
  process.send?.({ known });
}, 5);
const stop = (): void => {
  clearInterval(timer);
  node.close().then(
    () => process.connected && process.disconnect(),
    () => process.exit(1),
  );
};
process.once("message", stop);
process.once("disconnect", stop);
process.send?.({ id: node.id });
