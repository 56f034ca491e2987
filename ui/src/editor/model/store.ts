// What is being edited: the document, its text, what is chosen, and every state it was in, so that nothing done is final. Whoever
// shows it subscribes; a state is never changed, only followed by the next.

import { type Doc, nodeOf, wiresOf } from "./document.ts";
import { getIn } from "./json.ts";
import { parse, patch, print, type TextProblem } from "./yaml.ts";

export interface Selection {
  nodes: readonly string[];
  /** Places among the edges of the document. */
  edges: readonly number[];
}

export interface State {
  doc: Doc;
  /** The document as YAML. It may say something that is no document yet: then `doc` is the last that was one. */
  text: string;
  problems: readonly TextProblem[];
  selection: Selection;
  /** Counts every change of the document or its text. */
  revision: number;
  undo: string | null;
  redo: string | null;
}

interface Past {
  doc: Doc;
  /** Null where nobody asked for it: it is then what `print` makes. */
  text: string | null;
  problems: readonly TextProblem[];
  selection: Selection;
  /** What was done to come from here to the next. */
  label: string;
}

const NOTHING: Selection = { nodes: [], edges: [] };
const DEEPEST = 300; // steps back
const TOGETHER = 1200; // ms within which changes of one thing are one step back

export class Store {
  #doc: Doc;
  #text: string | null;
  #problems: readonly TextProblem[] = [];
  #selection: Selection = NOTHING;
  #revision = 0;
  #past: Past[] = [];
  #future: Past[] = [];
  #last = { key: "", at: Number.NEGATIVE_INFINITY };
  #state: State | null = null;
  #hearers = new Set<() => void>();
  readonly #now: () => number;

  constructor(doc: Doc, text: string | null = null, now: () => number = () => performance.now()) {
    this.#doc = doc;
    this.#text = text;
    this.#now = now;
  }

  readonly subscribe = (hear: () => void): (() => void) => {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  };

  readonly get = (): State => {
    const asText = (revision: number, doc: Doc) => this.#asText(revision, doc);
    this.#state ??= {
      doc: this.#doc,
      get text() {
        return asText(this.revision, this.doc);
      },
      problems: this.#problems,
      selection: this.#selection,
      revision: this.#revision,
      undo: this.#past.at(-1)?.label ?? null,
      redo: this.#future.at(-1)?.label ?? null,
    };
    return this.#state;
  };

  get doc(): Doc {
    return this.#doc;
  }

  /** Whether the text is no document now: what is drawn would then be something else than what is written. */
  get broken(): boolean {
    return this.#problems.length > 0;
  }

  /**
   * Do something to the document. `label` says what, as in "Undo LABEL". Changes of one `key` in quick succession are one step back.
   * While the text is broken its errors would be overwritten, so nothing is done and false comes back.
   */
  apply(label: string, change: (doc: Doc) => Doc, options: { key?: string; select?: Partial<Selection> } = {}): boolean {
    if (this.broken) return false;
    const next = change(this.#doc);
    if (next === this.#doc && !options.select) return true;
    if (next !== this.#doc) {
      this.#remember(label, options.key);
      if (this.#text !== null) this.#text = patch(this.#text, this.#doc, next);
      this.#doc = next;
    }
    this.#selection = kept(next, options.select ? { ...NOTHING, ...options.select } : this.#selection, options.select !== undefined);
    this.#changed(true);
    return true;
  }

  /** The text as somebody typed it. */
  write(text: string): void {
    if (text === this.get().text) return;
    const { doc, problems } = parse(text, this.#doc);
    this.#remember("typing", "yaml");
    this.#text = text;
    this.#problems = problems;
    if (doc) this.#doc = doc;
    this.#selection = kept(this.#doc, this.#selection, false);
    this.#changed(true);
  }

  select(selection: Partial<Selection>): void {
    const next = { ...NOTHING, ...selection };
    const same = (a: readonly unknown[], b: readonly unknown[]) => a.length === b.length && a.every((one, n) => one === b[n]);
    if (same(next.nodes, this.#selection.nodes) && same(next.edges, this.#selection.edges)) return;
    this.#selection = next;
    this.#changed(false);
  }

  /** One step back; what was undone, or null. */
  undo(): string | null {
    return this.#step(this.#past, this.#future);
  }

  redo(): string | null {
    return this.#step(this.#future, this.#past);
  }

  /** Another document in place of this one, such as the one somebody else saved; it can be undone. */
  replace(label: string, doc: Doc, text: string | null = null): void {
    this.#remember(label);
    this.#doc = doc;
    this.#text = text;
    this.#problems = [];
    this.#selection = kept(doc, this.#selection, false);
    this.#changed(true);
  }

  #step(from: Past[], to: Past[]): string | null {
    const one = from.pop();
    if (!one) return null;
    to.push({ doc: this.#doc, text: this.#text, problems: this.#problems, selection: this.#selection, label: one.label });
    this.#doc = one.doc;
    this.#text = one.text;
    this.#problems = one.problems;
    this.#selection = one.selection;
    this.#last.key = "";
    this.#changed(true);
    return one.label;
  }

  #remember(label: string, key?: string): void {
    const now = this.#now();
    const together = key !== undefined && key === this.#last.key && now - this.#last.at < TOGETHER;
    this.#last = { key: key ?? "", at: now };
    this.#future = [];
    if (together) return;
    this.#past.push({ doc: this.#doc, text: this.#text, problems: this.#problems, selection: this.#selection, label });
    if (this.#past.length > DEEPEST) this.#past.shift();
  }

  #asText(revision: number, doc: Doc): string {
    if (revision !== this.#revision) return print(doc);
    this.#text ??= print(doc);
    return this.#text;
  }

  #changed(content: boolean): void {
    if (content) this.#revision++;
    this.#state = null;
    for (const hear of this.#hearers) hear();
  }
}

/** The selection without what is not there. Edges are chosen by their places, which change when any goes. */
function kept(doc: Doc, selection: Selection, fresh: boolean): Selection {
  const nodes = selection.nodes.filter((name) => nodeOf(doc, name) !== undefined || name.startsWith("$"));
  const count = wiresOf(doc).length;
  const edges = selection.edges.filter((index) => (fresh || index < count) && getIn(doc, ["edges", index]) !== undefined);
  return nodes.length === selection.nodes.length && edges.length === selection.edges.length ? selection : { nodes, edges };
}
