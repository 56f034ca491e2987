// Everything a step kept, call by call: the key, when it was made and what came back.

import { UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { type Call, callsOf, saidOf } from "../model/calls.ts";
import { begun } from "../model/timeline.ts";
import type { StepView } from "../model/view.ts";
import { dateTime, duration } from "../parts/format.ts";
import css from "./Calls.module.css";
import { Decisions, Routes } from "./Reasons.tsx";
import { type RunStore, useVersion } from "./store.ts";
import { Value } from "./Value.tsx";

export default function Calls({ store, step, seq }: { store: RunStore; step: StepView; seq: number | null }) {
  useVersion(store);
  const calls = callsOf(step);
  return (
    <ol className={css.calls}>
      {calls.map((call) => (
        <One key={call.kept.seq} call={call} step={step} runId={store.runId} wanted={call.kept.seq === seq} />
      ))}
    </ol>
  );
}

function One({ call, step, runId, wanted }: { call: Call; step: StepView; runId: string; wanted: boolean }) {
  const [byHand, setByHand] = useState<boolean | null>(null);
  const open = byHand ?? wanted;
  const item = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (wanted) item.current?.scrollIntoView({ block: "nearest" });
  }, [wanted]);
  const about = saidOf(step, call.kept.key);
  return (
    <li ref={item}>
      <UnstyledButton className={css.head} onClick={() => setByHand(!open)} aria-expanded={open} data-failed={call.failed || undefined}>
        {open ? <IconChevronDown size={14} aria-hidden /> : <IconChevronRight size={14} aria-hidden />}
        <span className={css.label}>{call.label}</span>
        <code>{call.kept.key}</code>
        <span className={css.time} title={dateTime(call.kept.at)}>
          {call.failed ? "failed · " : ""}+{duration(Math.max(0, call.kept.start - begun(step)))} · {duration(call.kept.at - call.kept.start)}
        </span>
      </UnstyledButton>
      {open ? (
        <div className={css.body}>
          {call.kept.repeated ? <p>It may have been made before, by an executor that fell silent. It carried the same idempotency key.</p> : null}
          <Value value={call.kept.value} runId={runId} label={`What ${call.kept.key} came to`} />
          <Routes of={about.filter((one) => one.kind === "route.chosen")} />
          <Decisions of={about.filter((one) => one.kind === "policy.decided")} />
        </div>
      ) : null}
    </li>
  );
}
