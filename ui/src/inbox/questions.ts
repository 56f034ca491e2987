// What a question asks of its answer. Pure: the server judges again.

import { check, type Mistake, type Schema, tidy, type Value } from "../form/schema.ts";
import type { Approval } from "../api/schema.d.ts";

export type CommentRule = "optional" | "required" | "on_reject";

export interface Question {
  title: string;
  message: string;
  choices: string[];
  comment: CommentRule;
  fields: Schema | null;
  onTimeout: string;
}

export function questionOf(ask: Approval["ask"]): Question {
  const choices = Array.isArray(ask["choices"]) ? ask["choices"].map(String) : [];
  return {
    title: typeof ask["title"] === "string" && ask["title"] ? ask["title"] : "A person has to decide",
    message: typeof ask["message"] === "string" ? ask["message"] : "",
    choices: choices.length > 0 ? choices : ["approve", "reject"],
    comment: (ask["comment"] as CommentRule | undefined) ?? "optional",
    fields: (ask["fields"] as Schema | null | undefined) ?? null,
    onTimeout: typeof ask["on_timeout"] === "string" ? ask["on_timeout"] : "fail",
  };
}

/** Those that wait longest come first; of two that were asked at once, the one that runs out sooner. */
export function oldestFirst<T extends { asked_at: string; until: string | null; id: string }>(items: readonly T[]): T[] {
  const when = (text: string | null) => (text === null ? Number.POSITIVE_INFINITY : Date.parse(text));
  return items.toSorted(
    (a, b) => when(a.asked_at) - when(b.asked_at) || compare(when(a.until), when(b.until)) || (a.id < b.id ? -1 : 1),
  );
}

const compare = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1);

export const needsComment = (question: Question, choice: string): boolean =>
  question.comment === "required" || (question.comment === "on_reject" && choice === "reject");

/** What is wrong with the fields of an answer; nothing is asked of a rejection. */
export function mistakesIn(question: Question, choice: string, fields: Value): Mistake[] {
  if (question.fields === null || choice === "reject") return [];
  return check(question.fields, tidy(fields) ?? {}, question.fields);
}

/** The one to go to from `id` by `step` places, which stays where there is no further one. */
export function neighbour<T extends { id: string }>(items: readonly T[], id: string | null, step: number): T | undefined {
  const at = items.findIndex((one) => one.id === id);
  return items[at < 0 ? 0 : Math.min(items.length - 1, Math.max(0, at + step))];
}
