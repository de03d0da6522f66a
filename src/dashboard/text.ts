// Text for people. What comes from peers is hostile: it is cut to a length, and what is not seen, or turns the direction of
// writing, is shown as a replacement character. It reaches the page as text only, never as markup.

// Control characters, zero-width ones, and those that override the direction of writing.
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu;
const unseenButLines = /(?![\n\t])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028]/gu;

/** One line of at most `maxLength` UTF-16 units. */
export function shown(text: string, maxLength = 120): string {
  return cut(text, maxLength).replace(unseen, "\u{fffd}");
}

/** The same, with its lines. */
export function shownLines(text: string, maxLength: number): string {
  return cut(text, maxLength).replace(unseenButLines, "\u{fffd}");
}

function cut(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
}

/** The beginning of an id or a key: "@q3Rf…". */
export function shortId(id: string): string {
  return shown(id, 9);
}

/** "3 ms", "1.4 s", "12 min", "3 h 5 min", "2 d 4 h". */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return "–";
  if (ms < 999.5) return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.5) return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.max(1, Math.floor(seconds / 60));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** "512 B", "3.4 KiB", "1.0 MiB". */
export function byteCount(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** With separators between thousands; fractions only of small numbers. */
export function count(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** "1 hop", "2 hops". */
export function counted(value: number, one: string, many: string): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Which nodes keep a record: "3 other nodes and this one", "this node alone: it knew no peer". */
export function keepersText({ replicas, keptHere }: { readonly replicas: number; readonly keptHere: boolean }): string {
  if (replicas === 0) return "this node alone: it knew no peer";
  return `${counted(replicas, "other node", "other nodes")}${keptHere ? " and this one" : ""}`;
}

/** Bytes as text where they are UTF-8, otherwise in hex. */
export function bytesText(bytes: Uint8Array): { readonly form: "text" | "hex"; readonly text: string } {
  try {
    return { form: "text", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return { form: "hex", text: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") };
  }
}
