// What a journal says, as it comes over the wire: `seq` 1, 2, 3 … without a gap, `at` in seconds since the epoch, a kind,
// and the fields of that kind. Fields that hold their default are left out by the server; the fold puts them back.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Fields = Record<string, any>;

export interface JournalEvent {
  seq: number;
  at: number;
  kind: string;
  data: Fields;
}

export const TERMINAL: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);
export const IN_FLIGHT: ReadonlySet<string> = new Set(["scheduled", "running"]);
export const HALTED: ReadonlySet<string> = new Set(["waiting", "retrying"]);

export interface StepName {
  node: string;
  visit: number;
  index: number | null;
}

/** `review#2` is the second visit of `review`; `scan#1.17` the item 17 of the first visit of `scan`. */
export function parseStepId(step: string): StepName {
  const hash = step.indexOf("#");
  const dot = step.indexOf(".", hash);
  return {
    node: hash < 0 ? step : step.slice(0, hash),
    visit: hash < 0 ? 1 : Number(step.slice(hash + 1, dot < 0 ? undefined : dot)),
    index: dot < 0 ? null : Number(step.slice(dot + 1)),
  };
}

/** A value that stands elsewhere: `{"$spilled": digest, "size": bytes}`. */
export interface Pointer {
  $spilled: string;
  size: number;
}

export function isPointer(value: unknown): value is Pointer {
  return typeof value === "object" && value !== null && typeof (value as Pointer).$spilled === "string";
}

/** The steps an event is about; most are about one, a few about several, those of the run about none. */
export function stepsOf(event: JournalEvent): string[] {
  const { step, steps } = event.data;
  if (typeof step === "string") return [step];
  return Array.isArray(steps) ? steps : [];
}

/** What an approval of a step is called in the API: an opaque, URL-safe word. */
export function placeId(runId: string, step: string): string {
  const bytes = new TextEncoder().encode(`${runId}\n${step}`);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
