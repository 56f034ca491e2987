import { describe, expect, it } from "vitest";
import { asCommand, asCurl, bodyOf, quote } from "./commands.ts";
import { ceiling, pastOf, seconds } from "./Estimate.tsx";

const wanted = { workflow: "survey", inputs: { folder: "/tmp/a b", deep: true }, mode: "test_run" as const };

describe("the same run from a terminal", () => {
  it("is one line where every input is a word", () => {
    expect(asCommand(wanted)).toBe("penstock run survey --mode test_run -i 'folder=/tmp/a b' -i deep=true");
    expect(asCommand({ ...wanted, mode: "full_run", version: 3, limits: { usd: 1 }, inputs: {} })).toBe("penstock run survey --version 3 --limit usd=1");
  });
  it("passes what is more than words through standard input", () => {
    expect(asCommand({ ...wanted, inputs: { list: ["a"] } })).toBe(`penstock run survey --mode test_run --inputs - <<'JSON'\n{\n  "list": [\n    "a"\n  ]\n}\nJSON`);
  });
  it("quotes what a shell would read otherwise", () => {
    expect(quote("it's $HOME")).toBe(`'it'\\''s $HOME'`);
    expect(asCurl({ ...wanted, inputs: { t: "it's" } }, "http://127.0.0.1:1", "k")).toContain(`it'\\''s`);
  });
  it("sends no limits where none were given", () => {
    expect(bodyOf({ ...wanted, limits: {} })).toEqual({ workflow: "survey", inputs: wanted.inputs, run_mode: "test_run" });
  });
});

describe("the estimate", () => {
  it("is the middle of the last runs", () => {
    const run = (usd: string, end: string) => ({ spent: { usd, tokens: 10, steps: 1 }, created_at: "2026-01-01T00:00:00Z", ended_at: end });
    expect(pastOf([run("0.1", "2026-01-01T00:00:01Z"), run("0.3", "2026-01-01T00:00:09Z"), run("0.2", "2026-01-01T00:00:02Z")])).toEqual({ runs: 3, usd: 0.2, tokens: 10, seconds: 2 });
    expect(pastOf([])).toBeNull();
  });
  it("is bounded by the strictest limit", () => {
    expect(ceiling({ limits: { seconds: "10m", usd: "0.5", tokens: null } }, "test_run", { usd: 0.2 })).toEqual({ seconds: 60, usd: 0.2, tokens: 1000, iterations: 5 });
    expect(ceiling({}, "full_run", {})).toEqual({});
  });
  it("reads durations", () => {
    expect([seconds("1h30m"), seconds("250ms"), seconds(12)]).toEqual([5400, 0.25, 12]);
  });
});
