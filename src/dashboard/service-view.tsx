// A service and its methods.
import { type MethodInfo, MethodKind, type ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { answersMany, takesMany } from "./method-kind.ts";
import { Fault } from "./panel.tsx";
import { shown } from "./text.ts";

const kindTexts: Readonly<Record<MethodKind, string | undefined>> = {
  [MethodKind.UNSPECIFIED]: undefined,
  [MethodKind.UNARY]: undefined,
  [MethodKind.CLIENT_STREAMING]: "many requests, one answer",
  [MethodKind.SERVER_STREAMING]: "one request, many answers",
  [MethodKind.BIDI_STREAMING]: "many requests, many answers",
};

interface ServiceViewProps {
  readonly service: ServiceInfo;
  readonly chosen?: string | undefined;
  /** Undefined where the methods cannot be called. */
  readonly onChoose?: (method: string) => void;
}

/** Buttons for its methods, or their signatures. */
export function ServiceView({ service: { name, methods, error }, chosen, onChoose }: ServiceViewProps) {
  return (
    <div class="service">
      <h3>
        <code>{shown(name)}</code>
      </h3>
      <Fault text={error?.message} />
      <ul class={onChoose === undefined ? "signatures" : "methods"}>
        {methods.map((method) => (
          <li key={method.name}>
            {onChoose === undefined ? (
              <Signature method={method} />
            ) : (
              <button
                type="button"
                aria-pressed={method.name === chosen}
                title={kindTexts[method.kind]}
                onClick={() => onChoose(method.name)}
              >
                {shown(method.name, 60)}
              </button>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** "Watch(HealthCheckRequest) → stream HealthCheckResponse". */
function Signature({ method: { name, kind, input, output } }: { readonly method: MethodInfo }) {
  return (
    <code>
      {shown(name, 60)}
      <small>{`(${typeText(input, takesMany(kind))}) → ${typeText(output, answersMany(kind))}`}</small>
    </code>
  );
}

function typeText(typeName: string, isMany: boolean): string {
  return shown(`${isMany ? "stream " : ""}${typeName.replace(/^.*\./, "")}`, 60);
}
