// The types that google.protobuf.Any may hold in JSON: those of the served services' files, of all files that these import,
// and the well-known ones.
import { createRegistry, type DescFile, type Registry } from "@bufbuild/protobuf";
import type { ServiceImplSpec } from "@connectrpc/connect";
import { withWellKnownTypes } from "../node/well-known-types.ts";

/** Returns the types that requests and answers of these services may hold in an Any. */
export function anyTypesOf(services: readonly ServiceImplSpec[]): Registry {
  const files = new Set<DescFile>();
  for (const { service } of services) addWithImports(service.file, files);
  return withWellKnownTypes(createRegistry(...files));
}

function addWithImports(file: DescFile, files: Set<DescFile>): void {
  if (files.has(file)) return;
  files.add(file);
  for (const imported of file.dependencies) addWithImports(imported, files);
}
