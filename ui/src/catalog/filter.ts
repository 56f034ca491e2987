// Which workflows of the catalog are shown. Pure.

import type { WorkflowItem } from "../api/schema.d.ts";

export interface Wanted {
  text: string;
  persona: string | null;
  tags: readonly string[];
}

/** Those that match every word, the persona and every tag; those that were run last come first. */
export function filtered(items: readonly WorkflowItem[], wanted: Wanted): WorkflowItem[] {
  const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  return items
    .filter((one) => wanted.persona === null || one.persona === wanted.persona)
    .filter((one) => wanted.tags.every((tag) => one.tags.includes(tag)))
    .filter((one) => {
      const text = `${one.slug} ${one.title} ${one.description} ${one.persona} ${one.tags.join(" ")}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .toSorted((a, b) => (b.last_run?.created_at ?? "").localeCompare(a.last_run?.created_at ?? "") || nameOf(a).localeCompare(nameOf(b)));
}

export const nameOf = (one: WorkflowItem): string => one.title || one.slug;

/** What occurs, the most frequent first. */
export function tally(values: readonly string[]): { value: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const value of values) if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, count]) => ({ value, count })).toSorted((a, b) => b.count - a.count || a.value.localeCompare(b.value));
}

/** The workflow to begin with: one that says it is a starter and needs the least time. */
export function starterOf(items: readonly WorkflowItem[]): WorkflowItem | null {
  const starters = items.filter((one) => one.tags.includes("starter"));
  return (starters.length ? starters : items).toSorted((a, b) => (a.minutes ?? 99) - (b.minutes ?? 99))[0] ?? null;
}
