// What the run was given and what came of it, with the limits it ran under and what was checked before it began.

import { number, text } from "../model/decimal.ts";
import { Empty } from "../parts/Empty.tsx";
import { count, usd } from "../parts/format.ts";
import css from "./Result.module.css";
import type { TabProps } from "./RunFrame.tsx";
import { Value } from "./Value.tsx";

export default function Result({ store }: TabProps) {
  const { view, runId } = store;
  const limits = Object.entries(view.limits ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return (
    <div className={css.result}>
      <section aria-labelledby="run-outputs">
        <h2 id="run-outputs">Outputs</h2>
        {view.status === "completed" ? (
          view.outputs === null || isEmpty(view.outputs) ? (
            <p className={css.none}>This workflow declares no outputs. What it made is under Artifacts.</p>
          ) : (
            <Value value={view.outputs} runId={runId} label="Outputs of the run" />
          )
        ) : (
          <Empty compact title={view.terminal ? "It has no outputs" : "Nothing yet"}>
            {view.terminal ? `It was ${view.status} before it came to its end.` : "The outputs are shown here when the run has completed."}
          </Empty>
        )}
      </section>
      <section aria-labelledby="run-inputs">
        <h2 id="run-inputs">Inputs</h2>
        {isEmpty(view.inputs) ? <p className={css.none}>It was begun without inputs.</p> : <Value value={view.inputs} runId={runId} label="Inputs of the run" />}
      </section>
      <section aria-labelledby="run-spent">
        <h2 id="run-spent">Spent</h2>
        <dl className={css.facts}>
          <dt>Cost</dt>
          <dd title={text(view.usd)}>{usd(text(view.usd))}</dd>
          <dt>Tokens</dt>
          <dd>{count(number(view.tokens))}</dd>
          <dt>Steps</dt>
          <dd>{count(view.steps.size)}</dd>
          {limits.map(([name, value]) => (
            <div key={name} className={css.limit}>
              <dt>Limit of {name}</dt>
              <dd>{name === "usd" ? `$${value}` : String(value)}</dd>
            </div>
          ))}
        </dl>
      </section>
      {view.report !== null ? (
        <section aria-labelledby="run-report">
          <h2 id="run-report">Checked before it began</h2>
          <Value value={view.report} runId={runId} label="What was checked" />
        </section>
      ) : null}
    </div>
  );
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || (typeof value === "object" && Object.keys(value).length === 0);
}
