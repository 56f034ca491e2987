// A run as a waterfall: rows (nodes, steps, and in a step its agents, tasks and calls) over one axis of time, and what lies on
// a row as segments. Rows are made for the whole run, segments only for the rows that are seen.

import { type Call, callsOf, tasksOf } from "./calls.ts";
import type { RunView, StepView } from "./view.ts";

export interface Row {
  id: string;
  kind: "node" | "step" | "agent" | "task" | "call";
  depth: number;
  label: string;
  hint: string;
  status: string;
  /** there is something below it, shown or not */
  open: boolean | null;
  /** how many steps or calls there are below it */
  size: number;
  step: StepView | null;
  steps: StepView[] | null;
  call: Call | null;
  start: number;
  end: number | null;
  /** the last row that belongs to it, its own index when there is none below */
  parent: string | null;
}

export interface Segment {
  kind: "queued" | "run" | "wait" | "call" | "span" | "heat";
  /** of a run: how the attempt ended; of a wait: why; of a call: model, tool or other; of heat: the worst status */
  what: string;
  start: number;
  end: number;
  label: string;
}

export interface Span {
  from: number;
  to: number;
}

const FEW = 24; // steps of a node that are shown without being asked for
const CALLS = 12; // calls of a step, likewise
const CROWD = 150; // steps in a run above which calls are only shown when asked for
const BUCKETS = 240;

const RANK = ["completed", "cancelled", "scheduled", "queued", "running", "waiting", "retrying", "paused", "failed"];

/** Whether a row was opened or shut by hand; undefined when nobody said. */
export type IsOpen = (row: string) => boolean | undefined;

/** The rows of a run in the order of beginning. */
export function rowsOf(view: RunView, isOpen: IsOpen = () => undefined): Row[] {
  const rows: Row[] = [];
  const crowded = view.order.length > CROWD;
  const nodes = [...view.nodes].filter(([, node]) => node.list.length > 0);
  nodes.sort(([, a], [, b]) => begun(a.list[0]!) - begun(b.list[0]!));
  for (const [name, node] of nodes) {
    const many = node.list.length > 1 || node.list[0]!.index !== null;
    let shown = true;
    if (many) {
      const id = `node:${name}`;
      shown = isOpen(id) ?? (node.list.length <= FEW || nodes.length === 1);
      rows.push({
        id, kind: "node", depth: 0, label: name, hint: counted(node.list), status: node.status, open: shown, size: node.list.length, step: null,
        steps: node.list, call: null, start: begun(node.list[0]!), end: finished(node.list), parent: null,
      });
    }
    if (shown) for (const step of node.list) addStep(rows, step, many, isOpen, crowded);
  }
  return rows;
}

function addStep(rows: Row[], step: StepView, within: boolean, isOpen: IsOpen, crowded: boolean): void {
  const depth = within ? 1 : 0;
  const id = `step:${step.id}`;
  const tasks = step.said.length > 0 ? tasksOf(step) : new Map<string, never>();
  const below = step.kept.length > 0 || tasks.size > 0;
  const wide = tasks.size > 0 || (step.kept.length <= CALLS && step.kept.some((kept) => kept.key.includes("model:")));
  const shown = below ? (isOpen(id) ?? (wide && !crowded)) : null;
  rows.push({
    id, kind: "step", depth, label: within ? step.id.slice(step.node.length) : step.id.endsWith("#1") ? step.node : step.id, hint: "",
    status: step.status, open: shown, size: step.kept.length, step, steps: null, call: null, start: begun(step), end: step.endedAt,
    parent: within ? `node:${step.node}` : null,
  });
  if (!shown) return;
  const calls = callsOf(step);
  if (tasks.size === 0 && calls.every((call) => call.task === null)) {
    for (const call of calls) rows.push(callRow(step, call, depth + 1, id));
    return;
  }
  const names = new Set([...tasks.keys(), ...calls.flatMap((call) => (call.task === null ? [] : [call.task]))]);
  const agents = new Map<string, string[]>();
  for (const name of names) {
    const agent = tasks.get(name)?.agent ?? calls.find((call) => call.task === name)?.agent ?? "?";
    agents.set(agent, [...(agents.get(agent) ?? []), name]);
  }
  for (const call of calls) if (call.task === null) rows.push(callRow(step, call, depth + 1, id));
  for (const [agent, mine] of agents) {
    const agentId = `agent:${step.id}:${agent}`;
    const ofAgent = calls.filter((call) => call.task !== null && mine.includes(call.task));
    const told = mine.flatMap((name) => tasks.get(name) ?? []);
    const agentShown = isOpen(agentId) ?? true;
    rows.push({
      id: agentId, kind: "agent", depth: depth + 1, label: agent, hint: `${mine.length} ${mine.length === 1 ? "task" : "tasks"}`,
      status: worst(told.map((task) => taskStatus(task.status, step))), open: agentShown, size: ofAgent.length, step, steps: null, call: null,
      start: Math.min(...told.map((task) => task.start), ...ofAgent.map((call) => call.kept.start)), parent: id,
      end: told.some((task) => task.end === null) ? step.endedAt : Math.max(...told.map((task) => task.end!), ...ofAgent.map((call) => call.kept.at)),
    });
    if (!agentShown) continue;
    for (const name of mine) {
      const task = tasks.get(name);
      const inTask = ofAgent.filter((call) => call.task === name);
      const taskId = `task:${step.id}:${name}`;
      const taskShown = inTask.length > 0 ? (isOpen(taskId) ?? inTask.length <= CALLS) : null;
      rows.push({
        id: taskId, kind: "task", depth: depth + 2, label: name, hint: task?.parent ? `for ${task.parent}` : "",
        status: task ? taskStatus(task.status, step) : "completed", open: taskShown, size: inTask.length, step, steps: null, call: null,
        start: task?.start ?? inTask[0]!.kept.start, end: task ? (task.end ?? step.endedAt) : inTask.at(-1)!.kept.at, parent: agentId,
      });
      if (taskShown) for (const call of inTask) rows.push(callRow(step, call, depth + 3, taskId));
    }
  }
}

