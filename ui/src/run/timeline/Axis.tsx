// Times above the rows, counted from the run's beginning.

import { ticks } from "../../model/timeline.ts";
import type { Span } from "../../model/timeline.ts";
import css from "./Timeline.module.css";

/** The marks of an axis of so many pixels, in seconds after the run's beginning. */
export function marksOf(span: Span, origin: number, width: number): number[] {
  return ticks(span.from - origin, span.to - origin, Math.max(2, Math.floor(width / 76)));
}

export function Axis({ span, origin, width }: { span: Span; origin: number; width: number }) {
  const from = span.from - origin;
  const to = span.to - origin;
  const marks = marksOf(span, origin, width);
  const step = marks.length > 1 ? marks[1]! - marks[0]! : to - from;
  return (
    <div className={css.ticks} aria-hidden>
      {marks.map((mark) => (
        <span key={mark} className={css.tick} style={{ left: `${((mark - from) / (to - from)) * 100}%` }}>
          {timeMark(mark, step)}
        </span>
      ))}
    </div>
  );
}

/** As exact as the distance of the marks asks for. */
export function timeMark(seconds: number, step: number): string {
  if (Math.abs(seconds) < step / 1000) return "0";
  if (step < 0.001) return `${(seconds * 1000).toFixed(2)} ms`;
  if (step < 1 && seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(step < 0.01 ? 3 : step < 0.1 ? 2 : step < 1 ? 1 : 0)} s`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = (seconds % 60).toFixed(step < 1 ? 2 : 0).padStart(step < 1 ? 5 : 2, "0");
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
