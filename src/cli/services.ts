// `dswarm services`: shows what a peer serves, or the schema of one of its services.
import { create, type DescEnum, type DescField, type DescMessage, type DescService } from "@bufbuild/protobuf";
import {
  type NodeServiceListServicesResponse,
  NodeServiceListServicesResponseSchema,
  type ServiceInfo,
} from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";
import { askService, schemaOf } from "./peer-schema.ts";
import { tableLines } from "./table.ts";
import { counted, printable } from "./text.ts";

/** Messages and enums that are shown at most. */
const maxTypes = 200;

/**
 * Shows the services of a peer. Returns the exit code.
 * @param wanted a service, or a method as "package.Service/Method"; undefined lists the services
 */
export async function services(
  name: string,
  wanted: string | undefined,
  flags: AskFlags,
  context: Context,
): Promise<number> {
  checkPeerName(name);
  const [serviceName = "", methodName, ...rest] = wanted?.split("/") ?? [];
  if (wanted !== undefined && (serviceName === "" || methodName === "" || rest.length > 0)) {
    throw new CliError(`${printable(wanted)}: give package.Service or package.Service/Method`, exitCodes.usage);
  }
  await askNode(flags, context, {
    schema: NodeServiceListServicesResponseSchema,
    async ask(client, options) {
      const id = await peerNamed(name, client);
      if (wanted === undefined) return await client.listServices({ id }, options);
      return onlyMethod(await askService(client, id, serviceName, options), methodName);
    },
    show: (answer) => (wanted === undefined ? listLines(answer, context) : answer.services.flatMap(schemaLines)),
  });
  return exitCodes.ok;
}

/**
 * The answer about one service, and one method of it where that is named.
 * @throws CliError where the service has no such method
 */
function onlyMethod(service: ServiceInfo, methodName: string | undefined): NodeServiceListServicesResponse {
  if (methodName === undefined) return create(NodeServiceListServicesResponseSchema, { services: [service] });
  const methods = service.methods.filter(({ name }) => name === methodName);
  if (methods.length === 0 && service.error === undefined) {
    const names = service.methods.map(({ name }) => printable(name)).join(", ");
    throw new CliError(`${printable(service.name)} has no method ${printable(methodName)}; it has ${names}`);
  }
  return create(NodeServiceListServicesResponseSchema, { services: [{ ...service, methods }] });
}

function listLines({ services: listed, leftOut }: NodeServiceListServicesResponse, { stdout }: Context): string[] {
  const rows = listed.map(({ name, methods, error }) => [
    printable(name),
    printable(error === undefined ? methods.map((method) => method.name).join(" ") : error.message),
  ]);
  const heads = [{ head: "SERVICE" }, { head: "METHODS", cut: "text" as const }];
  const more = leftOut === 0 ? "" : `; ${leftOut} more are not shown: name one to see it`;
  return [...tableLines(heads, rows, stdout), stdout.paint("dim", counted(listed.length, "service") + more)];
}

function schemaLines(info: ServiceInfo): string[] {
  const { service } = schemaOf(info);
  const methods = service.methods.filter(({ name }) => info.methods.some((each) => each.name === name));
  const types = typesOf(methods);
  const blocks = [
    serviceLines(service, methods),
    ...types.map((type) => (type.kind === "enum" ? enumLines(type) : messageLines(type))),
  ];
  return blocks
    .map((lines) => lines.join("\n"))
    .join("\n\n")
    .split("\n")
    .map(printable);
}

function serviceLines({ typeName }: DescService, methods: DescService["methods"]): string[] {
  const lines = methods.map(({ name, methodKind, input, output }) => {
    const sends = methodKind === "client_streaming" || methodKind === "bidi_streaming" ? "stream " : "";
    const answers = methodKind === "server_streaming" || methodKind === "bidi_streaming" ? "stream " : "";
    return `  rpc ${name}(${sends}${input.typeName}) returns (${answers}${output.typeName});`;
  });
  return [`service ${typeName} {`, ...lines, "}"];
}

/** What a request and an answer are made of, in the order of need; google.protobuf's own, which have forms of their own in JSON, apart. */
function typesOf(methods: DescService["methods"]): (DescMessage | DescEnum)[] {
  const types = new Set<DescMessage | DescEnum>(methods.flatMap(({ input, output }) => [input, output]));
  for (const type of types) {
    if (type.kind === "enum") continue;
    for (const { message, enum: enumeration } of type.fields) {
      const next = message ?? enumeration;
      if (types.size < maxTypes && next !== undefined && !next.typeName.startsWith("google.protobuf.")) types.add(next);
    }
  }
  return [...types];
}

function enumLines({ typeName, values }: DescEnum): string[] {
  return [`enum ${typeName} {`, ...values.map(({ name, number }) => `  ${name} = ${number};`), "}"];
}

function messageLines({ typeName, fields }: DescMessage): string[] {
  return [
    `message ${typeName} {`,
    ...fields.map((field) => `  ${typeOf(field)} ${field.name} = ${field.number};`),
    "}",
  ];
}

function typeOf(field: DescField): string {
  if (field.fieldKind === "map") return `map<${scalarName(field.mapKey)}, ${valueType(field)}>`;
  return field.fieldKind === "list" ? `repeated ${valueType(field)}` : valueType(field);
}

function valueType(field: DescField): string {
  if (field.message !== undefined) return field.message.typeName;
  if (field.enum !== undefined) return field.enum.typeName;
  return scalarName(field.scalar);
}

// By their numbers in descriptor.proto.
const scalarNames = [
  "",
  "double",
  "float",
  "int64",
  "uint64",
  "int32",
  "fixed64",
  "fixed32",
  "bool",
  "string",
  "",
  "",
  "bytes",
  "uint32",
  "",
  "sfixed32",
  "sfixed64",
  "sint32",
  "sint64",
];

function scalarName(scalar: number | undefined): string {
  return scalarNames[scalar ?? 0] ?? "";
}
