// The layout of a graph, worked out in a worker; on the page itself where there are no workers.

import { useEffect, useState } from "react";
import type { Asked, Placed } from "./layout.ts";

/** Places by node; null until they are known. `key` changes when the graph's shape does. */
export function useLayout(key: string, ask: () => Omit<Asked, "turn">): Placed["at"] | null {
  const [at, setAt] = useState<{ key: string; at: Placed["at"] } | null>(null);
  useEffect(() => {
    let over = false;
    const asked: Asked = { turn: 1, ...ask() };
    const take = (placed: Placed) => {
      if (!over) setAt({ key, at: placed.at });
    };
    const here = () => void import("./layout.ts").then(({ placed }) => take(placed(asked)));
    let worker: Worker | null = null;
    try {
      worker = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
      worker.addEventListener("message", (event: MessageEvent<Placed>) => take(event.data));
      worker.addEventListener("error", here);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- workers have no origin to name
      worker.postMessage(asked);
    } catch {
      here();
    }
    return () => {
      over = true;
      worker?.terminate();
    };
    // oxlint-disable-next-line react/exhaustive-deps -- `key` stands for the graph
  }, [key]);
  return at?.key === key ? at.at : null;
}