function callRow(step: StepView, call: Call, depth: number, parent: string): Row {
  return {
    id: `call:${step.id}:${call.kept.seq}`, kind: "call", depth, label: call.label, hint: call.turn === null ? call.name : `turn ${call.turn}`,
    status: call.failed ? "failed" : "completed", open: null, size: 0, step, steps: null, call, start: call.kept.start, end: call.kept.at, parent,
  };
}

function taskStatus(status: string, step: StepView): string {
  if (status !== "started") return status;
  return step.endedAt === null ? step.status : step.status === "completed" ? "completed" : "cancelled";
}

/** What lies on a row, within its own time; what goes on ends `now`. */
export function segmentsOf(row: Row, now: number, span: Span): Segment[] {
  const end = row.end ?? now;
  if (row.kind === "call") {
    return [{ kind: "call", what: row.call!.failed ? "failed" : row.call!.what, start: row.start, end, label: row.label }];
  }
  if (row.kind === "node") return heat(row.steps!, now, span);
  if (row.kind === "step") return stepSegments(row.step!, now);
  return [{ kind: "span", what: row.status, start: row.start, end, label: row.label }];
}

/** Attempts without the times in which nothing ran, the time before each began, and the waits. */
export function stepSegments(step: StepView, now: number): Segment[] {
  const out: Segment[] = [];
  for (const attempt of step.attempts) {
    const began = attempt.startedAt ?? attempt.scheduledAt;
    if (began > attempt.scheduledAt) {
      out.push({ kind: "queued", what: "queued", start: attempt.scheduledAt, end: began, label: "waiting to be begun" });
    }
    const what = attempt.outcome === "waiting" ? "completed" : (attempt.outcome ?? (attempt.startedAt === null ? "scheduled" : "running"));
    const numbered = step.attempts.length > 1 ? `attempt ${attempt.attempt}${attempt.delivery > 1 ? `, delivery ${attempt.delivery}` : ""}` : "";
    let from = began;
    const until = attempt.endedAt ?? now;
    for (const pause of step.waits) {
      if (pause.start >= until || (pause.end ?? now) <= from) continue;
      if (pause.start > from) out.push({ kind: "run", what, start: from, end: pause.start, label: numbered });
      from = Math.max(from, pause.end ?? now);
    }
    if (from < until || (from === until && from === began)) out.push({ kind: "run", what, start: from, end: until, label: numbered });
  }
  for (const pause of step.waits) {
    out.push({ kind: "wait", what: pause.why, start: pause.start, end: pause.end ?? now, label: WAITS[pause.why] ?? pause.why });
  }
  return out;
}

