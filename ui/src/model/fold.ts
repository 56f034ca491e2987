// What each fact changes, one function a kind, as the server's `engine/view.py` has it. An event of a kind unknown here is
// counted and kept, and changes nothing: a newer server may say more than an older page understands.

import { add, decimal } from "./decimal.ts";
import { type Fields, IN_FLIGHT, type JournalEvent, stepsOf } from "./events.ts";
import { finish, goOn, halt, last, put, RunView, type StepView } from "./view.ts";

type Handler = (v: RunView, at: number, f: Fields, seq: number) => void;

/** Fold one event. Throws RangeError when its seq is not the next one. */
export function apply(view: RunView, event: JournalEvent): void {
  if (event.seq !== view.head + 1) throw new RangeError(`event ${event.seq} after ${view.head}`);
  view.events.push(event);
  view.updatedAt = event.at;
  view.kinds.set(event.kind, (view.kinds.get(event.kind) ?? 0) + 1);
  FOLD[event.kind]?.(view, event.at, event.data, event.seq);
  for (const id of stepsOf(event)) {
    const step = view.steps.get(id);
    if (step !== undefined) {
      step.seqs.push(event.seq);
      step.rev = event.seq;
    }
  }
}

/** The view of a run after `events`, of which the first is seq 1. */
export function fold(events: Iterable<JournalEvent>, runId: string | null = null): RunView {
  const view = new RunView(runId);
  for (const event of events) apply(view, event);
  return view;
}

function lose(v: RunView, step: StepView, at: number, why: string): void {
  finish(step, at, "lost", { code: "step.lost", message: why });
  goOn(step, at);
  v.move(step, "queued");
}

function charge(v: RunView, step: StepView | undefined, cost: Fields, sign: number): void {
  const tokens = decimal(cost.tokens ?? 0);
  const usd = decimal(cost.usd ?? 0);
  v.tokens = add(v.tokens, tokens, sign);
  v.usd = add(v.usd, usd, sign);
  if (step !== undefined) {
    step.tokens = add(step.tokens, tokens, sign);
    step.usd = add(step.usd, usd, sign);
  }
}

function say(kind: string): Handler {
  return (v, at, { step: id, ...data }, seq) => {
    const step = v.steps.get(id);
    if (step !== undefined) step.said = put(step.said, { at, seq, kind, data });
  };
}

function ended(v: RunView, at: number, f: Fields): StepView {
  const step = v.steps.get(f.step)!;
  const attempt = last(step.attempts)!;
  attempt.startedAt ??= f.started ?? null;
  attempt.executor ||= f.executor ?? "";
  step.cursor = at;
  return step;
}

