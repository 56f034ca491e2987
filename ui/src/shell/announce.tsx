// What changed, for those who do not see it: one polite live region for the whole page, fed from anywhere. It is a log: an
// announcement is added beside those before it, so one that follows at once does not take the place of the one before.

import { useEffect, useState } from "react";

type Hear = (text: string) => void;
let hear: Hear | null = null;

const KEPT = 10; // older ones have long been read

/** Say `text` to screen readers. */
export function announce(text: string): void {
  hear?.(text);
}

export function LiveRegion() {
  const [said, setSaid] = useState<{ turn: number; text: string }[]>([]);
  useEffect(() => {
    hear = (text) => setSaid((before) => [...before, { text, turn: (before.at(-1)?.turn ?? 0) + 1 }].slice(-KEPT));
    return () => {
      hear = null;
    };
  }, []);
  return (
    <div
      className="visually-hidden"
      role="log"
      aria-live="polite"
      aria-relevant="additions"
      aria-label="Announcements"
      id="announcements"
    >
      {said.map((one) => (
        <p key={one.turn}>{one.text}</p>
      ))}
    </div>
  );
}