export const WAITS: Record<string, string> = {
  person: "waits for a person",
  child: "waits for another run",
  timer: "waits for its time",
  retry: "waits for the next attempt",
  error: "waits to be mended",
};

/** Many steps on one line: for each slice of time the worst of what went on in it. */
function heat(steps: StepView[], now: number, span: Span): Segment[] {
  const width = (span.to - span.from) / BUCKETS;
  if (width <= 0) return [];
  const ranks = new Int8Array(BUCKETS).fill(-1);
  for (const step of steps) {
    const rank = RANK.indexOf(step.status);
    const first = Math.max(0, Math.floor((begun(step) - span.from) / width));
    const last = Math.min(BUCKETS - 1, Math.floor(((step.endedAt ?? now) - span.from) / width));
    for (let n = first; n <= last; n++) if (rank > ranks[n]!) ranks[n] = rank;
  }
  const out: Segment[] = [];
  for (let n = 0; n < BUCKETS; n++) {
    const rank = ranks[n]!;
    if (rank < 0) continue;
    const before = out.at(-1);
    const start = span.from + n * width;
    if (before !== undefined && before.what === RANK[rank] && before.end >= start - width / 1e6) before.end = start + width;
    else out.push({ kind: "heat", what: RANK[rank]!, start, end: start + width, label: RANK[rank]! });
  }
  return out;
}

/** How much goes on in each of `count` slices of the run: for the strip above the waterfall. */
export function density(view: RunView, now: number, count: number): { busy: Float32Array; failed: Uint8Array } {
  const { from, to } = extent(view, now);
  const busy = new Float32Array(count);
  const failed = new Uint8Array(count);
  const width = (to - from) / count || 1;
  const slot = (at: number) => Math.max(0, Math.min(count - 1, Math.floor((at - from) / width)));
  for (const step of view.order) {
    for (const attempt of step.attempts) {
      const first = slot(attempt.startedAt ?? attempt.scheduledAt);
      const last = slot(attempt.endedAt ?? now);
      for (let n = first; n <= last; n++) busy[n]! += 1;
      if (attempt.outcome === "failed" || attempt.outcome === "lost") failed[last] = 1;
    }
  }
  return { busy, failed };
}

/**
 * From the run's beginning to its end, or to now; never empty. While a run does nothing but wait, it is shown a little beyond
 * the last thing that happened: a day of waiting must not make a line of all that went before.
 */
export function extent(view: RunView, now: number): Span {
  const last = Math.max(view.endedAt ?? 0, view.updatedAt);
  const idle = view.terminal ? last : view.status === "waiting" || view.status === "paused" ? Math.min(now, last + (last - view.createdAt) / 4) : now;
  const to = Math.max(idle, last);
  return { from: view.createdAt, to: Math.max(to, view.createdAt + 0.001) };
}

/** Round places on an axis of `seconds` length: at most `most`, at 1, 2 or 5 times a power of ten, or at whole minutes and hours. */
export function ticks(from: number, to: number, most: number): number[] {
  const steps = [60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800];
  const rough = (to - from) / Math.max(1, most);
  let step = steps.find((one) => one >= rough) ?? Math.ceil(rough / 604_800) * 604_800;
  if (rough < 30) {
    const power = 10 ** Math.floor(Math.log10(rough || 1e-6));
    step = [1, 2, 5, 10].map((n) => n * power).find((one) => one >= rough * 0.999)!;
  }
  const out: number[] = [];
  for (let n = Math.ceil(from / step - 1e-9) + 0; n * step <= to + step * 1e-9; n++) out.push(n * step);
  return out;
}

/** Begun when it was first sent. */
export function begun(step: StepView): number {
  return step.attempts[0]?.scheduledAt ?? step.cursor;
}

function finished(steps: StepView[]): number | null {
  let end = 0;
  for (const step of steps) {
    if (step.endedAt === null) return null;
    if (step.endedAt > end) end = step.endedAt;
  }
  return end;
}

function counted(steps: StepView[]): string {
  let failed = 0;
  let done = 0;
  for (const step of steps) {
    if (step.status === "failed") failed++;
    if (step.endedAt !== null) done++;
  }
  const all = done === steps.length ? `${steps.length}` : `${done} of ${steps.length}`;
  return failed > 0 ? `${all}, ${failed} failed` : all;
}

function worst(statuses: string[]): string {
  let rank = -1;
  for (const status of statuses) rank = Math.max(rank, RANK.indexOf(status));
  return RANK[rank] ?? "completed";
}
