import { describe, expect, it } from "vitest";
import { gridOf, rateOf, textOf, wordsOf } from "./words.ts";

it.each([
  ["npx -y server", ["npx", "-y", "server"]],
  ["  a   'b c' \"d e\"  ", ["a", "b c", "d e"]],
  ['run "say \\"hi\\"" x\\ y ""', ["run", 'say "hi"', "x y", ""]],
  ["", []],
  ["open 'never shut", null],
])("%s are the words %j", (line, words) => expect(wordsOf(line)).toEqual(words));

describe("a result", () => {
  it("is a table where it has a list of objects", () => {
    expect(gridOf([{ a: 1 }, { a: 2, b: 3 }])).toEqual({ name: "", columns: ["a", "b"], rows: [{ a: 1 }, { a: 2, b: 3 }] });
    expect(gridOf({ total: 1, files: [{ path: "x" }] })?.name).toBe("files");
    expect([gridOf([1, 2]), gridOf({ a: [] }), gridOf("text"), gridOf([])]).toEqual([null, null, null, null]);
  });

  it("is a text where it has one", () => {
    expect(textOf("hello")).toBe("hello");
    expect(textOf({ content: [{ type: "text", text: "a" }, { type: "image" }, { type: "text", text: "b" }] })).toBe("a\nb");
    expect(textOf({ n: 1 })).toBeNull();
  });
});

it("says how many calls a server takes", () => {
  expect(rateOf({ per_second: 5, per_minute: 60 })).toBe("5 a second, 60 a minute");
  expect(rateOf({ per_second: null, per_minute: null })).toBeNull();
});
