// The dashboard's files, at / and nowhere below /api. They hold nothing of the node, so they need no token: what they show,
// they ask /api for. All other rules of access hold for them too.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import type { NextFunction, Request, Response } from "express";
import { packageRoot } from "../util/package-root.ts";
import { Fault } from "./fault.ts";

interface Page {
  readonly file: string;
  readonly type: string;
}

// These and no others: no path of a request becomes a path of a file.
const pages: ReadonlyMap<string, Page> = new Map([
  ["/", { file: "index.html", type: "text/html; charset=utf-8" }],
  ["/dashboard.js", { file: "dashboard.js", type: "text/javascript; charset=utf-8" }],
  ["/style.css", { file: "style.css", type: "text/css; charset=utf-8" }],
  ["/icon.svg", { file: "icon.svg", type: "image/svg+xml" }],
]);

const headers: Readonly<Record<string, string>> = {
  // Nothing inline, nothing of other origins, no frames, and no strings that become markup.
  "Content-Security-Policy":
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; " +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Frame-Options": "DENY",
};

const notBuilt = `The dashboard is not built.
In a checkout: npm run dashboard
The API is there all the same: GET /api lists its routes.
`;

/** Whether a path is one of the dashboard's. */
export function isPage(path: string): boolean {
  return pages.has(path);
}

/**
 * Answers GET and HEAD of the dashboard's files.
 * @param directory where they are; one without them makes / say how to build them
 */
export function servePages(directory: string) {
  return async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    const page = pages.get(request.path);
    if (page === undefined) {
      next();
      return;
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      const fault = { status: 405, headers: { Allow: "GET, HEAD" } };
      throw new Fault(Code.Unimplemented, `${request.method} is not possible here`, fault);
    }
    const body = await bodyOf(join(directory, page.file));
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.statusCode = body === undefined ? 404 : 200;
    response.setHeader("Content-Type", body === undefined ? "text/plain; charset=utf-8" : page.type);
    response.end(body ?? notBuilt);
  };
}

/** Where the bundled dashboard is, whether or not it is built. */
export function dashboardDirectory(): string {
  return join(packageRoot, "dist/dashboard");
}

async function bodyOf(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
