// The left end of a row: its place in the tree, its state, its name, and how long it took.

import { IconChecklist, IconChevronDown, IconChevronRight, IconRobot, IconSparkles, IconTool, IconUserCheck, IconPointFilled } from "@tabler/icons-react";
import type { Row } from "../../model/timeline.ts";
import { duration } from "../../parts/format.ts";
import { Status } from "../../parts/Status.tsx";
import css from "./Timeline.module.css";

export function Label({ row, now, toggle }: { row: Row; now: number; toggle: () => void }) {
  const took = (row.end ?? now) - row.start;
  return (
    <div className={css.label} style={{ paddingLeft: `${0.35 + row.depth * 0.9}rem` }}>
      {row.open === null ? (
        <span className={css.leaf} />
      ) : (
        // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions -- ← and → do it
        <span
          className={css.twist}
          onClick={(event) => {
            event.stopPropagation();
            toggle();
          }}
        >
          {row.open ? <IconChevronDown size={14} aria-hidden /> : <IconChevronRight size={14} aria-hidden />}
        </span>
      )}
      {row.kind === "step" || row.kind === "node" || row.status === "failed" ? <Status of={row.status} variant="icon" /> : <Mark row={row} />}
      <span className={css.name} title={row.step?.id ?? row.label}>
        {row.label}
      </span>
      {row.hint ? <span className={css.hint}>{row.hint}</span> : null}
      <span className={css.took}>{duration(took)}</span>
    </div>
  );
}

function Mark({ row }: { row: Row }) {
  const what = row.kind === "call" ? row.call!.what : row.kind;
  const Icon = { model: IconSparkles, tool: IconTool, answer: IconUserCheck, agent: IconRobot, task: IconChecklist }[what as string] ?? IconPointFilled;
  return <Icon size={14} aria-hidden className={css.mark} data-what={what} />;
}
