import { expect, it } from "vitest";
import type { RunItem } from "../api/schema.d.ts";
import { matching, mergeRuns, readParams, readViews, saveView, writeParams } from "./views.ts";

const run = (id: string, more: Partial<RunItem> = {}): RunItem => ({
  run_id: id,
  workflow: "survey",
  version: 1,
  status: "running",
  mode: "full_run",
  actor: "local",
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
  parent: null,
  error: null,
  asks: 0,
  head: 1,
  ...more,
});

it("keeps what is shown in the address, and nothing else", () => {
  const shown = readParams(new URLSearchParams("status=failed&mode=nonsense&q=a b&workflow=x&other=1"));
  expect(shown).toEqual({ text: "a b", status: "failed", workflow: "x" });
  expect(writeParams(shown)).toBe("status=failed&workflow=x&q=a+b");
  expect(writeParams(readParams(new URLSearchParams()))).toBe("");
});

it("shows each run once, as it was seen last, the newest first", () => {
  const pages = [run("b", { head: 5, status: "completed" }), run("a", { created_at: "2025-01-01T00:00:00Z" })];
  const newest = [run("c", { created_at: "2026-02-01T00:00:00Z" }), run("b", { head: 3 })];
  expect(mergeRuns(pages, newest).map((one) => [one.run_id, one.status])).toEqual([
    ["c", "running"],
    ["b", "completed"],
    ["a", "running"],
  ]);
});

it("finds every word, and drops what left its status", () => {
  const runs = [run("r1", { error: "limits.usd", status: "failed" }), run("r2", { actor: "ada" })];
  expect(matching(runs, { text: "LIMITS survey" }).map((one) => one.run_id)).toEqual(["r1"]);
  expect(matching(runs, { text: "", status: "running" }).map((one) => one.run_id)).toEqual(["r2"]);
});

it("saves views, and reads what somebody else spoilt as none", () => {
  const kept = new Map<string, string>();
  const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
  saveView(storage, "mine", "status=failed");
  expect(saveView(storage, "mine", "status=paused")).toEqual([{ name: "mine", search: "status=paused" }]);
  expect(saveView(storage, "mine", null)).toEqual([]);
  expect(readViews({ getItem: () => "{not json" })).toEqual([]);
  expect(readViews({ getItem: () => '[{"name": 1}]' })).toEqual([]);
});
