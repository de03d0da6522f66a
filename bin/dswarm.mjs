#!/usr/bin/env -S node --max-semi-space-size=4
// Starts the command `dswarm`: from source where this is a checkout, compiled where it is a package.
//
// Plain JavaScript, so that the cache of compiled code is on before anything else is read: from the second start on nothing has
// to be stripped of types or compiled again. It lies in the user's own cache directory; in one that others may write to, as
// /tmp, they would choose the code that runs. A small young generation (the flag above) keeps a node at rest 20 MiB smaller.
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

const needed = [22, 18];
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  console.error(`dswarm: Node.js ${needed.join(".")} or newer is needed, and this is ${process.versions.node}.
Install a newer one, or run: npx --package node@24 --package dswarm dswarm`);
  process.exit(1);
}

const { XDG_CACHE_HOME: cacheHome = "" } = process.env;
nodeModule.enableCompileCache(
  join(isAbsolute(cacheHome) ? cacheHome : join(homedir(), ".cache"), "dswarm", "compile-cache"),
);

const source = new URL("../src/cli/main.ts", import.meta.url);
await import(existsSync(source) ? source : new URL("../dist/cli.js", import.meta.url));
