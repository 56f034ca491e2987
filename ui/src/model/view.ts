// Everything people see of a run: a pure fold of its journal, the same as the server's `engine/view.py`, so that a page
// needs the events and nothing else. It grows by one event at a time, in a time that does not depend on how many there
// were. Steps are changed in place and carry `rev`, the seq of the last event that changed them.
//
// Times are seconds since the epoch. Beyond what the server shows, a step also knows when each kept call began, which
// servers were chosen and why, what policies said, how its tasks moved and what it spent.

import { type Decimal, ZERO } from "./decimal.ts";
import { type Fields, HALTED, IN_FLIGHT, type JournalEvent, parseStepId, TERMINAL } from "./events.ts";

export interface Attempt {
  attempt: number;
  delivery: number;
  scheduledAt: number;
  startedAt: number | null;
  endedAt: number | null;
  /** null while it goes on, then completed, failed, paused, waiting, lost or cancelled */
  outcome: string | null;
  error: Fields | null;
  executor: string;
}

/** A time in which a step ran nothing. why: person, child, timer, retry or error. */
export interface Pause {
  why: string;
  start: number;
  end: number | null;
}

export interface Line {
  at: number;
  seq: number;
  step: string;
  text: string;
}

export interface Kept {
  key: string;
  at: number;
  seq: number;
  /** when the call began, as far as the journal tells: after whatever came before it in its step */
  start: number;
  repeated: boolean;
  value: any;
}

/** Something a step did that changes nothing in its state: a route, a policy's word, a consent, a breaker, a task, a refusal. */
export interface Said {
  at: number;
  seq: number;
  kind: string;
  data: Fields;
}

export interface StepView {
  id: string;
  node: string;
  index: number | null;
  visit: number;
  input: any;
  status: string;
  attempts: Attempt[];
  output: any;
  error: Fields | null;
  artifacts: Fields[];
  notes: Line[];
  kept: Kept[];
  waits: Pause[];
  ask: Fields | null;
  answer: Fields | null;
  child: Fields | null;
  retryAt: number | null;
  until: number | null;
  taken: string[] | null;
  endedAt: number | null;
  /** seqs of the events that name this step */
  seqs: number[];
  rev: number;
  said: Said[];
  /** the key under which what it waits for will be kept, before it runs again */
  resume: string | null;
  tokens: Decimal;
  usd: Decimal;
  /** when the last thing in this step was over: the next kept call began then */
  cursor: number;
}

export interface NodeView {
  status: string;
  visit: number;
  count: number | null;
  steps: Map<string, number>;
  errors: Fields[];
  /** its steps, in the order of scheduling */
  list: StepView[];
  /** successors gone to by a `for_each` node as a whole, or by one that could not start; undefined until then */
  taken?: string[] | null;
}

export interface Artifact {
  name: string;
  digest: string;
  size: number | null;
  mime: string;
  step: string;
  at: number;
}

const NOTHING: readonly never[] = Object.freeze([]);

export class RunView {
  readonly runId: string | null;
  readonly events: JournalEvent[] = [];
  /** as the journal says; people are shown `status` */
  state = "validating";
  workflow = "";
  version = 0;
  fingerprint = "";
  mode = "full_run";
  group = "default";
  actor = "local";
  createdAt = 0;
  updatedAt = 0;
  startedAt: number | null = null;
  endedAt: number | null = null;
  inputs: any = null;
  outputs: any = null;
  error: Fields | null = null;
  limits: Fields | null = null;
  problems: Fields[] = [];
  report: Fields | null = null;
  parent: Fields | null = null;
  depth = 0;
  trace: string | null = null;
  forkedFrom: Fields | null = null;
  ending: string | null = null;
  tokens: Decimal = ZERO;
  usd: Decimal = ZERO;
  readonly nodes = new Map<string, NodeView>();
  /** in the order of scheduling */
  readonly steps = new Map<string, StepView>();
  readonly order: StepView[] = [];
  readonly artifacts = new Map<string, Artifact>();
  readonly log: Line[] = [];
  /** kinds of events seen, and how many of each */
  readonly kinds = new Map<string, number>();
  readonly open = new Map<string, StepView>();
  readonly reserved = new Map<string, Fields>();
  private running = 0;
  private halted = 0;

  constructor(runId: string | null = null) {
    this.runId = runId;
  }

  get head(): number {
    return this.events.length;
  }

  get terminal(): boolean {
    return TERMINAL.has(this.state);
  }

  /** `waiting` is a running run in which nothing runs. */
  get status(): string {
    return this.state === "running" && this.running === 0 && this.halted > 0 ? "waiting" : this.state;
  }

