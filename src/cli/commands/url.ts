// `dswarm url`: its words and flags.
import type { UrlFlags } from "../url.ts";
import { type AddCommand, addCommand, run } from "./add-command.ts";
import { certificateOption, nodeOption, tokenFileOption } from "./client-command.ts";

/** Adds `url`. */
export const addUrl: AddCommand = (program, context) =>
  void addCommand(program, context, {
    usage: "url [peer]",
    description: "Print the URL of a running node, or below it that of a peer.",
    examples: ["url", "url --node 3", "url 2"],
  })
    .addOption(nodeOption())
    .addOption(tokenFileOption())
    .addOption(certificateOption())
    .action((peer: string | undefined, flags: UrlFlags) =>
      run(import("../url.ts").then(({ url }) => url(peer, flags, context))),
    );
