// `dswarm services`: shows what a peer serves, or the schema of one of its services, or of one that any peer provides.
import { create, type DescEnum, type DescField, type DescMessage, type DescService } from "@bufbuild/protobuf";
import {
  DescribeServiceResponseSchema,
  type NodeServiceListServicesResponse,
  NodeServiceListServicesResponseSchema,
  type ServiceInfo,
} from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";
import { askProvided, askService, schemaOf } from "./peer-schema.ts";
import { tableLines } from "./table.ts";
import { counted, printable } from "./text.ts";

/** Messages and enums that are shown at most. */
const maxTypes = 200;

// A peer's name has no dot before a colon.
const typePath = /^[A-Za-z_]\w*(?:\.\w+)+(?:\/\w+)?$/;

/**
 * Shows the services of a peer, or one of any peer that provides it. Returns the exit code.
 * @param name a peer; or a service, or a method as "package.Service/Method", and nothing else
 * @param wanted a service, or a method; undefined lists the services
 */
export async function services(
  name: string,
  wanted: string | undefined,
  flags: AskFlags,
  context: Context,
): Promise<number> {
  if (wanted === undefined && typePath.test(name)) return await provided(name, flags, context);
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
      const service = onlyMethod(await askService(client, id, serviceName, options), methodName);
      return create(NodeServiceListServicesResponseSchema, { services: [service] });
    },
    show: (answer) => (wanted === undefined ? listLines(answer, context) : answer.services.flatMap(schemaLines)),
  });
  return exitCodes.ok;
}

/** Shows the schema of a service of which only the type name is known, as a peer tells that provides it. */
async function provided(path: string, flags: AskFlags, context: Context): Promise<number> {
  const [serviceName = "", methodName] = path.split("/", 2);
  await askNode(flags, context, {
    schema: DescribeServiceResponseSchema,
    async ask(client, options) {
      const service = onlyMethod(await askProvided(client, serviceName, options), methodName);
      return create(DescribeServiceResponseSchema, { service });
    },
    show: ({ service }) => (service === undefined ? [] : schemaLines(service)),
  });
  return exitCodes.ok;
}

/**
 * A service with one method alone, where that is named.
 * @throws CliError where the service has no such method
 */
function onlyMethod(service: ServiceInfo, methodName: string | undefined): ServiceInfo {
  if (methodName === undefined) return service;
  const methods = service.methods.filter(({ name }) => name === methodName);
  if (methods.length === 0 && service.error === undefined) {
    const names = service.methods.map(({ name }) => printable(name)).join(", ");
    throw new CliError(`${printable(service.name)} has no method ${printable(methodName)}; it has ${names}`);
  }
  return { ...service, methods };
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
