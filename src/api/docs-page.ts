// GET /api/docs: a page that shows the OpenAPI document. Plain HTML without a script, so that nothing has to be allowed to it.
import { createHash } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import { listOf, objectOf, textOf } from "./json-values.ts";

const style = `
:root { color-scheme: light dark; font: 1rem/1.5 ui-sans-serif, system-ui, sans-serif; }
html { background: light-dark(#fff, #0f1519); color: light-dark(#17242b, #e3eaed); }
a { color: light-dark(#1f6784, #66b3d1); }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
details { border-top: 1px solid color-mix(in srgb, currentcolor 20%, transparent); padding: 0.35rem 0; }
summary { cursor: pointer; }
summary span { display: block; padding-left: 1.1rem; opacity: 0.8; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.85rem; }
details p { margin: 0.5rem 0 0 2.2rem; white-space: pre-line; }
pre { overflow-x: auto; padding: 0.75rem; background: color-mix(in srgb, currentcolor 7%, transparent); }
dl { margin: 0.5rem 0 0.5rem 1.1rem; } dt { margin-top: 0.35rem; } dd { margin-left: 1.1rem; white-space: pre-line; }
:target { outline: 2px solid; }
`;

const styleHash = createHash("sha256").update(style).digest("base64");

/** Headers of the page: its own style and nothing else, nothing of other origins, no frames, no script. */
export const docsPageHeaders: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ` +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Frame-Options": "DENY",
};

/**
 * Makes the page.
 * @param document as `openApi` makes it
 * @param hasDashboard whether there is a page at / to lead to
 */
export function docsPage(document: JsonObject, hasDashboard: boolean): string {
  const info = objectOf(document["info"]);
  const operations = Object.entries(objectOf(document["paths"])).flatMap(([path, item]) =>
    Object.entries(objectOf(item)).map(([method, operation]) => ({ path, method, operation: objectOf(operation) })),
  );
  const groups = Map.groupBy(operations, ({ operation }) => textOf(listOf(operation["tags"])[0]));
  const sections = [...groups].map(
    ([tag, group]) => `<h2>${escaped(tag)}</h2>\n${group.map(operationHtml).join("\n")}`,
  );
  const schemas = Object.entries(objectOf(objectOf(document["components"])["schemas"]));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(textOf(info["title"]))} API</title>
<style>${style}</style>
</head>
<body>
<main>
${hasDashboard ? `<nav><a href="/">Dashboard</a></nav>` : ""}
<h1>${escaped(textOf(info["title"]))} ${escaped(textOf(info["version"]))}: the API of a node</h1>
<p>${escaped(textOf(info["description"]))}</p>
<p>For programs: <a href="/api/openapi.json">/api/openapi.json</a></p>
${sections.join("\n")}
<h2>Messages</h2>
${schemas.map(([name, schema]) => schemaHtml(name, objectOf(schema))).join("\n")}
</main>
</body>
</html>
`;
}

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly operation: JsonObject;
}

function operationHtml({ path, method, operation }: Operation): string {
  const parameters = listOf(operation["parameters"]).map(objectOf);
  const rows = parameters.map((parameter) =>
    row(`${textOf(parameter["name"])} (${textOf(parameter["in"])})`, objectOf(parameter["schema"]), parameter),
  );
  const request = contentRows("body", objectOf(operation["requestBody"]));
  const responses = Object.entries(objectOf(operation["responses"]));
  const isFault = ([, answer]: (typeof responses)[number]): boolean => objectOf(answer)["$ref"] !== undefined;
  const answers = responses
    .filter((response) => !isFault(response))
    .flatMap(([status, answer]) => contentRows(status, objectOf(answer)));
  const statuses = responses.filter(isFault).map(([status]) => (status === "default" ? "otherwise" : status));
  const faults = statuses.length === 0 ? [] : [row(statuses.join(", "), { $ref: "#/components/schemas/Fault" })];
  return `<details>
<summary><code>${method.toUpperCase()} ${escaped(path)}</code><span>${escaped(textOf(operation["summary"]))}</span></summary>
<dl>${[...rows, ...request, ...answers, ...faults].join("")}</dl>
</details>`;
}

function contentRows(name: string, body: JsonObject): string[] {
  return Object.entries(objectOf(body["content"])).map(([type, media]) =>
    row(`${name}, ${type}`, objectOf(objectOf(media)["schema"]), body),
  );
}

function schemaHtml(name: string, schema: JsonObject): string {
  const fields = Object.entries(objectOf(schema["properties"])).map(([field, of]) => row(field, objectOf(of)));
  return `<details id="${escaped(name)}" open>
<summary><code>${escaped(name)}</code></summary>
<p>${escaped(textOf(schema["description"]))}</p>
${fields.length === 0 ? "" : `<dl>${fields.join("")}</dl>`}
</details>`;
}

function row(name: string, schema: JsonObject, { description = schema["description"] }: JsonObject = {}): string {
  const text = typeof description === "string" ? `<dd>${escaped(description)}</dd>` : "";
  return `<dt><code>${escaped(name)}</code> ${typeHtml(schema)}</dt>${text}`;
}

function typeHtml(schema: JsonObject): string {
  const { $ref, type, format, contentEncoding, items, additionalProperties, properties, oneOf } = schema;
  if (typeof $ref === "string") {
    const name = escaped($ref.replace(/^.*\//, ""));
    return `<a href="#${name}">${name}</a>`;
  }
  if (Array.isArray(oneOf)) return oneOf.map((each) => typeHtml(objectOf(each))).join(" or ");
  if (type === "array") return `array of ${typeHtml(objectOf(items))}`;
  if (properties !== undefined) {
    const fields = Object.entries(objectOf(properties)).map(
      ([name, of]) => `${escaped(name)}: ${typeHtml(objectOf(of))}`,
    );
    return `{ ${fields.join(", ")} }`;
  }
  if (typeof additionalProperties === "object") return `object of ${typeHtml(objectOf(additionalProperties))}`;
  return escaped([format, contentEncoding, type].map(textOf).find((text) => text !== "") ?? "JSON");
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? "");
}
