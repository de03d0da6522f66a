// `dswarm services`: shows what a peer serves, or the schema of one of its services.
import type { DescEnum, DescField, DescMessage, DescService } from "@bufbuild/protobuf";
import {
  type NodeServiceListServicesResponse,
  NodeServiceListServicesResponseSchema,
} from "../../gen/dswarm/v1/node_pb.ts";
import { type AskFlags, askNode } from "./ask-node.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { checkPeerName, peerNamed } from "./peer-name.ts";
import { serviceNamed } from "./peer-schema.ts";
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
  await askNode(flags, context, {
    schema: NodeServiceListServicesResponseSchema,
    async ask(client, options) {
      const answer = await client.listServices({ id: await peerNamed(name, client) }, options);
      return wanted === undefined ? answer : onlyWanted(answer, wanted);
    },
    show: (answer) => (wanted === undefined ? listLines(answer, context) : schemaLines(answer, wanted)),
  });
  return exitCodes.ok;
}

/**
 * The answer about one service, and one method of it where that is named.
 * @throws CliError where the peer does not serve it
 */
function onlyWanted(answer: NodeServiceListServicesResponse, wanted: string): NodeServiceListServicesResponse {
  const [serviceName = "", methodName] = wanted.split("/", 2);
  const service = answer.services.find((each) => each.name === serviceName);
  if (service === undefined) {
    // It throws, and names those there are.
    serviceNamed(serviceName, answer.services);
    return answer;
  }
  const isWanted = (method: { readonly name: string }): boolean =>
    methodName === undefined || method.name === methodName;
  return { ...answer, services: [{ ...service, methods: service.methods.filter(isWanted) }] };
}

function listLines({ services: listed }: NodeServiceListServicesResponse, { stdout }: Context): string[] {
  const rows = listed.map(({ name, methods, error }) => [
    printable(name),
    printable(error === undefined ? methods.map((method) => method.name).join(" ") : error.message),
  ]);
  const heads = [{ head: "SERVICE" }, { head: "METHODS", cut: "text" as const }];
  return [...tableLines(heads, rows, stdout), stdout.paint("dim", counted(listed.length, "service"))];
}

function schemaLines({ services: listed }: NodeServiceListServicesResponse, wanted: string): string[] {
  const [serviceName = "", methodName] = wanted.split("/", 2);
  const { service } = serviceNamed(serviceName, listed);
  const methods = service.methods.filter(({ name }) => methodName === undefined || name === methodName);
  if (methods.length === 0) {
    const names = service.methods.map(({ name }) => name).join(", ");
    throw new CliError(
      `${printable(serviceName)} has no method ${printable(methodName ?? "")}; it has ${printable(names)}`,
    );
  }
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
