// Small things several parts of the page need.

import { useEffect, useState } from "react";
import type { RunStore } from "./store.ts";

/** The run's time, moving while it runs: a few times a second at first, each second later on. */
export function useNow(store: RunStore, moving: boolean): number {
  const [, setTurn] = useState(0);
  useEffect(() => {
    if (!moving) return;
    const pace = store.now() - store.view.createdAt < 30 ? 250 : 1000;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") setTurn((turn) => turn + 1);
    }, pace);
    return () => clearInterval(timer);
  }, [store, moving]);
  return store.now();
}

/** Copy text, also where the page is not served securely. Whether it worked. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Hand a file over to the browser. */
export function download(name: string, content: BlobPart, type = "application/json"): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
