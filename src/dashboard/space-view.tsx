// The XOR space as a picture that can be walked through by pointer and by keyboard.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type SpaceNode, SpacePainter, type SpaceScene } from "./space-painter.ts";
import { shortId } from "./text.ts";

interface SpaceViewProps {
  readonly scene: SpaceScene;
  readonly onSelect: (id: string | undefined) => void;
}

const kinds: Readonly<Record<SpaceNode["kind"], string>> = {
  self: "this node",
  contact: "in the routing table",
  peer: "a peer",
  other: "of the swarm",
  found: "found by a lookup",
};

/** The picture. Arrow keys go round the circle, Home goes to the node itself. */
export function SpaceView({ scene, onSelect }: SpaceViewProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const painter = useRef<SpacePainter>(undefined);
  const around = useMemo(() => [...scene.nodes].sort((a, b) => a.prefix - b.prefix), [scene.nodes]);
  useEffect(() => {
    if (canvas.current === null) return undefined;
    const made = new SpacePainter(canvas.current);
    painter.current = made;
    return () => made.close();
  }, []);
  useEffect(() => painter.current?.show(scene), [scene]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = around.findIndex(({ id }) => id === scene.selected);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step !== undefined && around.length > 0) {
      const next = at < 0 ? 0 : (at + step + around.length) % around.length;
      onSelect(around[next]?.id);
    } else if (event.key === "Home") onSelect(around.find(({ kind }) => kind === "self")?.id);
    else if (event.key === "Escape") onSelect(undefined);
    else return;
    event.preventDefault();
  };
  const selected = around.find(({ id }) => id === scene.selected);
  const label =
    `The XOR space: ${scene.nodes.length} nodes on a circle, ${scene.buckets.length} k-buckets. Arrow keys go round.` +
    (selected === undefined ? "" : ` Selected: ${shortId(selected.id)}, ${kinds[selected.kind]}.`);
  return (
    <canvas
      ref={canvas}
      class="space"
      tabIndex={0}
      role="img"
      aria-label={label}
      onKeyDown={onKeyDown}
      onClick={(event) => onSelect(painter.current?.nodeAt(event.offsetX, event.offsetY)?.id)}
      onPointerMove={({ currentTarget, offsetX, offsetY }) => {
        const near = painter.current?.nodeAt(offsetX, offsetY);
        currentTarget.title = near === undefined ? "" : `${shortId(near.id)}, ${kinds[near.kind]}`;
        currentTarget.classList.toggle("is-near", near !== undefined);
      }}
    />
  );
}
