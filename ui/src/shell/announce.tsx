// What changed, for those who do not see it: one polite live region for the whole page, fed from anywhere.

import { useEffect, useState } from "react";

type Hear = (text: string) => void;
let hear: Hear | null = null;

/** Say `text` to screen readers. */
export function announce(text: string): void {
  hear?.(text);
}

export function LiveRegion() {
  const [said, setSaid] = useState({ text: "", turn: 0 });
  useEffect(() => {
    hear = (text) => setSaid((before) => ({ text, turn: before.turn + 1 }));
    return () => {
      hear = null;
    };
  }, []);
  // the same words twice are two announcements: the key makes a new node of them
  return (
    <div className="visually-hidden" role="status" aria-live="polite" id="announcements">
      <span key={said.turn}>{said.text}</span>
    </div>
  );
}
