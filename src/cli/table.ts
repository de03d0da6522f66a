// Tables that fit the terminal. One that is too wide is made narrower in this order: ids to the characters that tell them
// apart, which commands take in place of the whole; the columns that matter least away; long texts cut.
import type { Style, Terminal } from "./terminal.ts";
import { shortestId } from "./text.ts";

/** A column of a table. */
export interface Column {
  readonly head: string;
  /** How a cell may be cut: an "id" to its first characters, "text" anywhere. Anything else is shown whole or not at all. */
  readonly cut?: "id" | "text";
  /** What to go without on a narrow terminal: the column with the highest number goes first. Without it a column stays. */
  readonly drop?: number;
  /** Whether cells stand at the right end of the column, as numbers do. */
  readonly right?: boolean;
}

/** A text, in a style where it has one. It must be printable. */
export type Cell = string | { readonly text: string; readonly style: Style };

interface Shown {
  readonly column: Column;
  /** The head, and a cell for each row. */
  readonly cells: readonly string[];
  readonly styles: readonly (Style | undefined)[];
}

const gap = 2;
const leastText = 8;

/** The lines of a table, its heads first. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  terminal: Pick<Terminal, "columns" | "paint">,
): string[] {
  let shown = columns.map((column, i) => shownColumn(column, rows, i));
  const isTooWide = (): boolean => tableWidth(shown) > terminal.columns;
  if (isTooWide()) shown = shown.map(withShortIds);
  while (isTooWide() && shown.some(isDroppable)) shown = withoutLeast(shown);
  if (isTooWide()) shown = withCutTexts(shown, tableWidth(shown) - terminal.columns);
  return ["", ...rows].map((_row, y) => rowLine(shown, y, terminal));
}

function shownColumn(column: Column, rows: readonly (readonly Cell[])[], i: number): Shown {
  const cells = rows.map((row) => row[i] ?? "");
  return {
    column,
    cells: [column.head, ...cells.map((cell) => (typeof cell === "string" ? cell : cell.text))],
    styles: ["bold", ...cells.map((cell) => (typeof cell === "string" ? undefined : cell.style))],
  };
}

function columnWidth({ cells }: Shown): number {
  return cells.reduce((widest, { length }) => Math.max(widest, length), 0);
}

function tableWidth(shown: readonly Shown[]): number {
  return shown.reduce((sum, column) => sum + columnWidth(column) + gap, -gap);
}

function withShortIds(shown: Shown): Shown {
  if (shown.column.cut !== "id") return shown;
  const [head = "", ...ids] = shown.cells;
  const length = shortestId(ids);
  return { ...shown, cells: [head, ...ids.map((id) => id.slice(0, length))] };
}

function isDroppable({ column }: Shown): boolean {
  return column.drop !== undefined;
}

function withoutLeast(shown: readonly Shown[]): Shown[] {
  const highest = Math.max(...shown.map(({ column }) => column.drop ?? 0));
  return shown.filter(({ column }) => column.drop !== highest);
}

/** Cuts the texts until the table is narrower by `excess`, or nothing is left to cut. The last columns first. */
function withCutTexts(shown: readonly Shown[], excess: number): Shown[] {
  let left = excess;
  const cut = shown.toReversed().map(({ column, cells, styles }) => {
    const before = columnWidth({ column, cells, styles });
    const least = column.cut === "text" ? Math.min(before, leastText) : before;
    const width = Math.max(before - Math.max(left, 0), least);
    left -= before - width;
    return { column, styles, cells: cells.map((cell) => cutText(cell, width)) };
  });
  return cut.toReversed();
}

function cutText(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

function rowLine(shown: readonly Shown[], y: number, { paint }: Pick<Terminal, "paint">): string {
  const cells = shown.map((each, i) => {
    const { cells: texts, styles, column } = each;
    const text = texts[y] ?? "";
    const style = styles[y];
    const painted = style === undefined ? text : paint(style, text);
    const space = " ".repeat(columnWidth(each) - text.length);
    if (column.right) return space + painted;
    // Nothing at the end of lines that is not seen.
    return i === shown.length - 1 ? painted : painted + space;
  });
  return cells.join(" ".repeat(gap)).trimEnd();
}
