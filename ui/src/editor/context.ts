// What every part of the editor shares: the document's store, the kinds there are, and what a person may do from anywhere.

import { createContext, useContext, useSyncExternalStore } from "react";
import type { Place } from "./model/document.ts";
import type { Samples } from "./model/completion.ts";
import type { Problems } from "./model/problems.ts";
import type { Saver } from "./model/saver.ts";
import type { Selection, State, Store } from "./model/store.ts";
import type { Kinds } from "./model/types.ts";
import type { Refusal } from "./model/wires.ts";

export type Pane = "canvas" | "outline" | "inspector" | "yaml";

export interface Refused {
  from: string;
  to: string;
  refusal: Refusal;
}

export interface Inserting {
  /** The new node is connected from this one. */
  after: string | null;
  at: Place | null;
}

export interface Editor {
  slug: string;
  store: Store;
  saver: Saver;
  kinds: Kinds;
  samples: Samples;
  problems: Problems;
  literal: (kind: string) => readonly string[];
  /** Where nodes stand for which the document names no place. */
  places: Record<string, Place>;
  /** Draws an edge, or says why it cannot be. */
  link: (from: string, to: string) => boolean;
  insert: (kind: string, how?: Partial<Inserting> & { focus?: boolean }) => string | null;
  remove: (selection: Selection) => void;
  duplicate: (names: readonly string[]) => void;
  copy: (names: readonly string[]) => string | null;
  paste: (text: string, at?: Place) => boolean;
  tidy: () => void;
  undo: () => void;
  redo: () => void;
  refused: Refused | null;
  dismiss: () => void;
  /** Draws a loop that was refused, bounded. */
  allow: () => void;
  inserting: Inserting | null;
  setInserting: (inserting: Inserting | null) => void;
  /** Brings what a JSON pointer names into view, and its field into focus. */
  jump: (pointer: string) => void;
  /** The last place that was jumped to. */
  wanted: { pointer: string; turn: number };
  /** Shows the inspector of what is chosen, and moves the focus there. */
  inspect: (field?: string) => void;
  pane: Pane;
  setPane: (pane: Pane) => void;
  /** Asks the canvas to bring nodes into view. */
  reveal: { names: readonly string[]; turn: number };
}

export const EditorContext = createContext<Editor | null>(null);

export function useEditor(): Editor {
  const editor = useContext(EditorContext);
  if (!editor) throw new Error("a part of the editor stands outside of it");
  return editor;
}

/** The state of the document, drawn again when it changes. */
export function useDocument(): State {
  const { store } = useEditor();
  return useSyncExternalStore(store.subscribe, store.get);
}
