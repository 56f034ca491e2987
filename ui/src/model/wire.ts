// A view as the API writes it: what the fold here and the fold on the server are held against, and what is copied as JSON.

import { normal, number, text } from "./decimal.ts";
import type { Fields } from "./events.ts";
import type { Attempt, RunView, StepView } from "./view.ts";

const FAR = 253402300800;

/** Seconds since the epoch as RFC 3339 text in UTC, to the millisecond; halves go to the even one, as on the server. */
export function rfc3339(at: number | null | undefined): string | null {
  if (at === null || at === undefined) return null;
  const exact = at * 1000;
  let whole = Math.round(exact);
  if (whole - exact === 0.5 && whole % 2 !== 0) whole--;
  return whole < FAR * 1000 ? new Date(whole).toISOString() : "9999-12-31T23:59:59.999Z";
}

export function runJson(view: RunView): Fields {
  const tokens = number(view.tokens);
  return {
    run_id: view.runId,
    status: view.status,
    workflow: view.workflow,
    version: view.version,
    fingerprint: view.fingerprint,
    mode: view.mode,
    group: view.group,
    actor: view.actor,
    head: view.head,
    created_at: rfc3339(view.createdAt),
    updated_at: rfc3339(view.updatedAt),
    started_at: rfc3339(view.startedAt),
    ended_at: rfc3339(view.endedAt),
    ending: view.ending,
    inputs: view.inputs,
    outputs: view.outputs,
    error: view.error,
    limits: view.limits,
    problems: view.problems,
    report: view.report,
    spent: { tokens, usd: text(view.usd), steps: view.steps.size },
    parent: view.parent,
    depth: view.depth,
    trace: view.trace,
    forked_from: view.forkedFrom === null ? null : { ...view.forkedFrom, at: rfc3339(view.forkedFrom.at) },
    nodes: Object.fromEntries(
      [...view.nodes].map(([name, node]) => {
        const steps = Object.fromEntries([...node.steps].filter(([, count]) => count > 0));
        return [name, { status: node.status, visit: node.visit, count: node.count, steps, errors: node.errors }];
      }),
    ),
    steps: view.order.map(stepJson),
    steps_total: view.steps.size,
    artifacts: [...view.artifacts.values()].map((one) => ({ ...one, at: rfc3339(one.at) })),
    log: view.log.map((line) => ({ at: rfc3339(line.at), seq: line.seq, step: line.step, text: line.text })),
    log_total: view.log.length,
  };
}

export function stepJson(step: StepView): Fields {
  return {
    id: step.id,
    node: step.node,
    index: step.index,
    visit: step.visit,
    status: step.status,
    attempts: step.attempts.map(attemptJson),
    input: step.input,
    output: step.output,
    error: step.error,
    artifacts: step.artifacts,
    notes: step.notes.map((line) => ({ at: rfc3339(line.at), text: line.text })),
    kept: step.kept.map((kept) => ({ key: kept.key, at: rfc3339(kept.at), repeated: kept.repeated, value: kept.value })),
    said: step.said.map((one) => ({ at: rfc3339(one.at), kind: one.kind, ...one.data })),
    tokens: number(step.tokens),
    usd: text(normal(step.usd)),
    ask: step.ask,
    answer: step.answer === null ? null : { ...step.answer, at: rfc3339(step.answer.at) },
    child: step.child,
    retry_at: rfc3339(step.retryAt),
    until: rfc3339(step.until),
    ended_at: rfc3339(step.endedAt),
    taken: step.taken,
  };
}

function attemptJson(one: Attempt): Fields {
  return {
    attempt: one.attempt,
    delivery: one.delivery,
    scheduled_at: rfc3339(one.scheduledAt),
    started_at: rfc3339(one.startedAt),
    ended_at: rfc3339(one.endedAt),
    outcome: one.outcome,
    error: one.error,
    executor: one.executor,
  };
}
