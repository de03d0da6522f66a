// Schemas made up for tests: messages of the fields that are written and read by hand.
import assert from "node:assert/strict";
import { create, createFileRegistry, type DescMessage } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/** The fields of each schema, by name. */
export const scalarTypes = { b: Type.BYTES, s: Type.STRING, u: Type.UINT32, f: Type.BOOL } as const;

/**
 * A message of a field of each type.
 * @param options.optional whether there is a proto3 optional one of each too, its name with an "o" behind
 * @param options.highest numbers of further fields, each a uint32 named "high" and the number
 */
export function schemaOf(options: { readonly optional: boolean; readonly highest: readonly number[] }): DescMessage {
  const field = options.highest.map((number) => ({
    name: `high${number}`,
    number,
    type: Type.UINT32,
    label: Label.OPTIONAL,
  }));
  const names = Object.entries(scalarTypes);
  for (const [i, [name, type]] of names.entries()) {
    const plain = { type: type as Type.UINT32, label: Label.OPTIONAL as const };
    field.push({ ...plain, name, number: i * 2 + 1 });
    if (!options.optional) continue;
    const optional = { ...plain, name: `${name}o`, number: i * 2 + 2, proto3Optional: true, oneofIndex: i };
    field.push(optional);
  }
  const oneofDecl = options.optional ? names.map(([name]) => ({ name: `_${name}o` })) : [];
  const file = create(FileDescriptorProtoSchema, {
    name: "test.proto",
    package: "test",
    syntax: "proto3",
    messageType: [{ name: "Plain", field, oneofDecl }],
  });
  const schema = createFileRegistry(file, () => undefined).getMessage("test.Plain");
  assert(schema !== undefined);
  return schema;
}
