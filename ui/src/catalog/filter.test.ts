import { expect, it } from "vitest";
import type { WorkflowItem } from "../api/schema.d.ts";
import { filtered, starterOf, tally } from "./filter.ts";

const item = (slug: string, more: Partial<WorkflowItem> = {}): WorkflowItem => ({
  slug,
  title: "",
  description: "",
  persona: "",
  difficulty: "",
  tags: [],
  minutes: null,
  latest: 0,
  etag: "",
  updated_at: "2026-01-01T00:00:00Z",
  updated_by: "",
  last_run: null,
  ...more,
});
const items = [
  item("b", { title: "Beta", persona: "engineer", tags: ["code", "starter"], minutes: 2 }),
  item("a", { description: "reads code", tags: ["code"] }),
  item("c", { last_run: { run_id: "r", status: "completed", created_at: "2026-01-01T00:00:00Z" }, tags: ["starter"], minutes: 1 }),
];
const slugs = (found: WorkflowItem[]) => found.map((one) => one.slug);

it("matches every word, the persona and every tag; what ran last comes first", () => {
  expect(slugs(filtered(items, { text: "", persona: null, tags: [] }))).toEqual(["c", "a", "b"]);
  expect(slugs(filtered(items, { text: "CODE reads", persona: null, tags: [] }))).toEqual(["a"]);
  expect(slugs(filtered(items, { text: "", persona: "engineer", tags: ["code"] }))).toEqual(["b"]);
});

it("counts what occurs, and knows where to begin", () => {
  expect(tally(["x", "y", "x", ""])).toEqual([
    { value: "x", count: 2 },
    { value: "y", count: 1 },
  ]);
  expect(starterOf(items)?.slug).toBe("c");
  expect(starterOf([])).toBeNull();
});
