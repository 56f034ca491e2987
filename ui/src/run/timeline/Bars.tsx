// What lies on a row, placed by shares of the piece of time that is shown.

import { type Row, type Segment, segmentsOf } from "../../model/timeline.ts";
import { duration } from "../../parts/format.ts";
import css from "./Timeline.module.css";

export function Bars({ row, now, from, to }: { row: Row; now: number; from: number; to: number }) {
  const size = to - from;
  return (
    <div className={css.lane} aria-hidden>
      {segmentsOf(row, now, { from, to }).map((one, n) => {
        if (one.end < from || one.start > to) return null;
        const left = Math.max(-1, ((one.start - from) / size) * 100);
        const right = Math.min(101, ((one.end - from) / size) * 100);
        return (
          <span
            key={n}
            className={css.bar}
            data-kind={one.kind}
            data-what={one.what}
            style={{ left: `${left}%`, width: `max(${one.kind === "queued" ? 0 : 3}px, ${right - left}%)` }}
            title={titleOf(one)}
          />
        );
      })}
    </div>
  );
}

function titleOf(one: Segment): string {
  return `${[one.kind === "run" ? one.what : "", one.label].filter(Boolean).join(", ")}: ${duration(one.end - one.start)}`;
}
