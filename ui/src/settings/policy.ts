// A policy as a form has it, and what is sent of it. Pure. A group says only what it wants different, so only that is sent.

import type { Policy } from "../api/schema.d.ts";

export type Point = Policy["on"][number];
export type Outcome = Policy["then"];
export type What = Policy["what"][number];

export const POINTS: { value: Point; label: string }[] = [
  { value: "run.start", label: "Before a run begins" },
  { value: "model.call", label: "Before a model is asked" },
  { value: "model.result", label: "When a model has answered" },
  { value: "tool.call", label: "Before a tool is called" },
  { value: "tool.result", label: "When a tool has answered" },
];

export const OUTCOMES: { value: Outcome; label: string; means: string }[] = [
  { value: "abort", label: "End the run", means: "the run ends" },
  { value: "deny", label: "Refuse it", means: "the call is not made, or what came back is not used" },
  { value: "pause", label: "Pause the run", means: "the run waits until somebody resumes it" },
  { value: "require_approval", label: "Ask a person", means: "it goes on when a person approves" },
  { value: "redact", label: "Take something out", means: "what is found is replaced before it goes on" },
  { value: "allow", label: "Allow it", means: "policies of lower priority are not asked" },
];

export const WHATS: { value: What; label: string }[] = [
  { value: "secrets", label: "Secrets" },
  { value: "pii", label: "Personal data" },
  { value: "injection", label: "Orders to models" },
];

export interface Draft {
  on: Point[];
  when: string;
  then: Outcome;
  what: What[];
  message: string;
  priority: number;
  enabled: boolean;
}

export const blank: Draft = { on: ["tool.call"], when: "", then: "require_approval", what: [], message: "", priority: 0, enabled: true };

export function draftOf(policy: Policy): Draft {
  const { on, then, what, message, priority, enabled } = policy;
  return { on, then, what, message, priority, enabled, when: policy.when === null ? "" : String(policy.when) };
}

/** All that a draft says. */
export function bodyOf(draft: Draft): Record<string, unknown> {
  return {
    on: draft.on,
    then: draft.then,
    message: draft.message.trim(),
    priority: draft.priority,
    enabled: draft.enabled,
    ...(draft.when.trim() ? { when: conditionOf(draft.when) } : {}),
    ...(draft.then === "redact" ? { what: draft.what } : {}),
  };
}

/** What is sent of a changed policy: what the group said before, and what is different now. */
export function changesOf(draft: Draft, before: Policy): Record<string, unknown> {
  const old = draftOf(before);
  const said = new Set(before.changed);
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(draft) as (keyof Draft)[]) {
    const different = JSON.stringify(draft[key]) !== JSON.stringify(old[key]);
    if (!different && !said.has(key)) continue;
    out[key] = key === "when" ? (draft.when.trim() ? conditionOf(draft.when) : null) : draft[key];
  }
  return out;
}

const conditionOf = (text: string): string | boolean => (text.trim() === "true" ? true : text.trim() === "false" ? false : text.trim());

/** Why the server cannot read the policies, in words that fit beside the condition; null where it can. */
export function unreadable(said: { policy: string | null; message: string } | undefined): string | null {
  const found = said?.policy === "policies" ? /^they cannot be read: (.*)$/s.exec(said.message) : null;
  return found ? found[1]!.replace(/ \(in \$\{\{.*\}\} at character (\d+), \/[^)]*\)$/s, ", at character $1") : null;
}
