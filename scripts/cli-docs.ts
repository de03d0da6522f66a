// Makes docs/cli.md from the commands: what `--help` says of each.
//
//     node scripts/cli-docs.ts
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { createProgram } from "../src/cli/program.ts";

const path = join(import.meta.dirname, "../docs/cli.md");
const columns = 100;

const introduction = `# The command line

Made by \`node scripts/cli-docs.ts\` from the commands themselves. In a checkout \`npm run -s dswarm --\` stands for \`dswarm\`.

Commands that ask a running node find those that you run on this machine by themselves: each leaves a file in
\`$XDG_RUNTIME_DIR/dswarm\` (or \`dswarm-UID\` in the directory for temporary files), and files of nodes that are gone are removed.
\`dswarm ls\` numbers them, and a node keeps its number while it runs. \`--node\`, or \`DSWARM_NODE\`, takes:

- a number of \`dswarm ls\`, or a port
- \`HOST:PORT\`, \`https://HOST:PORT\` or \`dswarm://KEY@HOST:PORT\`, of a node anywhere
- \`@\` and the first characters of the id of a node that runs here

A peer is named by:

- its id in any form (\`@\` and base64, base64url, hex), or the first characters of it, at least four
- its number in \`dswarm ls\`, or a port
- \`HOST:PORT\`, where the node knows it
- \`dswarm://KEY@HOST:PORT\`, which tells the node where the peer is

A record is named by its key in any form, or by \`&\` and the first characters of the key, at least four, if the node keeps or publishes it.
If several ids or keys begin so, the command lists them.

- \`--json\` prints what a program can read: one line of JSON, or one each where there are many. Nothing in it is cut.
- Tables are as wide as the terminal at most: ids are cut to the characters that tell them apart, then the columns that matter least
  go. \`COLUMNS\`, where it is set, says how wide. Into a file or a pipe they are written whole.
- \`NO_COLOR\` turns colours off. Without a terminal there are none.
- Errors are told on standard error in one line, and each detail that a peer adds in another; with \`--json\` as
  \`{"event":"failed","code":…,"message":…}\`, with the codes of [errors.md](errors.md) and the \`details\`.
- What takes long (\`sim\`, \`bench\`) tells on standard error how far it is: whole lines, at most one a second on a terminal and one every
  30 seconds elsewhere, where what is done sooner stays silent.
- What may hold control characters, since others have written it, is shown without them.
`;

/** The whole text of docs/cli.md. */
export function cliDocs(): string {
  const program = createProgram({ programName: "dswarm", stdout: documentTerminal(), stderr: documentTerminal() });
  const commands = program.createHelp().visibleCommands(program);
  const sections = commands
    .filter((command) => command.name() !== "help")
    .map((command) => `## ${command.name()}\n\n${block(helpOf(command))}`);
  return [introduction, block(helpOf(program)), ...sections].join("\n");
}

function documentTerminal() {
  return {
    line: () => undefined,
    bytes: () => undefined,
    paint: (_style: unknown, text: string) => text,
    columns,
    isTerminal: false,
  };
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part), getOutHasColors: () => false });
  command.outputHelp();
  return text.trim();
}

function block(text: string): string {
  return `\`\`\`\n${text}\n\`\`\`\n`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(path, cliDocs());
