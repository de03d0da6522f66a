// Bundles the code of the package. Libraries in `dependencies` stay imports, so that users get their updates; small ones, of
// which dswarm uses a part, are taken in: fewer packages to install, and fewer files to read at the start.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const own = manifestIn(".");
const installed = new Set(Object.keys({ ...own.dependencies, ...own.optionalDependencies }));
// Connect promises nothing of these between its minor versions: they are taken in as they were tested.
const unstable = /^@connectrpc\/connect\/protocol/;

const dependencies: Plugin = {
  name: "dependencies",
  setup(bundling) {
    bundling.onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (kind === "entry-point" || unstable.test(path)) return undefined;
      return installed.has(packageOf(path)) ? { path, external: true } : undefined;
    });
  },
};

/**
 * Bundles entry points, which share their chunks.
 * @param entries source by name of the output, without ".js"
 * @returns the licenses of the libraries within the bundle
 */
export async function buildCode(entries: Readonly<Record<string, string>>, outdir: string): Promise<string> {
  const { metafile } = await build({
    entryPoints: { ...entries },
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    format: "esm",
    platform: "node",
    target: "node22.18",
    // Some of what is taken in is CommonJS and requires modules of Node.
    banner: { js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);' },
    plugins: [dependencies],
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  const roots = new Set(
    Object.keys(metafile.inputs).flatMap((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []),
  );
  return [...roots].sort().map(licenseOf).join("\n");
}

function licenseOf(directory: string): string {
  const { name, version, license = "" } = manifestIn(directory);
  const file = readdirSync(directory).find((each) => /^(licen[cs]e|copying)/i.test(each));
  const text = file === undefined ? "" : readFileSync(join(directory, file), "utf8");
  return `# ${name} ${version} (${license})\n\n${text.trim()}\n`;
}

/** "@scope/name" or "name" of an import. */
function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function manifestIn(directory: string): Manifest {
  const path = join(directory, "package.json");
  if (!existsSync(path)) throw new Error(`${path} is missing`);
  return JSON.parse(readFileSync(path, "utf8"));
}
