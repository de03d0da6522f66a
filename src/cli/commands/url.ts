// `dswarm url`: its words and flags.
import type { UrlFlags } from "../url.ts";
import { type AddCommand, addCommand, run } from "./add-command.ts";
import { nodeOption } from "./client-command.ts";

/** Adds `url`. */
export const addUrl: AddCommand = (program, context) =>
  void addCommand(program, context, {
    usage: "url",
    description: "Print the URL of a running node.",
    examples: ["url", "url --node 3"],
  })
    .addOption(nodeOption())
    .action((flags: UrlFlags) => run(import("../url.ts").then(({ url }) => url(flags, context))));
