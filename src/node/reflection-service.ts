// ReflectionService: the schemas of what a node serves.
import { create, type DescFile, type DescService } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { ReflectionService } from "../../gen/dswarm/v1/reflection_pb.ts";

/** @param services what is served now */
export function createReflectionService(services: () => readonly DescService[]): ServiceImpl<typeof ReflectionService> {
  return {
    listServices() {
      return {
        services: services()
          .map(({ typeName }) => typeName)
          .sort(),
      };
    },
    getDescriptors({ service }) {
      const found = services().find(({ typeName }) => typeName === service);
      if (found === undefined) throw new ConnectError("not served here", Code.NotFound);
      return { files: create(FileDescriptorSetSchema, { file: withImports(found.file) }) };
    },
  };
}

/** A file and all that it imports, imported files first, each once. */
export function withImports(file: DescFile): FileDescriptorProto[] {
  const files = new Set<DescFile>();
  const add = (each: DescFile): void => {
    if (files.has(each)) return;
    for (const imported of each.dependencies) add(imported);
    files.add(each);
  };
  add(file);
  return [...files].map(({ proto }) => proto);
}
