// The routing table of the node: its k-buckets and the contacts in each.
import { useState } from "preact/hooks";
import type { Bucket, BucketContact } from "../../gen/dswarm/v1/node_pb.ts";
import { useOneStop } from "./one-stop.ts";
import { Empty, Panel } from "./panel.tsx";
import { count, counted, duration, shortId, shown } from "./text.ts";

const k = 20;

interface BucketsPanelProps {
  /** Undefined until they are known. */
  readonly buckets: readonly Bucket[] | undefined;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

/** A row for each bucket that holds contacts, which opens to rows of the contacts. */
export function BucketsPanel({ buckets = [], selected, onSelect }: BucketsPanelProps) {
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const oneStop = useOneStop<HTMLTableElement>();
  const toggle = (sharedBits: number): void => {
    const next = new Set(open);
    if (!next.delete(sharedBits)) next.add(sharedBits);
    setOpen(next);
  };
  const contacts = buckets.reduce((sum, bucket) => sum + bucket.contacts.length, 0);
  return (
    <Panel
      name="buckets"
      title="k-buckets"
      lead="The routing table: contacts by how many leading bits their ids share with this node's."
      aside={<span class="muted">{counted(contacts, "contact", "contacts")}</span>}
    >
      {buckets.length === 0 ? (
        <Empty>The routing table is empty.</Empty>
      ) : (
        <div class="scroll" role="region" aria-label="Table of k-buckets" tabIndex={0}>
          <table {...oneStop}>
            <thead>
              <tr>
                <th scope="col">Shared bits</th>
                <th scope="col">Contacts</th>
                <th scope="col" class="number">
                  Round trip
                </th>
                <th scope="col" class="number">
                  Answered
                </th>
                <th scope="col" class="number">
                  Missed
                </th>
              </tr>
            </thead>
            {buckets.map((bucket) => (
              <tbody key={bucket.sharedBits}>
                <BucketRow
                  bucket={bucket}
                  isOpen={open.has(bucket.sharedBits)}
                  onToggle={() => toggle(bucket.sharedBits)}
                />
                {open.has(bucket.sharedBits) &&
                  bucket.contacts.map((contact) => (
                    <ContactRow
                      key={contact.id}
                      contact={contact}
                      isSelected={contact.id === selected}
                      onSelect={onSelect}
                    />
                  ))}
              </tbody>
            ))}
          </table>
        </div>
      )}
    </Panel>
  );
}

interface BucketRowProps {
  readonly bucket: Bucket;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}

function BucketRow({ bucket: { sharedBits, contacts }, isOpen, onToggle }: BucketRowProps) {
  const times = contacts.map(({ rttMs }) => rttMs).filter((rttMs) => rttMs !== undefined);
  return (
    <tr class="bucket" onClick={onToggle}>
      <td>
        <button
          type="button"
          class="link"
          aria-expanded={isOpen}
          aria-label={`Bucket of ${counted(sharedBits, "shared bit", "shared bits")}`}
        >
          <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span> {sharedBits}
        </button>
      </td>
      <td>{`${contacts.length} of ${k}`}</td>
      <td class="number">{times.length === 0 ? "–" : `from ${duration(Math.min(...times))}`}</td>
      <td class="number">{`${duration(Math.min(...contacts.map(({ lastSeenMs }) => lastSeenMs)))} ago`}</td>
      <td class="number">{count(contacts.reduce((sum, { misses }) => sum + misses, 0))}</td>
    </tr>
  );
}

interface ContactRowProps {
  readonly contact: BucketContact;
  readonly isSelected: boolean;
  readonly onSelect: (id: string) => void;
}

function ContactRow({ contact: { id, addresses, rttMs, lastSeenMs, misses }, isSelected, onSelect }: ContactRowProps) {
  return (
    <tr class={isSelected ? "contact is-selected" : "contact"} onClick={() => onSelect(id)}>
      <td>
        <button type="button" class="link" aria-pressed={isSelected} aria-label={`Select contact ${shortId(id)}`}>
          {shortId(id)}
        </button>
      </td>
      <td class="mono">{shown(addresses[0] ?? "–", 60)}</td>
      <td class="number">{rttMs === undefined ? "–" : duration(rttMs)}</td>
      <td class="number">{`${duration(lastSeenMs)} ago`}</td>
      <td class="number">{count(misses)}</td>
    </tr>
  );
}