const FOLD: Record<string, Handler> = {
  "run.created": (v, at, f) => {
    v.createdAt = at;
    v.workflow = f.workflow;
    v.version = f.version;
    v.fingerprint = f.fingerprint;
    v.inputs = f.inputs;
    v.group = f.group ?? "default";
    v.actor = f.actor ?? "local";
    v.mode = f.mode ?? "full_run";
    v.limits = f.limits ?? null;
    v.parent = f.parent ?? null;
    v.depth = f.depth ?? 0;
    v.trace = f.trace ?? null;
  },
  "run.checked": (v, _at, f) => {
    v.state = "queued";
    v.problems = f.problems ?? [];
    v.report = f.report ?? null;
  },
  "run.started": (v, at) => {
    v.state = "running";
    v.startedAt = at;
  },
  "run.forked": (v, at, f) => {
    v.forkedFrom = { run: f.source, at_seq: f.at_seq, actor: f.actor ?? "local", edits: f.edits ?? null, at };
    if (v.state === "paused") {
      v.state = "running";
      v.error = null;
    }
    v.reopen(at, f.edits ?? {});
    for (const step of [...v.open.values()]) {
      if (IN_FLIGHT.has(step.status) || step.child !== null) {
        step.child = step.until = null;
        lose(v, step, at, "forked");
      }
    }
  },
  "run.paused": (v, _at, f) => {
    v.state = "paused";
    v.error = f.error ?? null;
  },
  "run.resumed": (v, at, f) => {
    v.state = "running";
    v.error = null;
    v.reopen(at, f.edits ?? {});
  },
  "run.ending": (v, at, f) => {
    v.state = "running";
    v.ending = f.to;
    v.error = f.error ?? null;
    v.stopAll(at, false);
  },
  "run.completed": (v, at, f) => {
    v.over("completed", at);
    v.outputs = f.outputs ?? null;
    v.error = null;
  },
  "run.failed": (v, at, f) => {
    v.over("failed", at);
    v.error = f.error;
  },
  "run.cancelled": (v, at, f) => {
    v.over("cancelled", at);
    v.error = { code: "run.cancelled", message: f.reason || "cancelled" };
  },
  "node.opened": (v, _at, f) => {
    const node = v.node(f.node);
    node.status = "active";
    node.visit = f.visit;
    node.count = f.count;
    node.errors = [];
  },
  "node.completed": (v, _at, f) => {
    const node = v.node(f.node);
    node.status = "completed";
    node.taken = f.taken ?? null;
  },
  "node.skipped": (v, _at, f) => {
    v.node(f.node).status = "skipped";
  },
  "node.failed": (v, _at, f) => {
    const node = v.node(f.node);
    node.status = "failed";
    node.errors = [f.error];
    node.taken = f.taken ?? [];
  },
  "step.scheduled": (v, at, f) => {
    let step = v.steps.get(f.step);
    if (step === undefined) {
      step = v.begin(f.step, f.input ?? null, at);
      if (step.index === null) {
        const node = v.node(step.node);
        node.status = "active";
        node.visit = step.visit;
        node.errors = [];
      }
    } else {
      if (f.edited) step.input = f.input ?? null;
      goOn(step, at);
      step.retryAt = step.until = null;
    }
    step.cursor = at;
    step.attempts.push({
      attempt: f.attempt ?? 1, delivery: f.delivery ?? 1, scheduledAt: at, startedAt: null, endedAt: null,
      outcome: null, error: null, executor: "",
    });
    v.move(step, "scheduled");
  },
  "step.started": (v, _at, f) => {
    const step = v.steps.get(f.step)!;
    const attempt = last(step.attempts)!;
    attempt.startedAt = step.cursor = f.started;
    attempt.executor = f.executor ?? "";
    v.move(step, "running");
  },
  "steps.lost": (v, at, f) => {
    for (const id of f.steps) lose(v, v.steps.get(id)!, at, f.why);
  },
  "steps.ready": (v, at, f) => {
    for (const id of f.steps) {
      const step = v.steps.get(id)!;
      step.retryAt = step.until = null;
      goOn(step, at);
      v.move(step, "queued");
    }
  },
  "step.noted": (v, _at, f, seq) => {
    const step = v.steps.get(f.step)!;
    for (const [at, text] of f.lines) {
      const line = { at, seq, step: f.step, text };
      step.notes = put(step.notes, line);
      v.log.push(line);
    }
  },
  "step.kept": (v, at, f, seq) => {
    const step = v.steps.get(f.step)!;
    const start = Math.min(step.cursor, at);
    step.kept = put(step.kept, { key: f.key, at, seq, start, repeated: f.repeated ?? false, value: f.value ?? null });
    step.cursor = at;
    if (step.resume === f.key && step.status === "waiting") {
      goOn(step, at);
      step.ask = step.child = step.until = step.resume = null;
      v.move(step, "queued");
    }
  },
  "spend.reserved": (v, at, f) => {
    const step = v.steps.get(f.step);
    v.reserved.set(`${f.step}\n${f.key}`, f.cost);
    charge(v, step, f.cost, 1);
    if (step !== undefined) step.cursor = at;
  },
  "spend.settled": (v, _at, f) => {
    const step = v.steps.get(f.step);
    const key = `${f.step}\n${f.key}`;
    charge(v, step, v.reserved.get(key) ?? {}, -1);
    v.reserved.delete(key);
    charge(v, step, f.cost, 1);
  },
  "spend.refused": say("spend.refused"),
  "route.chosen": say("route.chosen"),
  "policy.decided": say("policy.decided"),
  "consent.given": say("consent.given"),
  "breaker.moved": say("breaker.moved"),
  "task.moved": say("task.moved"),
  "step.waiting": (v, at, f) => {
    const step = v.steps.get(f.step)!;
    finish(step, at, "waiting");
    halt(step, f.ask != null ? "person" : f.child != null ? "child" : "timer", at);
    step.until = f.child != null ? null : (f.until ?? null);
    step.ask = f.ask ?? null;
    step.child = f.child ?? null;
    step.resume = f.resume ?? null;
    v.keep(step, at, f.artifacts);
    v.move(step, "waiting");
  },
  "step.completed": (v, at, f) => {
    const step = ended(v, at, f);
    const attempt = last(step.attempts)!;
    attempt.endedAt = at;
    attempt.outcome = "completed";
    step.output = f.output ?? null;
    step.answer = f.answer ?? null;
    step.taken = f.taken ?? null;
    step.error = null;
    v.keep(step, at, f.artifacts);
    v.end(step, "completed", at);
  },
  "step.failed": (v, at, f) => {
    const step = ended(v, at, f);
    finish(step, at, "failed", f.error);
    step.error = f.error;
    if (f.retry_at == null) {
      step.taken = f.taken ?? null;
      v.end(step, "failed", at);
    } else {
      step.retryAt = f.retry_at;
      halt(step, "retry", at);
      v.move(step, "retrying");
    }
  },
  "step.paused": (v, at, f) => {
    const step = v.steps.get(f.step)!;
    finish(step, at, "paused", f.error);
    step.error = f.error;
    halt(step, "error", at);
    v.move(step, "paused");
  },
  "step.cancelled": (v, at, f) => {
    const step = v.steps.get(f.step)!;
    finish(step, at, "cancelled", { code: "step.cancelled", message: f.why ?? "cancelled" });
    v.end(step, "cancelled", at);
  },
};
