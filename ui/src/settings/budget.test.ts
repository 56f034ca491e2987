import { describe, expect, it } from "vitest";
import type { Budget, Used } from "../api/schema.d.ts";
import { levelOf, periodsAt, scopesOf, shareOf } from "./budget.ts";

const used = (scope: string, usd: string, tokens = 0): Used => ({ scope, usd, tokens, iterations: 0 });

describe("budgets", () => {
  it("stand with what was used, the group first and then who used the most", () => {
    const budget = { name: "workflow:quiet", usd: "1", tokens: null, iterations: null, per: "day", period: "2026-01-01", used: used("workflow:quiet", "0") } as Budget;
    const scopes = scopesOf([budget], [used("workflow:busy", "1")], [used("workflow:busy", "5"), used("workflow:some", "2"), used("group", "7")]);
    expect(scopes.map((one) => one.label)).toEqual(["The whole group", "busy", "some", "quiet"]);
    expect(scopes[3]?.budget).toBe(budget);
    expect([scopes[1]?.today?.usd, scopes[1]?.month?.usd, scopes[2]?.today]).toEqual(["1", "5", null]);
  });

  it("show the group where nothing was used and nothing is bounded", () => expect(scopesOf([], [], []).map((one) => one.name)).toEqual(["group"]));

  it.each([
    [5, 10, 0.5, "good"],
    [8, 10, 0.8, "warn"],
    [10, 10, 1, "bad"],
    [0, 0, 1, "bad"],
  ])("%s of %s is %s: %s", (spent, limit, share, level) => {
    expect(shareOf(spent, limit)).toBe(share);
    expect(levelOf(share)).toBe(level);
  });

  it("are of a day and a month of UTC", () => expect(periodsAt(Date.parse("2026-03-31T23:59:59Z"))).toEqual({ day: "2026-03-31", month: "2026-03" }));
});
