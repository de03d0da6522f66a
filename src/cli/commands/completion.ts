// `dswarm completion`: its words, and those of what its script calls.
import { Argument, Option } from "commander";
import type { Shell } from "../completion.ts";
import { type AddCommand, addCommand, run } from "./add-command.ts";

const shells: readonly Shell[] = ["bash", "zsh", "fish"];

/** Adds `completion`, and `complete` for its script. */
export const addCompletion: AddCommand = (program, context) => {
  addCommand(program, context, {
    usage: "completion",
    description:
      "Print a script with which a shell completes the commands and flags of dswarm, where that is in the PATH.",
    examples: [
      "completion bash > ~/.local/share/bash-completion/completions/dswarm",
      "completion zsh > ~/.zfunc/_dswarm",
      "completion fish > ~/.config/fish/completions/dswarm.fish",
    ],
  })
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .action((shell: Shell) =>
      run(import("../completion.ts").then(({ completion }) => completion(shell, program, context))),
    );
  program
    .command("complete [words...]", { hidden: true })
    .passThroughOptions()
    .addOption(new Option("--style <shell>").choices(shells).default("bash"))
    .action((words: readonly string[], { style }: { readonly style: Shell }) =>
      run(import("../completion.ts").then(({ complete }) => complete(words, style, program, context))),
    );
};
