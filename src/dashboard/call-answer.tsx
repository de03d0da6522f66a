// What a call has been answered so far.
import { counted, duration } from "./text.ts";

/** What came of a call so far. */
export interface Answer {
  /** The last of the messages, the newest first. */
  readonly messages: readonly { readonly number: number; readonly item: AnswerMessage }[];
  /** Of all that came. */
  readonly count: number;
  /** Undefined while it goes on. */
  readonly end: "Answered" | "Cancelled" | "Failed" | undefined;
  readonly ms: number;
}

/** A message of the peer. */
export interface AnswerMessage {
  /** JSON, cut to a length that the page can show. */
  readonly text: string;
  /** Milliseconds since the call. */
  readonly atMs: number;
}

interface AnswerViewProps {
  readonly answer: Answer;
  /** Whether there may be any number of messages. */
  readonly isStream: boolean;
}

/** One message, or a list of them that grows. */
export function AnswerView({ answer: { messages, count: total, end, ms }, isStream }: AnswerViewProps) {
  const [only] = messages;
  if (!isStream) {
    return (
      <div class="answer">
        <p class="facts" role="status">{`${end ?? "Answered"} within ${duration(ms)}`}</p>
        {only !== undefined && <pre tabIndex={0}>{only.item.text}</pre>}
      </div>
    );
  }
  const came = counted(total, "message", "messages");
  const left = total > messages.length ? `, the last ${messages.length} are shown` : "";
  return (
    <div class="answer">
      <p class="facts">{end === undefined ? `${came} so far${left}` : `${end} after ${came}${left}`}</p>
      {/* The count would be read out again and again. */}
      <p class="unseen" role="status">
        {end === undefined ? "Messages are coming" : `${end} after ${came}`}
      </p>
      <ol class="messages scroll" aria-label="Messages, the newest first" tabIndex={0}>
        {messages.map(({ number, item }) => (
          <li key={number}>
            <small>
              <b>{`#${number}`}</b> {duration(item.atMs)}
            </small>
            <pre>{item.text}</pre>
          </li>
        ))}
      </ol>
    </div>
  );
}
