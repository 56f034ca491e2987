// Pure: a command line as words, a result as a table, and what a server's numbers mean.

import type { Json } from "../form/schema.ts";

/** The words of a command line; quotes keep blanks together. null where a quote is not shut. */
export function wordsOf(line: string): string[] | null {
  const words: string[] = [];
  let word = "";
  let begun = false;
  let quote = "";
  for (let n = 0; n < line.length; n++) {
    const char = line[n]!;
    if (quote) {
      if (char === quote) quote = "";
      else if (char === "\\" && quote === '"' && /["\\]/.test(line[n + 1] ?? "")) word += line[++n]!;
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      begun = true;
    } else if (char === "\\" && n + 1 < line.length) {
      word += line[++n]!;
      begun = true;
    } else if (/\s/.test(char)) {
      if (begun) words.push(word);
      word = "";
      begun = false;
    } else {
      word += char;
      begun = true;
    }
  }
  if (quote) return null;
  if (begun) words.push(word);
  return words;
}

export interface Grid {
  /** Where in the result it stands; empty for the result itself. */
  name: string;
  columns: string[];
  rows: Record<string, Json>[];
}

const MOST_ROWS = 500;
const isRow = (value: unknown): value is Record<string, Json> => typeof value === "object" && value !== null && !Array.isArray(value);

/** The first list of objects of a result, as a table; null where there is none. */
export function gridOf(result: unknown): Grid | null {
  const found = Array.isArray(result)
    ? (["", result] as const)
    : isRow(result)
      ? Object.entries(result).find((entry): entry is [string, Json[]] => Array.isArray(entry[1]) && entry[1].length > 0 && entry[1].every(isRow))
      : undefined;
  if (!found || found[1].length === 0 || !found[1].every(isRow)) return null;
  const rows = (found[1] as Record<string, Json>[]).slice(0, MOST_ROWS);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].slice(0, 12);
  return { name: found[0], columns, rows };
}

/** The text of a result: a text itself, or the texts of the parts it came in; null where there is none. */
export function textOf(result: unknown): string | null {
  if (typeof result === "string") return result;
  const parts = isRow(result) ? (result["content"] ?? result["text"]) : null;
  if (typeof parts === "string") return parts;
  if (!Array.isArray(parts)) return null;
  const texts = parts.flatMap((part) => (isRow(part) && typeof part["text"] === "string" ? [part["text"]] : []));
  return texts.length > 0 ? texts.join("\n") : null;
}

/** How many calls it takes, in words; null where nothing is said. */
export function rateOf(server: { per_second: number | null; per_minute: number | null }): string | null {
  const said = [
    ...(server.per_second === null ? [] : [`${server.per_second} a second`]),
    ...(server.per_minute === null ? [] : [`${server.per_minute} a minute`]),
  ];
  return said.length > 0 ? said.join(", ") : null;
}
