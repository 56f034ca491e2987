// What is used of what may be used. Pure.

import type { Budget, Used } from "../api/schema.d.ts";

export interface Scope {
  /** `group`, or `workflow:SLUG` */
  name: string;
  label: string;
  budget: Budget | null;
  today: Used | null;
  month: Used | null;
}

export const labelOf = (name: string): string => (name === "group" ? "The whole group" : name.replace(/^workflow:/, ""));

/** The group first, then its workflows, those that used the most of the month before the others. */
export function scopesOf(budgets: readonly Budget[], today: readonly Used[], month: readonly Used[]): Scope[] {
  const names = new Set(["group", ...budgets.map((one) => one.name), ...[...today, ...month].map((one) => one.scope)]);
  const of = (all: readonly Used[], name: string) => all.find((one) => one.scope === name) ?? null;
  const rows = [...names].map((name) => ({
    name,
    label: labelOf(name),
    budget: budgets.find((one) => one.name === name) ?? null,
    today: of(today, name),
    month: of(month, name),
  }));
  const weight = (one: Scope) => (one.name === "group" ? 0 : 1);
  return rows.toSorted(
    (a, b) => weight(a) - weight(b) || Number(b.month?.usd ?? 0) - Number(a.month?.usd ?? 0) || (b.month?.tokens ?? 0) - (a.month?.tokens ?? 0) || a.label.localeCompare(b.label),
  );
}

export type Cost = "usd" | "tokens" | "iterations";
export const COSTS: readonly Cost[] = ["usd", "tokens", "iterations"];

/** How much of a limit is used, 0 to 1 and above; null where there is no limit. */
export function shareOf(used: number, limit: number | null): number | null {
  if (limit === null) return null;
  return limit > 0 ? used / limit : 1;
}

export type Level = "good" | "warn" | "bad";
export const levelOf = (share: number): Level => (share >= 1 ? "bad" : share >= 0.8 ? "warn" : "good");

/** The day and the month of a time in ms since the epoch, in UTC. */
export function periodsAt(now: number): { day: string; month: string } {
  const text = new Date(now).toISOString();
  return { day: text.slice(0, 10), month: text.slice(0, 7) };
}
