// Which node of the swarm is looked at: the address of the page names it, so that it can be kept, sent on and gone back to.
import { useEffect, useState } from "preact/hooks";
import type { SwarmNode } from "../../gen/dswarm/v1/node_pb.ts";
import { pathId } from "./id-space.ts";

/**
 * The id of the node that "#" and base64url name, and how to choose another.
 * @returns undefined where the address names none of the nodes
 */
export function useChosenNode(nodes: readonly SwarmNode[]): readonly [string | undefined, (id: string) => void] {
  const [named, setNamed] = useState(namedNow);
  useEffect(() => {
    const onChange = (): void => setNamed(namedNow());
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  const chosen = nodes.find(({ id }) => pathId(id) === named)?.id;
  return [chosen, (id) => location.assign(`#${pathId(id)}`)];
}

function namedNow(): string {
  return location.hash.slice(1);
}
