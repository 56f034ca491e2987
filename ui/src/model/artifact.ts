// What an artifact is to be shown as, and the readers for those that are more than text.

import type { Fields } from "./events.ts";

export type Shown = "markdown" | "json" | "table" | "diff" | "image" | "text" | "binary";

const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** By its type, and by its name where the type says nothing. SVG is a program: it is shown as text. */
export function shownAs(name: string, mime: string): Shown {
  const type = mime.split(";")[0]!.trim().toLowerCase();
  const end = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  if (IMAGES.has(type)) return "image";
  if (type === "text/markdown" || end === "md" || end === "markdown") return "markdown";
  if (type === "text/csv" || type === "text/tab-separated-values" || end === "csv" || end === "tsv") return "table";
  if (type === "text/x-diff" || type === "text/x-patch" || end === "diff" || end === "patch") return "diff";
  if (type === "application/json" || type.endsWith("+json") || end === "json" || end === "jsonld") return "json";
  if (type.startsWith("text/") || /xml|yaml|javascript|toml|turtle|sql/.test(type)) return "text";
  return /^(txt|log|yaml|yml|toml|ttl|graphml|xml|svg|py|ts|js|sh|sql|ini)$/.test(end) ? "text" : "binary";
}

/** Rows of a CSV (RFC 4180); tabs part the cells where the first line has more of them than commas. */
export function readTable(text: string, most = 100_000): string[][] {
  const first = text.slice(0, text.indexOf("\n") + 1 || undefined);
  const comma = (first.match(/\t/g)?.length ?? 0) > (first.match(/,/g)?.length ?? 0) ? "\t" : ",";
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let quoted = false;
  const endRow = () => {
    row.push(cell);
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
    cell = "";
  };
  for (let n = 0; n < text.length && rows.length < most; n++) {
    const c = text[n]!;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[n + 1] === '"') {
        cell += '"';
        n++;
      } else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === comma) {
      row.push(cell);
      cell = "";
    } else if (c === "\n") endRow();
    else if (c !== "\r") cell += c;
  }
  if (cell !== "" || row.length > 0) endRow();
  return rows;
}

export interface DiffLine {
  kind: "file" | "hunk" | "add" | "del" | "same" | "meta";
  text: string;
  old: number | null;
  new: number | null;
}

/** A unified diff, line by line, with the line numbers on both sides. */
export function readDiff(text: string): DiffLine[] {
  let old = 0;
  let fresh = 0;
  let left = 0; // lines of the hunk still to come on the old side
  let right = 0;
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((raw): DiffLine => {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line);
    if (hunk !== null) {
      old = Number(hunk[1]);
      left = Number(hunk[2] ?? 1);
      fresh = Number(hunk[3]);
      right = Number(hunk[4] ?? 1);
      return { kind: "hunk", text: line, old: null, new: null };
    }
    if (left > 0 || right > 0) {
      if (line.startsWith("+")) {
        right--;
        return { kind: "add", text: line.slice(1), old: null, new: fresh++ };
      }
      if (line.startsWith("-")) {
        left--;
        return { kind: "del", text: line.slice(1), old: old++, new: null };
      }
      if (!line.startsWith("\\")) {
        left--;
        right--;
        return { kind: "same", text: line.slice(1), old: old++, new: fresh++ };
      }
    }
    return { kind: /^(---|\+\+\+|diff )/.test(line) ? "file" : "meta", text: line, old: null, new: null };
  });
}

export interface Knowledge {
  nodes: { id: string; label: string; kind: string; more: Fields }[];
  edges: { source: string; target: string; label: string }[];
}

/** A graph of knowledge: {nodes, edges} (or links), or JSON-LD. null when the value is neither. */
export function readKnowledge(value: any): Knowledge | null {
  if (value === null || typeof value !== "object") return null;
  const edges = value.edges ?? value.links;
  if (Array.isArray(value.nodes) && Array.isArray(edges)) return plainGraph(value.nodes, edges);
  const graph = Array.isArray(value) ? value : Array.isArray(value["@graph"]) ? value["@graph"] : value["@id"] !== undefined ? [value] : null;
  if (graph === null || !graph.some((one: any) => one !== null && typeof one === "object" && "@id" in one)) return null;
  return linkedData(graph);
}

function plainGraph(given: any[], links: any[]): Knowledge {
  const nodes = new Map<string, Knowledge["nodes"][number]>();
  const put = (id: string, more: Fields = {}) => {
    const label = String(more["label"] ?? more["name"] ?? more["title"] ?? id);
    if (!nodes.has(id)) nodes.set(id, { id, label, kind: String(more["kind"] ?? more["type"] ?? more["group"] ?? ""), more });
  };
  for (const one of given) {
    if (one === null || typeof one !== "object") put(String(one));
    else put(String(one.id ?? one.key ?? one.name ?? nodes.size), one);
  }
  const edges: Knowledge["edges"] = [];
  for (const one of links) {
    if (one === null || typeof one !== "object") continue;
    const source = String(one.source ?? one.from ?? one.subject ?? "");
    const target = String(one.target ?? one.to ?? one.object ?? "");
    if (!source || !target) continue;
    put(source);
    put(target);
    edges.push({ source, target, label: String(one.label ?? one.kind ?? one.type ?? one.predicate ?? one.relation ?? "") });
  }
  return { nodes: [...nodes.values()], edges };
}

function linkedData(graph: any[]): Knowledge {
  const nodes = new Map<string, Knowledge["nodes"][number]>();
  const edges: Knowledge["edges"] = [];
  const short = (iri: string) => iri.slice(Math.max(iri.lastIndexOf("#"), iri.lastIndexOf("/")) + 1) || iri;
  for (const one of graph) {
    const id = one?.["@id"];
    if (typeof id !== "string") continue;
    const more = Object.fromEntries(Object.entries(one).filter(([key]) => !key.startsWith("@")));
    const named = Object.entries(more).find(([key]) => /(^|[/#:])(name|label|title)$/.test(key))?.[1];
    const kind = [one["@type"] ?? ""].flat().map((type: unknown) => short(String(type))).join(", ");
    nodes.set(id, { id, label: literal(named) ?? short(id), kind, more: more as Fields });
  }
  for (const one of graph) {
    const id = one?.["@id"];
    if (typeof id !== "string") continue;
    for (const [key, values] of Object.entries(one)) {
      if (key.startsWith("@")) continue;
      for (const value of [values].flat()) {
        const target = (value as Fields | null)?.["@id"] ?? (typeof value === "string" && nodes.has(value) ? value : undefined);
        if (typeof target !== "string") continue;
        if (!nodes.has(target)) nodes.set(target, { id: target, label: short(target), kind: "", more: {} });
        edges.push({ source: id, target, label: short(key.slice(key.indexOf(":") + 1)) });
      }
    }
  }
  return { nodes: [...nodes.values()], edges };
}

function literal(value: any): string | null {
  const first = [value].flat()[0];
  if (typeof first === "string") return first;
  return typeof first?.["@value"] === "string" ? first["@value"] : null;
}
