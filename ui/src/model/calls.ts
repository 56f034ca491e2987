// The calls of a step, read from the keys under which they were kept: `model:3` is the third request to a model, `tool:3.1:ID`
// the first tool call of its answer, `task:NAME/…` the same within a task of a crew. Whatever else was kept is a call too.

import type { Fields } from "./events.ts";
import type { Kept, Said, StepView } from "./view.ts";

export interface Call {
  kept: Kept;
  /** the key without the task before it */
  name: string;
  task: string | null;
  agent: string | null;
  what: "model" | "tool" | "tools" | "answer" | "other";
  turn: number | null;
  number: number | null;
  /** of a tool call, as the model named it */
  id: string | null;
  label: string;
  failed: boolean;
}

export interface Place {
  task: string | null;
  what: Call["what"];
  turn: number | null;
  number: number | null;
  id: string | null;
  name: string;
}

const MODEL = /^model:(\d+)$/;
const TOOL = /^tool:(\d+)\.(\d+):(.*)$/s;
const OF_TASK = /^task:(.*)\/(model:\d+|tools|tool:\d+\.\d+:.*)$/s; // greedy: a task that was handed on has a call in its name

/** What a key says about the call that was kept under it. */
export function placeOf(key: string): Place {
  const within = OF_TASK.exec(key) ?? /^task:(.*)\/([^/]*)$/s.exec(key);
  const task = within?.[1] ?? null;
  const name = within?.[2] ?? key;
  const model = MODEL.exec(name);
  if (model !== null) return { task, name, what: "model", turn: Number(model[1]), number: null, id: null };
  const tool = TOOL.exec(name);
  if (tool !== null) {
    return { task, name, what: "tool", turn: Number(tool[1]), number: Number(tool[2]), id: tool[3]! };
  }
  const what = name === "tools" ? "tools" : /(^|\/)(approval|consent|review)(:|$)/.test(key) ? "answer" : "other";
  return { task, name, what, turn: null, number: null, id: null };
}

/** The calls of a step in the order in which they returned. */
export function callsOf(step: StepView): Call[] {
  const agents = agentsOf(step);
  const asked = new Map<string, Fields>();
  return step.kept.map((kept) => {
    const place = placeOf(kept.key);
    const value = kept.value as Fields | null;
    let label = place.name;
    let failed = false;
    if (place.what === "model") {
      label = String(value?.["asked"] ?? value?.["model"] ?? "model").replace(/:$/, "");
      for (const [n, call] of ((value?.["calls"] ?? []) as Fields[]).entries()) {
        asked.set(`${place.task}\n${place.turn}.${n + 1}`, call);
      }
    } else if (place.what === "tool") {
      label = asked.get(`${place.task}\n${place.turn}.${place.number}`)?.["name"] ?? "tool";
      failed = value?.["failed"] === true;
    } else if (place.what === "tools") label = "list of tools";
    else if (place.what === "answer") label = "answer of a person";
    const agent = place.task === null ? null : (agents.get(place.task) ?? (place.task.includes("/guardrail:") ? "guardrail" : null));
    return { kept, ...place, agent, label, failed };
  });
}

/** The last thing said of each task: {task, agent, status, parent}, in the order of their beginning. */
export function tasksOf(step: StepView): Map<string, { agent: string; status: string; parent: string | null; start: number; end: number | null }> {
  const tasks = new Map<string, { agent: string; status: string; parent: string | null; start: number; end: number | null }>();
  for (const one of said(step, "task.moved")) {
    const { task, agent, status, parent } = one.data;
    const known = tasks.get(task);
    const over = status === "started" ? null : one.at;
    if (known === undefined) tasks.set(task, { agent, status, parent: parent ?? null, start: one.at, end: over });
    else Object.assign(known, { agent, status, end: over });
  }
  return tasks;
}

function agentsOf(step: StepView): Map<string, string> {
  const agents = new Map<string, string>();
  for (const [task, { agent }] of tasksOf(step)) agents.set(task, agent);
  for (const task of (Array.isArray(step.input?.tasks) ? step.input.tasks : []) as Fields[]) {
    if (!agents.has(task["name"]) && typeof task["agent"] === "string") agents.set(task["name"], task["agent"]);
  }
  return agents;
}

/** What was said of a step, of one kind. */
export function said(step: StepView, kind: string): Said[] {
  return step.said.filter((one) => one.kind === kind);
}

/** What was said about one call: the route that was chosen for it, the policies that spoke. */
export function saidOf(step: StepView, key: string): Said[] {
  return step.said.filter((one) => {
    const about = one.data["key"];
    return typeof about === "string" && (about === key || about.startsWith(`${key}/`) || key.startsWith(`${about}/`));
  });
}