  /** The steps that wait for a person's answer. */
  questions(): StepView[] {
    return [...this.open.values()].filter((step) => step.status === "waiting" && step.ask !== null);
  }

  // ------------------------------------------------------------------------------------------- for the fold alone

  node(name: string): NodeView {
    let node = this.nodes.get(name);
    if (node === undefined) {
      node = { status: "active", visit: 0, count: null, steps: new Map(), errors: [], list: [] };
      this.nodes.set(name, node);
    }
    return node;
  }

  begin(id: string, input: any, at: number): StepView {
    const { node, visit, index } = parseStepId(id);
    const step: StepView = {
      id, node, visit, index, input, status: "", attempts: [], output: null, error: null, artifacts: empty(),
      notes: empty(), kept: empty(), waits: empty(), ask: null, answer: null, child: null, retryAt: null, until: null,
      taken: null, endedAt: null, seqs: [], rev: 0, said: empty(), resume: null, tokens: ZERO, usd: ZERO, cursor: at,
    };
    this.steps.set(id, step);
    this.order.push(step);
    this.open.set(id, step);
    this.node(node).list.push(step);
    return step;
  }

  move(step: StepView, status: string): void {
    const counts = this.node(step.node).steps;
    const old = step.status;
    if (IN_FLIGHT.has(old)) this.running--;
    else if (HALTED.has(old)) this.halted--;
    if (old) counts.set(old, (counts.get(old) ?? 0) - 1);
    if (IN_FLIGHT.has(status)) this.running++;
    else if (HALTED.has(status)) this.halted++;
    counts.set(status, (counts.get(status) ?? 0) + 1);
    step.status = status;
    step.rev = this.head;
  }

  end(step: StepView, status: string, at: number): void {
    this.move(step, status);
    step.endedAt = at;
    step.until = step.retryAt = null;
    this.open.delete(step.id);
    goOn(step, at);
    const node = this.node(step.node);
    if (step.index === null) node.status = status;
    if (status === "failed" && step.error !== null) {
      node.errors.push(step.index === null ? step.error : { index: step.index, ...step.error });
    }
  }

  keep(step: StepView, at: number, artifacts: Fields[] | null | undefined): void {
    for (const one of artifacts ?? []) {
      step.artifacts = put(step.artifacts, one);
      this.artifacts.set(one.name, {
        name: one.name, digest: one.artifact, size: one.size ?? null, mime: one.mime || "application/octet-stream",
        step: step.id, at,
      });
    }
  }

  reopen(at: number, edits: Fields): void {
    for (const step of [...this.open.values()]) {
      const edited = Object.hasOwn(edits, step.id);
      if (edited) {
        step.input = edits[step.id];
        step.kept = empty();
      }
      if (step.status === "paused" || (edited && HALTED.has(step.status))) {
        goOn(step, at);
        step.until = step.retryAt = null;
        this.move(step, "queued");
      }
    }
  }

  stopAll(at: number, inFlightToo: boolean): void {
    for (const step of [...this.open.values()]) {
      if (inFlightToo || !IN_FLIGHT.has(step.status)) {
        finish(step, at, "cancelled");
        this.end(step, "cancelled", at);
      }
    }
  }

  over(status: string, at: number): void {
    this.stopAll(at, true);
    for (const node of this.nodes.values()) if (node.status === "active") node.status = "cancelled";
    this.state = status;
    this.endedAt = at;
    this.ending = null;
  }
}

/** A list that takes no memory until something is put into it: most steps have neither notes nor waits. */
export function empty<T>(): T[] {
  return NOTHING as unknown as T[];
}

export function put<T>(list: T[], item: T): T[] {
  if ((list as unknown) === NOTHING) return [item];
  list.push(item);
  return list;
}

export function last<T>(list: readonly T[]): T | undefined {
  return list[list.length - 1];
}

/** The step's pause, if it is in one, is over. */
export function goOn(step: StepView, at: number): void {
  const pause = last(step.waits);
  if (pause !== undefined && pause.end === null) {
    pause.end = at;
    step.cursor = at;
  }
}

export function halt(step: StepView, why: string, at: number): void {
  goOn(step, at);
  step.waits = put(step.waits, { why, start: at, end: null });
}

/** The attempt under way is over. */
export function finish(step: StepView, at: number, outcome: string, error: Fields | null = null): void {
  const attempt = last(step.attempts);
  if (attempt !== undefined && (attempt.outcome === null || attempt.outcome === "waiting")) {
    attempt.endedAt = at;
    attempt.outcome = outcome;
    attempt.error = error;
  }
}
