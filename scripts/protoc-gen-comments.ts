#!/usr/bin/env node
// A plugin of `buf generate`: the comments in node.proto and in what it imports, which descriptors at run time do not have, by
// the full name of what they are about.
import type { AnyDesc, DescFile } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { createEcmaScriptPlugin, getComments, runNodeJs, type Schema } from "@bufbuild/protoplugin";

const root = "dswarm/v1/node";

function generateTs(schema: Schema): void {
  const file = schema.allFiles.find(({ name }) => name === root);
  if (file === undefined) throw new Error(`there is no ${root}.proto`);
  const output = schema.generateFile("dswarm/v1/comments.ts");
  output.preamble(file);
  output.print(
    "/** What the schema says of services, methods, messages, fields, enums and values, by their full names. */",
  );
  output.print("export const comments: Readonly<Record<string, string>> = {");
  const described = [file, ...file.dependencies.filter((each) => each.proto.package === file.proto.package)];
  for (const desc of described.flatMap(descsOf)) {
    const text = getComments(desc).leading?.replaceAll(/^ /gm, "").trim();
    if (text) output.print("  ", JSON.stringify(nameOf(desc)), ": ", JSON.stringify(text), ",");
  }
  output.print("};");
}

type Described = Exclude<AnyDesc, DescFile>;

function descsOf(file: DescFile): Described[] {
  const all: Described[] = [];
  for (const type of nestedTypes(file)) {
    all.push(type);
    if (type.kind === "message") all.push(...type.fields, ...type.oneofs);
    if (type.kind === "enum") all.push(...type.values);
    if (type.kind === "service") all.push(...type.methods);
  }
  return all;
}

function nameOf(desc: Described): string {
  return "typeName" in desc ? desc.typeName : `${desc.parent?.typeName}.${desc.name}`;
}

runNodeJs(createEcmaScriptPlugin({ name: "protoc-gen-comments", version: "v1", generateTs }));
