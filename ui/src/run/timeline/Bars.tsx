// What lies on a row, placed by shares of the piece of time that is shown.

import { memo } from "react";
import { type Row, type Segment, segmentsOf, type Span } from "../../model/timeline.ts";
import { duration } from "../../parts/format.ts";
import css from "./Timeline.module.css";

interface BarsProps {
  row: Row;
  now: number;
  span: Span;
  /** changes when the row does */
  rev: number;
}

export const Bars = memo(
  function Bars({ row, now, span }: BarsProps) {
    const size = span.to - span.from;
    return (
      <div className={css.lane} aria-hidden>
        {segmentsOf(row, now, span).map((one, n) => {
          if (one.end < span.from || one.start > span.to) return null;
          const left = Math.max(-1, ((one.start - span.from) / size) * 100);
          const right = Math.min(101, ((one.end - span.from) / size) * 100);
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
  },
  (a, b) => a.row.id === b.row.id && a.rev === b.rev && a.span.from === b.span.from && a.span.to === b.span.to && a.row.status === b.row.status && a.row.size === b.row.size,
);

function titleOf(one: Segment): string {
  return `${[one.kind === "run" ? one.what : "", one.label].filter(Boolean).join(", ")}: ${duration(one.end - one.start)}`;
}
