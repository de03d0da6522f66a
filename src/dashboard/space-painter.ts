// Draws the XOR space on a canvas: ids on a circle, the k-buckets of one node as arcs within it, and a lookup on top. At most
// once an animation frame, which browsers do not grant to pages that are hidden.
import { bucketArc, placeOf } from "./id-space.ts";
import type { ReplayNode } from "./lookup-replay.ts";

/** A node on the circle. */
export interface SpaceNode {
  readonly id: string;
  /** The first 32 bits of the id. */
  readonly prefix: number;
  /** "self": the node looked at. "contact": in its routing table. "peer": known. "other": of the swarm. "found": of a lookup. */
  readonly kind: "self" | "contact" | "peer" | "other" | "found";
  readonly connected: boolean;
}

/** What is drawn. */
export interface SpaceScene {
  readonly own: number;
  readonly nodes: readonly SpaceNode[];
  /** Contacts by bucket; which of k there is room for. */
  readonly buckets: readonly { readonly sharedBits: number; readonly contacts: number }[];
  readonly selected: string | undefined;
  readonly lookup: { readonly target: number; readonly nodes: ReadonlyMap<string, ReplayNode> } | undefined;
}

const k = 20;
const turn = 2 * Math.PI;
const maxDrawnBuckets = 14;
const maxChords = 240;
const nearPx = 14;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Paints scenes onto a canvas. */
export class SpacePainter {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #resized: ResizeObserver;
  readonly #scheme = matchMedia("(prefers-color-scheme: dark)");
  #scene: SpaceScene | undefined;
  #frame = 0;
  // Taken once a drawing: to ask the canvas for each node would cost more than to draw it.
  #centre: Point = { x: 0, y: 0 };
  #radius = 0;

