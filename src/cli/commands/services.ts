// `dswarm services`: its words and flags.
import type { AskFlags } from "../ask-node.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `services`. */
export const addServices: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "services <peer> [service]",
    description:
      "Show what a peer serves, or the schema of a service or of package.Service/Method. A service in place of the peer is that of " +
      "any peer that provides it.",
    examples: [
      "services 2",
      "services @yyHmJUZRN dswarm.v1.DhtService",
      "services 2 dswarm.v1.DhtService/FindNode",
      "services dswarm.example.v1.EchoService",
    ],
  }).action((peer: string, service: string | undefined, flags: AskFlags) =>
    run(import("../services.ts").then(({ services }) => services(peer, service, flags, context))),
  );
