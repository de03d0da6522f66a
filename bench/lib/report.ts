// From the figures of all rounds to tables.
import { connectName, echoName, idleName, type PayloadName, stallName, streamName } from "./cells.ts";
import type { Figures } from "./pair.ts";
import { median, spread } from "./statistics.ts";
import { type Column, short, table } from "./tables.ts";

/** The stack that the others are compared with. */
export const reference = "dswarm";

/** One cell of one stack in one round. */
export interface Measurement {
  readonly round: number;
  readonly stack: string;
  readonly cell: string;
  readonly figures: Figures;
}

/** A stack as a table's row. */
export interface ReportedStack {
  readonly name: string;
  readonly label: string;
}

/** All measurements of a run, by stack and cell. */
export class Report {
  readonly #measurements: readonly Measurement[];
  readonly #stacks: readonly ReportedStack[];

  constructor(measurements: readonly Measurement[], stacks: readonly ReportedStack[]) {
    this.#measurements = measurements;
    this.#stacks = stacks;
  }

  /** Median over the rounds; undefined where it was not measured. */
  median(stack: string, cell: string, figure: keyof Figures): number | undefined {
    const values = this.#values(stack, cell, figure).map(([, value]) => value);
    return values.length === 0 ? undefined : median(values);
  }

  /** Median over the rounds of what the stack has for each 1 of dswarm's in the same round. */
  ratio(stack: string, cell: string, figure: keyof Figures): number | undefined {
    const of = new Map(this.#values(reference, cell, figure));
    const ratios = this.#values(stack, cell, figure).flatMap(([round, value]) => {
      const base = of.get(round);
      return base === undefined || base === 0 ? [] : [value / base];
    });
    return ratios.length === 0 ? undefined : median(ratios);
  }

  /** How far the rounds lie apart, for a typical rate of dswarm's: half of highest minus lowest, as a share of the median. */
  spread(): number {
    const cells = new Set(this.#measurements.map(({ cell }) => cell));
    const spreads = [...cells]
      .map((cell) => this.#values(reference, cell, "perSecond").map(([, value]) => value))
      .filter((values) => values.length > 1)
      .map(spread);
    return median(spreads);
  }

  /** All tables with their titles, as Markdown. Those without figures are left out. */
  markdown(): string {
    const blocks: [title: string, text: string][] = [
      ["Calls of 32 bytes on one connection", this.#calls("32B")],
      ["Calls of 1 KiB", this.#calls("1KiB")],
      ["Calls of 64 KiB", this.#largeCalls()],
      ["Streams and connections", this.#streamsAndConnections()],
      ["A reader that stalls before 1 GiB", this.#stalled()],
      ["Ratios, dswarm = 1", this.#ratios()],
    ];
    return blocks
      .filter(([, text]) => text !== "")
      .map(([title, text]) => `### ${title}\n\n${text}`)
      .join("\n\n");
  }

  #calls(payload: PayloadName): string {
    const at = (concurrency: number): string => echoName(payload, concurrency);
    return this.#table([
      ...[1, 16, 128, 1024].map((c) => this.#column(`c${c} calls/s`, at(c), "perSecond")),
      this.#cpu("CPU µs a call at c128", at(128)),
      this.#column("p50 µs at c1", at(1), "p50Us"),
      this.#column("p99 µs at c1", at(1), "p99Us"),
      this.#column("p50 µs at c128", at(128), "p50Us"),
      this.#column("p99 µs at c128", at(128), "p99Us"),
    ]);
  }

  #largeCalls(): string {
    const [c1, c16] = [echoName("64KiB", 1), echoName("64KiB", 16)];
    return this.#table([
      this.#column("c1 MB/s", c1, "mbPerSecond"),
      this.#column("c16 MB/s", c16, "mbPerSecond"),
      this.#cpu("CPU µs a call at c16", c16),
      this.#column("p50 µs at c1", c1, "p50Us"),
      this.#column("p99 µs at c16", c16, "p99Us"),
    ]);
  }

  #streamsAndConnections(): string {
    return this.#table([
      this.#column("32 B messages/s", streamName, "perSecond"),
      this.#cpu("CPU µs a message", streamName),
      this.#column("new connections/s", connectName, "perSecond"),
      this.#cpu("CPU µs a connection", connectName),
      this.#column("KiB an idle connection, server", idleName, "serverKiB"),
      this.#column("client", idleName, "clientKiB"),
    ]);
  }

  #stalled(): string {
    return this.#table([
      this.#column("server holds MiB more", stallName, "serverGrowthMiB"),
      this.#column("client holds MiB more", stallName, "clientGrowthMiB"),
      this.#column("call p50 µs", stallName, "stalledP50Us"),
      this.#column("p99 µs", stallName, "stalledP99Us"),
      this.#column("without it p50 µs", stallName, "freeP50Us"),
      this.#column("p99 µs", stallName, "freeP99Us"),
    ]);
  }

  #ratios(): string {
    const column = (head: string, cell: string, figure: keyof Figures): Column<ReportedStack> => ({
      head,
      cell: ({ name }) => short(this.ratio(name, cell, figure)),
    });
    return this.#table([
      column("32 B c1 calls/s", echoName("32B", 1), "perSecond"),
      column("c128", echoName("32B", 128), "perSecond"),
      column("c1024", echoName("32B", 1024), "perSecond"),
      column("client CPU c128", echoName("32B", 128), "clientUs"),
      column("server CPU c128", echoName("32B", 128), "serverUs"),
      column("1 KiB c128 calls/s", echoName("1KiB", 128), "perSecond"),
      column("64 KiB c16 MB/s", echoName("64KiB", 16), "mbPerSecond"),
      column("messages/s", streamName, "perSecond"),
      column("connections/s", connectName, "perSecond"),
      column("KiB a connection", idleName, "serverKiB"),
    ]);
  }

  #table(columns: readonly Column<ReportedStack>[]): string {
    return table(this.#stacks, [{ head: "stack", cell: ({ label }) => label }, ...columns]);
  }

  #column(head: string, cell: string, figure: keyof Figures): Column<ReportedStack> {
    return { head, cell: ({ name }) => short(this.median(name, cell, figure)) };
  }

  /** "client + server". */
  #cpu(head: string, cell: string): Column<ReportedStack> {
    return {
      head,
      cell: ({ name }) => {
        const client = short(this.median(name, cell, "clientUs"));
        return client && `${client} + ${short(this.median(name, cell, "serverUs"))}`;
      },
    };
  }

  #values(stack: string, cell: string, figure: keyof Figures): [round: number, value: number][] {
    return this.#measurements.flatMap((measurement) => {
      const value = measurement.figures[figure];
      return measurement.stack === stack && measurement.cell === cell && value !== undefined
        ? [[measurement.round, value]]
        : [];
    });
  }
}