  /** @throws Error where there is no 2D canvas */
  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("this browser has no 2D canvas");
    this.#canvas = canvas;
    this.#context = context;
    this.#resized = new ResizeObserver(this.#ask);
    this.#resized.observe(canvas);
    this.#scheme.addEventListener("change", this.#ask);
  }

  show(scene: SpaceScene): void {
    this.#scene = scene;
    this.#ask();
  }

  /** The node nearest to a point of the canvas (in CSS pixels), if any is near. */
  nodeAt(x: number, y: number): SpaceNode | undefined {
    let nearest: SpaceNode | undefined;
    let distance = nearPx;
    for (const node of this.#scene?.nodes ?? []) {
      const at = this.#pointOf(node.prefix);
      const away = Math.hypot(at.x - x, at.y - y);
      // One's own node lies over the others.
      if (away < distance || (away < nearPx && away === distance && node.kind === "self")) {
        nearest = node;
        distance = away;
      }
    }
    return nearest;
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#resized.disconnect();
    this.#scheme.removeEventListener("change", this.#ask);
  }

  readonly #ask = (): void => {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(this.#draw);
  };

  readonly #draw = (): void => {
    this.#frame = 0;
    const { clientWidth, clientHeight } = this.#canvas;
    if (this.#scene === undefined || clientWidth === 0) return;
    this.#centre = { x: clientWidth / 2, y: clientHeight / 2 };
    this.#radius = Math.max(40, Math.min(clientWidth, clientHeight) / 2 - 26);
    const scale = Math.min(devicePixelRatio, 2);
    const width = Math.round(clientWidth * scale);
    const height = Math.round(clientHeight * scale);
    // Setting a size clears the canvas, even to what it was.
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#context.setTransform(scale, 0, 0, scale, 0, 0);
    this.#context.clearRect(0, 0, clientWidth, clientHeight);
    const style = getComputedStyle(this.#canvas);
    const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    this.#drawRing(colour);
    this.#drawBuckets(this.#scene, colour);
    if (this.#scene.lookup === undefined) this.#drawChords(this.#scene, colour);
    this.#drawNodes(this.#scene, colour);
    if (this.#scene.lookup !== undefined) this.#drawLookup(this.#scene, this.#scene.lookup, colour);
  };

  #pointOf(prefix: number, radius = this.#radius): Point {
    const angle = placeOf(prefix) * turn - turn / 4;
    const { x, y } = this.#centre;
    return { x: x + radius * Math.cos(angle), y: y + radius * Math.sin(angle) };
  }

  #arc(radius: number, from: number, length: number): void {
    const { x, y } = this.#centre;
    this.#context.beginPath();
    this.#context.arc(x, y, radius, from * turn - turn / 4, (from + length) * turn - turn / 4);
  }

  #drawRing(colour: (name: string) => string): void {
    const context = this.#context;
    context.lineWidth = 1.5;
    context.strokeStyle = colour("line-strong");
    this.#arc(this.#radius, 0, 1);
    context.stroke();
    context.font = `10px ${colour("mono")}`;
    context.fillStyle = colour("faint");
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let digit = 0; digit < 16; digit++) {
      const { x, y } = this.#pointOf(digit * 2 ** 28, this.#radius + 15);
      context.fillText(digit.toString(16), x, y);
    }
  }

  #drawBuckets({ own, buckets }: SpaceScene, colour: (name: string) => string): void {
    const context = this.#context;
    const deepest = Math.max(-1, ...buckets.map(({ sharedBits }) => sharedBits));
    const drawn = Math.min(deepest + 1, maxDrawnBuckets);
    const step = Math.min(12, (this.#radius * 0.42) / Math.max(drawn, 1));
    const gap = 0.0025;
    context.lineCap = "butt";
    for (let bits = 0; bits < drawn; bits++) {
      const { from, length } = bucketArc(own, bits);
      const contacts = buckets.find(({ sharedBits }) => sharedBits === bits)?.contacts ?? 0;
      const radius = this.#radius - 14 - bits * step;
      const inset = Math.min(gap, length / 8);
      context.lineWidth = Math.max(2.5, step * 0.62);
      context.strokeStyle = colour("track");
      this.#arc(radius, from + inset, length - 2 * inset);
      context.stroke();
      if (contacts === 0) continue;
      context.strokeStyle = colour("bucket");
      context.globalAlpha = 0.25 + 0.75 * Math.min(1, contacts / k);
      this.#arc(radius, from + inset, length - 2 * inset);
      context.stroke();
      context.globalAlpha = 1;
    }
  }

  #drawChords({ own, nodes }: SpaceScene, colour: (name: string) => string): void {
    const context = this.#context;
    const contacts = nodes.filter(({ kind }) => kind === "contact").slice(0, maxChords);
    context.strokeStyle = colour("bucket");
    context.globalAlpha = Math.max(0.1, 0.4 - contacts.length / 500);
    context.lineWidth = 1;
    context.beginPath();
    for (const { prefix } of contacts) this.#chord(own, prefix);
    context.stroke();
    context.globalAlpha = 1;
  }

  /** A curve between two places, bent towards the centre. */
  #chord(a: number, b: number): void {
    const from = this.#pointOf(a);
    const to = this.#pointOf(b);
    const { x, y } = this.#centre;
    const bend = 0.55;
    this.#context.moveTo(from.x, from.y);
    const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
    this.#context.quadraticCurveTo(middle.x + (x - middle.x) * bend, middle.y + (y - middle.y) * bend, to.x, to.y);
  }

  #drawNodes({ nodes, selected, lookup }: SpaceScene, colour: (name: string) => string): void {
    const many = nodes.length > 300;
    const context = this.#context;
    context.globalAlpha = lookup === undefined ? 1 : 0.35;
    for (const kind of ["other", "found", "peer", "contact"] as const) {
      for (const connected of [false, true]) {
        context.fillStyle = connected ? colour("connected") : colour(kind === "contact" ? "bucket" : "node");
        context.beginPath();
        for (const node of nodes) {
          if (node.kind !== kind || node.connected !== connected) continue;
          this.#addDot(node.prefix, (kind === "contact" ? 4.5 : 3.5) - (many ? 1.5 : 0));
        }
        context.fill();
      }
    }
    context.globalAlpha = 1;
    const self = nodes.find(({ kind }) => kind === "self");
    if (self !== undefined) this.#dot(self.prefix, 7, colour("self"), colour("surface"));
    const chosen = nodes.find(({ id }) => id === selected);
    if (chosen !== undefined) {
      context.strokeStyle = colour("focus");
      context.lineWidth = 2.5;
      context.beginPath();
      this.#addDot(chosen.prefix, chosen.kind === "self" ? 11 : 9);
      context.stroke();
    }
  }

  #addDot(prefix: number, radius: number): void {
    const { x, y } = this.#pointOf(prefix);
    this.#context.moveTo(x + radius, y);
    this.#context.arc(x, y, radius, 0, turn);
  }

  #dot(prefix: number, radius: number, fill: string, border: string): void {
    const context = this.#context;
    context.beginPath();
    this.#addDot(prefix, radius);
    context.fillStyle = fill;
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = border;
    context.stroke();
  }

  #drawLookup(
    { own, nodes }: SpaceScene,
    lookup: NonNullable<SpaceScene["lookup"]>,
    colour: (name: string) => string,
  ): void {
    const context = this.#context;
    const places = new Map(nodes.map(({ id, prefix }) => [id, prefix]));
    const colours: Readonly<Record<ReplayNode["state"], string>> = {
      heard: colour("faint"),
      asked: colour("accent"),
      slow: colour("accent"),
      answered: colour("good"),
      failed: colour("bad"),
      "timed-out": colour("bad"),
    };
    const shown = [...lookup.nodes.values()].filter(({ id }) => places.has(id));
    for (const { id, state, toldBy, order } of shown) {
      if (order === 0) continue;
      context.strokeStyle = colours[state];
      context.lineWidth = state === "asked" ? 2 : 1.5;
      context.setLineDash(state === "asked" ? [4, 4] : []);
      context.globalAlpha = 0.75;
      context.beginPath();
      this.#chord(places.get(toldBy ?? "") ?? own, places.get(id) ?? own);
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
    for (const { id, state } of shown) {
      this.#dot(places.get(id) ?? own, state === "heard" ? 3 : 5.5, colours[state], colour("surface"));
    }
    const { x, y } = this.#pointOf(lookup.target);
    context.fillStyle = colour("accent");
    context.strokeStyle = colour("surface");
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x, y - 9);
    context.lineTo(x + 9, y);
    context.lineTo(x, y + 9);
    context.lineTo(x - 9, y);
    context.closePath();
    context.fill();
    context.stroke();
  }
}
