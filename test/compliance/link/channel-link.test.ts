// The real channel is a Link: TLS websocket, Secret Handshake and box stream on 127.0.0.1.
import type { Link } from "../../../src/link/link.ts";
import { createRig } from "../../integration/channel/rig.ts";
import { linkCompliance } from "./link-compliance.ts";

linkCompliance("channel", async () => {
  const accepted = Promise.withResolvers<Link>();
  const rig = await createRig({ onLink: accepted.resolve });
  const dialer = await rig.dial();
  return { dialer, listener: await accepted.promise, teardown: () => rig[Symbol.asyncDispose]() };
});
