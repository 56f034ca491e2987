import { describe, expect, it } from "vitest";
import { mistakesIn, needsComment, neighbour, oldestFirst, questionOf } from "./questions.ts";

const asked = (id: string, at: string, until: string | null = null) => ({ id, asked_at: at, until });

describe("questions", () => {
  it("are ordered by how long they wait, then by how soon they run out", () => {
    const items = [
      asked("new", "2026-01-02T00:00:00Z"),
      asked("open", "2026-01-01T00:00:00Z"),
      asked("soon", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
    ];
    expect(oldestFirst(items).map((one) => one.id)).toEqual(["soon", "open", "new"]);
  });

  it("have two choices where they name none", () => {
    expect(questionOf({}).choices).toEqual(["approve", "reject"]);
    expect(questionOf({ choices: ["ship", "wait"] }).choices).toEqual(["ship", "wait"]);
  });

  it.each([
    ["optional", "reject", false],
    ["required", "approve", true],
    ["on_reject", "approve", false],
    ["on_reject", "reject", true],
  ])("with a comment that is %s want one to %s: %s", (comment, choice, wanted) =>
    expect(needsComment(questionOf({ comment }), choice)).toBe(wanted));

  it("want their fields, but not of a rejection", () => {
    const question = questionOf({ fields: { type: "object", required: ["stars"], properties: { stars: { type: "integer" } } } });
    expect(mistakesIn(question, "approve", {}).map((one) => one.pointer)).toEqual(["/stars"]);
    expect(mistakesIn(question, "approve", { stars: 3 })).toEqual([]);
    expect(mistakesIn(question, "reject", {})).toEqual([]);
  });

  it("are walked through without falling off", () => {
    const items = [asked("a", "1"), asked("b", "2")];
    expect([neighbour(items, null, 1)?.id, neighbour(items, "a", 1)?.id, neighbour(items, "b", 1)?.id, neighbour(items, "a", -1)?.id]).toEqual(["a", "b", "b", "a"]);
    expect(neighbour([], null, 1)).toBeUndefined();
  });
});
