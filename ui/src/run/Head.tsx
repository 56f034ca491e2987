// What a run is, in two lines: its name and state, then the facts one looks for first.

import { ActionIcon, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy, IconGitFork, IconSubtask } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import { number, text } from "../model/decimal.ts";
import { ago, dateTime, duration, short, usd } from "../parts/format.ts";
import { Status } from "../parts/Status.tsx";
import css from "./Head.module.css";
import { copyText, useNow } from "./hooks.ts";
import type { RunStore } from "./store.ts";

const MODES: Record<string, string> = { full_run: "Full run", test_run: "Test run", validate_only: "Validation only" };

export function Head({ store, actions }: { store: RunStore; actions: ReactNode }) {
  const { view } = store;
  const now = useNow(store, !view.terminal);
  const took = (view.endedAt ?? now) - (view.startedAt ?? view.createdAt);
  const tokens = number(view.tokens);
  const money = text(view.usd);
  return (
    <header className={css.head}>
      <div className={css.line}>
        <h1 className={css.title}>
          <Link to={`/workflows/${view.workflow}/run`} className={css.name}>
            {view.workflow}
          </Link>
          <span className={css.version}>v{view.version}</span>
        </h1>
        <Status of={view.status} variant="badge" />
        <Id id={store.runId} />
        <div className={css.actions}>{actions}</div>
      </div>
      <dl className={css.facts}>
        <Fact name="Begun" title={dateTime(view.createdAt)}>
          {ago(view.createdAt)}
        </Fact>
        <Fact name={view.terminal ? "Took" : "Running for"} title={view.endedAt === null ? undefined : `until ${dateTime(view.endedAt)}`}>
          {duration(took)}
        </Fact>
        <Fact name="Cost" title={`${money} US dollars`}>
          {usd(money)}
        </Fact>
        <Fact name="Tokens" title={tokens.toLocaleString()}>
          {short(tokens)}
        </Fact>
        <Fact name="Steps">{short(view.steps.size)}</Fact>
        <Fact name="By">{view.actor}</Fact>
        <Fact name="Mode">{MODES[view.mode] ?? view.mode}</Fact>
        {view.parent !== null ? (
          <Fact name="Part of">
            <Link to={`/runs/${view.parent["run"]}?step=${encodeURIComponent(view.parent["step"] ?? "")}`}>
              <IconSubtask size={14} aria-hidden /> {view.parent["step"]}
            </Link>
          </Fact>
        ) : null}
        {view.forkedFrom !== null ? (
          <Fact name="Forked from">
            <Link to={`/runs/${view.forkedFrom["run"]}?tab=journal&seq=${view.forkedFrom["at_seq"]}`}>
              <IconGitFork size={14} aria-hidden /> event {view.forkedFrom["at_seq"]}
            </Link>
          </Fact>
        ) : null}
      </dl>
    </header>
  );
}

function Fact({ name, title, children }: { name: string; title?: string | undefined; children: ReactNode }) {
  return (
    <div className={css.fact} title={title}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Id({ id }: { id: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    setCopied(await copyText(id));
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <span className={css.id}>
      <code>{id}</code>
      <Tooltip label={copied ? "Copied" : "Copy the run's id"}>
        <ActionIcon variant="subtle" color="gray" size="sm" onClick={copy} aria-label="Copy the run's id">
          {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
        </ActionIcon>
      </Tooltip>
    </span>
  );
}
