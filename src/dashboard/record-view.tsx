// A value of the DHT and what is known of it.
import type { Record as DhtRecord } from "../../gen/dswarm/v1/dht_pb.ts";
import { Copy, CopyButton } from "./panel.tsx";
import { byteCount, bytesText, duration, shownLines } from "./text.ts";

const maxShown = 20_000;

interface RecordViewProps {
  readonly record: DhtRecord;
  /** "&" and base64, where it is not shown beside it already. */
  readonly recordKey?: string;
}

/** The value as text or in hex, to be read and copied. */
export function RecordView({ record: { kind, ttlS }, recordKey }: RecordViewProps) {
  if (kind.case !== "immutable" && kind.case !== "mutable") return <p class="facts">A record of another kind.</p>;
  const { value } = kind.value;
  const { form, text } = bytesText(value);
  const salt = kind.case === "mutable" ? saltText(kind.value.salt) : undefined;
  const isDeleted = kind.case === "mutable" && kind.value.deleted;
  const facts = [
    kind.case === "mutable" ? `mutable, sequence ${kind.value.sequence}` : "immutable",
    salt,
    byteCount(value.length),
    form === "hex" ? "not UTF-8, shown in hex" : undefined,
    text.length > maxShown ? `the first ${maxShown} characters are shown` : undefined,
    `lives another ${duration(ttlS * 1000)}`,
  ];
  return (
    <div class="answer" role="status">
      {recordKey !== undefined && <Copy text={recordKey} label="the key" />}
      <p class="facts">{facts.filter((fact) => fact !== undefined).join(" · ")}</p>
      {isDeleted ? (
        <p class="muted">Its signer has deleted it.</p>
      ) : (
        <>
          <pre tabIndex={0}>{shownLines(text, maxShown)}</pre>
          <CopyButton text={text} label="the value" />
        </>
      )}
    </div>
  );
}

function saltText(salt: Uint8Array): string | undefined {
  return salt.length === 0 ? undefined : `salt ${shownLines(bytesText(salt).text, 64)}`;
}
