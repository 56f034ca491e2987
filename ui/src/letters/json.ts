// JSON that somebody types.

export type Parsed = { value: unknown; wrong: null } | { value: undefined; wrong: string };

export function parse(text: string): Parsed {
  try {
    return { value: JSON.parse(text), wrong: null };
  } catch (error) {
    return { value: undefined, wrong: text.trim() === "" ? "this is empty; null is the value that is none" : error instanceof Error ? error.message : "this is no JSON" };
  }
}
