// `dswarm call`: its words and flags.
import { Option } from "commander";
import type { CallFlags } from "../call.ts";
import { repeated, wholeNumber } from "../flag-values.ts";
import { type AddCommand, run } from "./add-command.ts";
import { addClientCommand } from "./client-command.ts";

/** Adds `call`. */
export const addCall: AddCommand = (program, context) =>
  void addClientCommand(program, context, {
    usage: "call <target> [rest...]",
    description:
      "Call a method of a peer with JSON, or without a peer that of any that provides the service; - reads requests from standard " +
      "input, a line each. Answers are JSON, a line each.",
    examples: [
      "call 2 grpc.health.v1.Health/Check",
      `call @yyHmJUZRN grpc.health.v1.Health/Check '{"service": "dswarm.v1.DhtService"}'`,
      "call 2 dswarm.example.v1.EchoService/Converse - < requests.json",
      `call dswarm.example.v1.EchoService/Echo '{"payload": "aGk="}'`,
    ],
  })
    .addOption(
      new Option("-t, --timeout <ms>", "time for the call; 0 is no limit (default: 30000, none for streams)").argParser(
        wholeNumber(0, 86_400_000),
      ),
    )
    .addOption(
      new Option(
        "-H, --header <header>",
        '"name: value" for the peer, base64 of a name that ends in -bin; may be repeated',
      )
        .argParser(repeated)
        .default([], "none"),
    )
    .option("-v, --verbose", "show the metadata that the peer sends, too, on standard error")
    .usage("[options] [peer] <method> [data]")
    .action((first: string, rest: string[], flags: CallFlags) =>
      run(import("../call.ts").then(({ call }) => call([first, ...rest], flags, context))),
    );
