// One step with its whole story: what it was given, what it did, what it said, what came of it, and why.

import { ActionIcon, Button, Group, Tabs, Tooltip } from "@mantine/core";
import { IconExternalLink, IconFilter, IconPencil, IconX } from "@tabler/icons-react";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { api } from "../api/client.ts";
import { placeOf } from "../model/calls.ts";
import { number, text } from "../model/decimal.ts";
import { begun } from "../model/timeline.ts";
import type { StepView } from "../model/view.ts";
import { dateTime, duration, plural, short, usd } from "../parts/format.ts";
import { Empty } from "../parts/Empty.tsx";
import { Status } from "../parts/Status.tsx";
import { toastDone } from "../shell/toast.tsx";
import { Attempts } from "./Attempts.tsx";
import Calls from "./Calls.tsx";
import { useNow } from "./hooks.ts";
import { JsonTree } from "./JsonTree.tsx";
import type { Move, Place } from "./place.ts";
import { Reasons } from "./Reasons.tsx";
import css from "./StepPanel.module.css";
import Talk from "./Talk.tsx";
import { Part } from "./Part.tsx";
import type { RunStore } from "./store.ts";
import { Value } from "./Value.tsx";
import { Waiting } from "./Waiting.tsx";

const EditModal = lazy(() => import("./EditModal.tsx"));

interface StepPanelProps {
  store: RunStore;
  id: string;
  step: StepView | null;
  place: Place;
  move: Move;
  onClose: () => void;
}

export function StepPanel({ store, id, step, place, move, onClose }: StepPanelProps) {
  const shut = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (shut.current?.closest("[data-over]")) shut.current.focus();
  }, []);
  useEffect(() => {
    const close = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented && document.querySelector("[role=dialog]") === null) onClose();
    };
    window.addEventListener("keydown", close);
    return () => window.removeEventListener("keydown", close);
  }, [onClose]);
  return (
    <div className={css.panel}>
      <div className={css.head}>
        <h2 className={css.title}>{id}</h2>
        {step === null ? null : <Status of={step.status} variant="badge" />}
        <Tooltip label="Close (Esc)">
          <ActionIcon ref={shut} className={css.close ?? ""} variant="subtle" color="gray" onClick={onClose} aria-label="Close the step">
            <IconX size={18} />
          </ActionIcon>
        </Tooltip>
      </div>
      {step === null ? (
        <Empty compact title={store.view.terminal ? "This run has no such step" : "This step has not begun"}>
          {store.view.terminal ? "The address may be of another run." : "It is shown here the moment it does."}
        </Empty>
      ) : (
        <Story store={store} step={step} place={place} move={move} />
      )}
    </div>
  );
}

