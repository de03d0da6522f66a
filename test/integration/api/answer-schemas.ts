// Whether answers are as the OpenAPI document has them for their routes: content type, and JSON by its schema.
import assert from "node:assert/strict";
import type { JsonObject } from "@bufbuild/protobuf";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { objectOf } from "../../../src/api/json-values.ts";

/** What came back. */
export interface SeenAnswer {
  /** HTTP status. */
  readonly status: number;
  /** Content-Type; undefined where there is none. */
  readonly type: string | undefined;
  /** The body as latin1: envelopes are binary. */
  readonly body: string;
  /** Whether the client left before the end. */
  readonly isCut: boolean;
}

/** An answer that came whole, as text. */
export function wholeAnswer({
  status,
  headers,
  text,
}: {
  readonly status: number;
  readonly headers: NodeJS.ReadOnlyDict<string | string[]>;
  readonly text: string;
}): SeenAnswer {
  const type = headers["content-type"];
  return { status, type: type?.toString(), body: Buffer.from(text).toString("latin1"), isCut: false };
}

const jsonTypes = new Set(["application/json", "application/connect+json"]);
const envelopeHead = 5;
const endOfStream = 2;

/** The schemas of answers of one document. */
export class AnswerSchemas {
  readonly #document: JsonObject;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  readonly #validators = new Map<string, ValidateFunction>();
  readonly #routes: readonly { readonly template: string; readonly pattern: RegExp }[];

  constructor(document: JsonObject) {
    this.#document = document;
    this.#ajv.addSchema(document, "api");
    this.#routes = Object.keys(objectOf(document["paths"]))
      .map((template) => ({ template, pattern: patternOf(template) }))
      // Literal segments before captures.
      .sort((a, b) => (a.template.replaceAll("{", "\u{10ffff}") < b.template.replaceAll("{", "\u{10ffff}") ? -1 : 1));
  }

  /** Fails unless the answer is one that the document has for the request. Of a path that it does not have: a fault. */
  check(method: string, path: string, answer: SeenAnswer): void {
    const what = `${method} ${path}: ${answer.status} ${answer.type} ${answer.body.slice(0, 300)}`;
    const pathOnly = path.split("?", 1)[0] ?? "";
    const { template } = this.#routes.find(({ pattern }) => pattern.test(pathOnly)) ?? {};
    const operation = objectOf(objectOf(this.#document["paths"])[template ?? ""])[method.toLowerCase()];
    const isKnown = template !== undefined && operation !== undefined;
    if (answer.status !== 200 || !isKnown) {
      assert.ok(answer.status >= 400, what);
      const responses = objectOf(objectOf(operation)["responses"]);
      // The routes refer to the faults that all have: that of the status, or of any.
      const name = String(answer.status) in responses ? `Fault${answer.status}` : "Fault";
      const response = responses[name === "Fault" ? "default" : `${answer.status}`];
      if (isKnown) assert.deepEqual(response, { $ref: `#/components/responses/${name}` }, what);
      this.#checkJson(["components", "responses", "Fault", "content", "application/json", "schema"], answer.body, what);
      return;
    }
    const type = answer.type?.split(";", 1)[0] ?? "";
    const content = ["paths", template, method.toLowerCase(), "responses", "200", "content"];
    assert.ok(type in objectOf(this.#at(content)), `${what}: no such content type in the document`);
    const schema = [...content, type, "schema"];
    if (type === "application/connect+json") this.#checkEnvelopes([...schema, "contentSchema"], answer, what);
    else if (type === "application/x-ndjson") this.#checkLines(schema, answer, what);
    else if (jsonTypes.has(type)) this.#checkJson(schema, answer.body, what);
  }

  #checkLines(schema: readonly string[], { body, isCut }: SeenAnswer, what: string): void {
    const lines = body.split("\n");
    const last = lines.pop();
    assert.ok(isCut || last === "", `${what}: the last line does not end`);
    for (const line of lines) this.#checkJson(schema, line, what);
  }

  #checkEnvelopes(schema: readonly string[], { body, isCut }: SeenAnswer, what: string): void {
    const bytes = Buffer.from(body, "latin1");
    let at = 0;
    while (at + envelopeHead <= bytes.length) {
      const flags = bytes[at];
      const end = at + envelopeHead + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      const json = bytes.subarray(at + envelopeHead, end).toString("latin1");
      if (flags === endOfStream) {
        const { error } = JSON.parse(json);
        if (error !== undefined)
          this.#checkValue(["components", "schemas", "Fault"], error, `${what}: the error at the end`);
      } else this.#checkJson(schema, json, what);
      at = end;
    }
    assert.ok(isCut || at === bytes.length, `${what}: the last envelope does not end`);
  }

  #checkJson(schema: readonly string[], latin1: string, what: string): void {
    this.#checkValue(schema, JSON.parse(Buffer.from(latin1, "latin1").toString()), what);
  }

  #checkValue(schema: readonly string[], value: unknown, what: string): void {
    const pointer = schema
      .map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")))
      .join("/");
    let validate = this.#validators.get(pointer);
    if (validate === undefined) {
      validate = this.#ajv.compile({ $ref: `api#/${pointer}` });
      this.#validators.set(pointer, validate);
    }
    assert.ok(validate(value), `${what}: ${this.#ajv.errorsText(validate.errors)}`);
  }

  #at(path: readonly string[]): JsonObject[string] | undefined {
    return path.reduce<JsonObject[string] | undefined>((value, name) => objectOf(value)[name], this.#document);
  }
}

function patternOf(template: string): RegExp {
  const parts = template.split(/\{(\w+(?:\.\w+)*)\}/);
  return new RegExp(
    `^${parts.map((part, i) => (i % 2 === 0 ? part.replaceAll(/[.+]/g, "\\$&") : capture(part))).join("")}/?$`,
  );
}

function capture(name: string): string {
  return name === "path" ? ".+" : "[^/]+";
}
