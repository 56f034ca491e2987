// The document's title, which is also what a screen reader is told of a new page.

import { useEffect } from "react";
import { announce } from "./announce.tsx";

/** Name the page; `null` while its name is not known yet. */
export function useTitle(title: string | null): void {
  useEffect(() => {
    if (title === null) return;
    document.title = `${title} · Penstock`;
    announce(title);
  }, [title]);
}
