import { describe, expect, it } from "vitest";
import { check, controlOf, initial, labelOf, optionsOf, resolve, type Schema, tidy, variantOf } from "./schema.ts";

const control = (schema: Schema, root: Schema = {}) => controlOf(resolve(schema, root), root);

describe("the control of a schema", () => {
  it.each<[Schema, string]>([
    [{ type: "string" }, "text"],
    [{ type: "string", maxLength: 5000 }, "area"],
    [{ type: "string", format: "date" }, "date"],
    [{ type: "string", format: "date-time" }, "date-time"],
    [{ type: "string", format: "secret" }, "secret"],
    [{ type: "string", format: "path" }, "path"],
    [{ type: "string", contentEncoding: "base64" }, "file"],
    [{ type: "string", format: "made-up" }, "text"],
    [{ type: ["string", "null"] }, "text"],
    [{ type: ["string", "integer"] }, "json"],
    [{ type: "integer" }, "integer"],
    [{ type: "boolean" }, "boolean"],
    [{ enum: [1, "a", null] }, "choice"],
    [{ oneOf: [{ const: "a", title: "A" }, { const: "b" }] }, "choice"],
    [{ const: 3 }, "constant"],
    [{ type: "array", items: { type: "string" } }, "list"],
    [{ type: "array", uniqueItems: true, items: { enum: ["a"] } }, "choices"],
    [{ type: "object", properties: { a: {} } }, "object"],
    [{ type: "object", additionalProperties: { type: "number" } }, "map"],
    [{ properties: { a: {} } }, "object"],
    [{ oneOf: [{ type: "string" }, { type: "object" }] }, "variants"],
    [{ anyOf: [{ type: "integer" }, { type: "null" }] }, "integer"],
    [{}, "json"],
    [{ minimum: 3 }, "number"],
  ])("%j is %s", (schema, expected) => expect(control(schema)).toBe(expected));

  it("follows references and puts allOf together", () => {
    const root = { $defs: { name: { type: "string", title: "Name" }, "a/b": { type: "integer" } } };
    expect(resolve({ $ref: "#/$defs/name", description: "more" }, root)).toEqual({ type: "string", title: "Name", description: "more" });
    expect(control({ $ref: "#/$defs/a~1b" }, root)).toBe("integer");
    const both = resolve({ allOf: [{ properties: { a: {} }, required: ["a"] }, { properties: { b: {} }, required: ["b"] }] }, root);
    expect(both["required"]).toEqual(["a", "b"]);
    expect(Object.keys(both["properties"] as object)).toEqual(["a", "b"]);
  });

  it("does not hang on a reference to itself", () => {
    const root = { $defs: { loop: { $ref: "#/$defs/loop" } } };
    expect(control({ $ref: "#/$defs/loop" }, root)).toBe("json");
  });
});

describe("what a value begins as", () => {
  it("takes defaults from within, and nothing that was not asked for", () => {
    const schema = {
      type: "object",
      required: ["inner", "flag", "list"],
      properties: {
        a: { type: "string", default: "x" },
        b: { type: "string" },
        flag: { type: "boolean" },
        list: { type: "array", minItems: 2, items: { type: "integer", default: 7 } },
        inner: { type: "object", properties: { n: { type: "integer", default: 0 } } },
        outer: { type: "object", properties: { n: { type: "integer" } } },
      },
    };
    expect(initial(schema, schema)).toEqual({ a: "x", flag: false, list: [7, 7], inner: { n: 0 } });
  });

  it("ends where a schema holds itself", () => {
    const tree: Schema = { $ref: "#/$defs/tree", $defs: { tree: { type: "object", required: ["child"], properties: { child: { $ref: "#/$defs/tree" } } } } };
    expect(initial(tree, tree)).toBeDefined();
  });

  it("gives every default a copy of its own", () => {
    const schema = { type: "array", default: [1] };
    const one = initial(schema, schema) as number[];
    one.push(2);
    expect(initial(schema, schema)).toEqual([1]);
  });
});

describe("what is wrong with a value", () => {
  const wrong = (schema: Schema, value: unknown) => check(schema, value as never, schema).map((one) => `${one.pointer} ${one.message}`);
  it.each<[Schema, unknown, string[]]>([
    [{ type: "string", minLength: 2 }, "a", [" must have at least 2 characters"]],
    [{ type: "string", pattern: "^a+$" }, "b", [" must match ^a+$"]],
    [{ type: "string", pattern: "(?P<x>a)" }, "b", []],
    [{ type: "integer" }, 1.5, [" must be an integer"]],
    [{ type: "number", maximum: 3 }, 4, [" must be at most 3"]],
    [{ type: "number", multipleOf: 0.1 }, 0.3, []],
    [{ enum: ["a", { b: 1 }] }, { b: 1 }, []],
    [{ enum: ["a"] }, "b", [" is none of the choices"]],
    [{ type: "array", items: { type: "integer" } }, [1, "x"], ["/1 must be an integer"]],
    [{ type: "object", required: ["a/b"] }, {}, ["/a~1b is missing"]],
    [{ oneOf: [{ type: "string" }, { type: "null" }] }, null, []],
    [{ type: "string", format: "email" }, "nobody", [" must be an e-mail address"]],
  ])("%j, %j", (schema, value, expected) => expect(wrong(schema, value)).toEqual(expected));
});

it("leaves out what was left empty, and keeps what was emptied on purpose", () => {
  expect(tidy({ a: undefined, b: { c: undefined }, d: [], e: "", f: null } as never)).toEqual({ b: {}, d: [], e: "", f: null });
});

it("finds the shape that a value has", () => {
  const variants = [{ type: "string" }, { type: "object", required: ["kind"], properties: { kind: { const: "b" } } }];
  expect(variantOf(variants, { kind: "b" }, {})).toBe(1);
  expect(variantOf(variants, undefined, {})).toBe(0);
});

it("names fields and choices for people", () => {
  expect(labelOf("max_filesPerRun", {})).toBe("Max files per run");
  expect(labelOf("x", { title: "The X" })).toBe("The X");
  expect(optionsOf({ enum: [null, 1, "a"] })?.map((one) => one.label)).toEqual(["none", "1", "a"]);
});