function Story({ store, step, place, move }: { store: RunStore; step: StepView; place: Place; move: Move }) {
  const asked = step.kept.some((kept) => placeOf(kept.key).what === "model") || store.speech.has(step.id);
  const parts: [string, string][] = [
    ["about", "About"],
    ...(asked ? ([["talk", "Conversation"]] as [string, string][]) : []),
    ["input", "Input"],
    ["output", "Output"],
    ...(step.kept.length > 0 ? ([["calls", "Calls"]] as [string, string][]) : []),
  ];
  const part = parts.some(([name]) => name === place.part) ? place.part! : asked ? "talk" : "about";
  return (
    <>
      <Facts store={store} step={step} />
      <Tabs value={part} onChange={(to) => move({ part: to }, { replace: true })} keepMounted={false} className={css.tabs} classNames={{ panel: css.part ?? "", list: css.list ?? "" }}>
        <Tabs.List aria-label="Parts of the step">
          {parts.map(([name, label]) => (
            <Tabs.Tab key={name} value={name}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={part} tabIndex={0}>
          <Part key={part}>
            <Suspense fallback={<Waiting />}>
            {part === "about" ? <About store={store} step={step} move={move} /> : null}
            {part === "talk" ? <Talk store={store} step={step} /> : null}
            {part === "input" ? <Input store={store} step={step} /> : null}
            {part === "output" ? <Output store={store} step={step} /> : null}
            {part === "calls" ? <Calls store={store} step={step} seq={place.seq} /> : null}
            </Suspense>
          </Part>
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function Facts({ store, step }: { store: RunStore; step: StepView }) {
  const now = useNow(store, step.endedAt === null);
  const tokens = number(step.tokens);
  const attempts = step.attempts.at(-1)?.attempt ?? 1;
  return (
    <dl className={css.facts}>
      <div>
        <dt>Took</dt>
        <dd>{duration((step.endedAt ?? now) - begun(step))}</dd>
      </div>
      <div>
        <dt>Begun</dt>
        <dd>{dateTime(begun(step))}</dd>
      </div>
      {tokens > 0 ? (
        <div>
          <dt>Tokens</dt>
          <dd title={tokens.toLocaleString()}>{short(tokens)}</dd>
        </div>
      ) : null}
      {tokens > 0 || text(step.usd) !== "0" ? (
        <div>
          <dt>Cost</dt>
          <dd title={`${text(step.usd)} US dollars`}>{usd(text(step.usd))}</dd>
        </div>
      ) : null}
      {attempts > 1 || step.attempts.length > 1 ? (
        <div>
          <dt>Attempts</dt>
          <dd>
            {attempts}
            {step.attempts.length > attempts ? `, sent ${step.attempts.length} times` : ""}
          </dd>
        </div>
      ) : null}
    </dl>
  );
}

function About({ store, step, move }: { store: RunStore; step: StepView; move: Move }) {
  const [editing, setEditing] = useState(false);
  return (
    <div className={css.stack}>
      {step.status === "waiting" && step.ask !== null ? (
        <Button size="xs" className={css.fit ?? ""} onClick={() => toQuestion(move)}>
          Answer: {step.ask["title"] ?? "a person has to decide"}
        </Button>
      ) : null}
      {step.error !== null ? (
        <div className={css.error} role="note" aria-label="Error">
          <p>{step.error["message"]}</p>
          <code>{step.error["code"]}</code>
          {step.error["detail"] !== undefined ? <JsonTree value={step.error["detail"]} runId={store.runId} label="Details of the error" /> : null}
          {step.error["problems"] !== undefined ? <JsonTree value={step.error["problems"]} runId={store.runId} label="What was wrong" /> : null}
        </div>
      ) : null}
      {store.view.status === "paused" && step.status === "paused" ? (
        <Group gap="xs">
          <Button size="xs" variant="default" leftSection={<IconPencil size={15} />} onClick={() => setEditing(true)}>
            Resume with another input…
          </Button>
        </Group>
      ) : null}
      {step.child !== null ? (
        <Button component={Link} to={`/runs/${step.child["run"]}`} variant="default" size="xs" leftSection={<IconExternalLink size={15} />} className={css.fit ?? ""}>
          Its own run of {step.child["workflow"]}
        </Button>
      ) : null}
      {step.answer !== null ? (
        <p className={css.plain}>
          {step.answer["timed_out"] === true || step.answer["actor"] == null ? "Nobody answered in time" : `${step.output?.decision ?? "Answered"} by ${step.answer["actor"]}`}
          {step.output?.comment ? `: ${step.output.comment}` : ""}
        </p>
      ) : null}
      <Attempts step={step} now={store.now()} />
      <Reasons step={step} />
      {step.artifacts.length > 0 ? (
        <section>
          <h3>Artifacts</h3>
          <ul className={css.files}>
            {step.artifacts.map((one, n) => (
              <li key={n}>
                <button type="button" className={css.link} onClick={() => move({ tab: "artifacts", artifact: one["name"] })}>
                  {one["name"]}
                </button>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      {step.notes.length > 0 ? (
        <section>
          <h3>Notes</h3>
          <ol className={css.notes}>
            {step.notes.slice(-200).map((line, n) => (
              <li key={n}>
                <time title={dateTime(line.at)}>+{duration(Math.max(0, line.at - begun(step)))}</time>
                <span>{line.text}</span>
              </li>
            ))}
          </ol>
        </section>
      ) : null}
      <Button size="xs" variant="subtle" className={css.fit ?? ""} leftSection={<IconFilter size={15} />} onClick={() => move({ tab: "journal", only: step.id, seq: null })}>
        {plural(step.seqs.length, "event")} in the journal
      </Button>
      {editing ? (
        <Suspense>
          <EditModal
            title={`Resume ${step.id} with another input`}
            label="Its input, as JSON"
            value={step.input}
            runId={store.runId}
            go="Resume"
            onClose={() => setEditing(false)}
            onDone={async (input) => {
              const body = { edits: { [step.id]: input } };
              await api.post("/runs/{run_id}/resume", { path: { run_id: store.runId }, body: body as never, idempotencyKey: true });
              toastDone("It goes on with the new input");
            }}
          />
        </Suspense>
      ) : null}
    </div>
  );
}

/** The question stands at the top of the page; on a narrow one the panel lies over it. */
function toQuestion(move: Move): void {
  move({ step: null, part: null });
  setTimeout(() => {
    const question = document.querySelector<HTMLElement>("[data-question]");
    question?.scrollIntoView({ block: "nearest" });
    question?.querySelector<HTMLElement>("input,textarea,button")?.focus();
  });
}

function Input({ store, step }: { store: RunStore; step: StepView }) {
  return <Value value={step.input} runId={store.runId} label={`Input of ${step.id}`} />;
}

function Output({ store, step }: { store: RunStore; step: StepView }) {
  if (step.status !== "completed" && step.output === null) {
    return (
      <Empty compact title={step.endedAt === null ? "Nothing yet" : "It has no output"}>
        {step.endedAt === null ? "The output is shown here when the step has ended." : "It ended without one."}
      </Empty>
    );
  }
  return (
    <div className={css.stack}>
      <Value value={step.output} runId={store.runId} label={`Output of ${step.id}`} />
      {step.taken !== null ? <p className={css.plain}>It went on to {step.taken.join(", ") || "nothing"}.</p> : null}
    </div>
  );
}
