// Tables, as Markdown that also reads well in a terminal.

/** A column: its head, and the cell of a row; undefined where there is nothing to show. */
export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string | undefined;
}

const nothing = "–";

/**
 * A Markdown table with aligned columns, the first to the left and the others to the right. Columns that are empty in all
 * rows, and rows that are empty but for the first column, are left out. Returns "" when nothing is left.
 */
export function table<Row>(rows: readonly Row[], [name, ...columns]: readonly Column<Row>[]): string {
  if (name === undefined) return "";
  const columnsShown = columns.filter(({ cell }) => rows.some((row) => cell(row) !== undefined));
  const lines = rows
    .filter((row) => columnsShown.some(({ cell }) => cell(row) !== undefined))
    .map((row) => [name, ...columnsShown].map(({ cell }) => cell(row) ?? nothing));
  if (lines.length === 0) return "";
  const heads = [name.head, ...columnsShown.map(({ head }) => head)];
  const widths = heads.map((head, i) => Math.max(3, head.length, ...lines.map((line) => line[i]?.length ?? 0)));
  const draw = (texts: readonly string[]): string =>
    `| ${texts.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [draw(heads), draw(rule), ...lines.map(draw)].join("\n");
}

/** A number with three significant digits and thousands apart; undefined for undefined and NaN. */
export function short(value: number | undefined): string | undefined {
  if (value === undefined || !Number.isFinite(value)) return undefined;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.1))));
  const rounded = digits === 0 ? Math.round(Number(value.toPrecision(3))) : Number(value.toFixed(digits));
  return rounded.toLocaleString("en-US", { minimumFractionDigits: value === 0 ? 0 : digits });
}
