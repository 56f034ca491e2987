// What a person can do from anywhere in the editor, each with the words that tell it to those who do not see the canvas.

import { useCallback, useMemo, useState } from "react";
import { announce } from "../shell/announce.tsx";
import type { Inserting, Pane, Refused } from "./context.ts";
import { addNode, connect, connectLoop, moveNodes, removeEdges, removeNodes } from "./model/commands.ts";
import { copy, paste, readable } from "./model/clipboard.ts";
import { type Doc, nodesOf, type Place, START, wiresOf } from "./model/document.ts";
import { pathOf } from "./model/json.ts";
import { targetOf } from "./model/problems.ts";
import { newNode } from "./model/starters.ts";
import type { Selection, Store } from "./model/store.ts";
import type { Kinds } from "./model/types.ts";
import { refusal } from "./model/wires.ts";
import { focusSoon } from "./focus.ts";
import { tidied } from "./places.ts";

interface Given {
  store: Store;
  kinds: Kinds;
  /** Where nodes are seen, also those without a place in the document. */
  places: Record<string, Place>;
  setPane: (pane: Pane) => void;
  literal: (kind: string) => readonly string[];
}

export function useActions({ store, kinds, places, setPane, literal }: Given) {
  const [refused, setRefused] = useState<Refused | null>(null);
  const [inserting, setInserting] = useState<Inserting | null>(null);
  const [reveal, setReveal] = useState<{ names: readonly string[]; turn: number }>({ names: [], turn: 0 });
  const [wanted, setWanted] = useState({ pointer: "", turn: 0 });
  const show = useCallback((names: readonly string[]) => setReveal((before) => ({ names, turn: before.turn + 1 })), []);

  const settled = useCallback(
    // places that were only worked out so far are written down before anything is put beside them
    (doc: Doc): Doc => {
      const named = nodesOf(doc).map(([name]) => name);
      return moveNodes(doc, Object.fromEntries(named.flatMap((name) => (places[name] ? [[name, places[name]]] : []))));
    },
    [places],
  );

  const done = useCallback((worked: boolean, said: string) => {
    announce(worked ? said : "The YAML text has errors: mend them first");
    return worked;
  }, []);

  const link = useCallback(
    (from: string, to: string): boolean => {
      const no = refusal(store.doc, kinds, from, to);
      if (no) {
        setRefused({ from, to, refusal: no });
        return false;
      }
      setRefused(null);
      return done(store.apply("connect", (doc) => connect(doc, from, to)), `${from} leads to ${to}`);
    },
    [store, kinds, done],
  );

  const insert = useCallback(
    (name: string, how: Partial<Inserting> & { focus?: boolean } = {}): string | null => {
      const kind = kinds.get(name);
      if (!kind) return null;
      const after = how.after ?? null;
      let added = "";
      const worked = store.apply(
        `add ${name}`,
        (doc) => {
          const next = addNode(settled(doc), name, newNode(kind), how.at ?? undefined, after ?? store.get().selection.nodes[0]);
          added = next.name;
          return after ? connect(next.doc, after, added) : next.doc;
        },
      );
      if (!done(worked, `${added} added${after ? ` after ${after}` : ""}`)) return null;
      store.select({ nodes: [added] });
      if (!how.at) show([added]);
      if (how.focus) focusSoon("[data-inspector] [data-autofocus]");
      return added;
    },
    [store, kinds, settled, done, show],
  );

  const remove = useCallback(
    (selection: Selection) => {
      const nodes = selection.nodes.filter((name) => name !== START);
      const gone = selection.edges.map((index) => wiresOf(store.doc).find((wire) => wire.index === index));
      if (!nodes.length && !selection.edges.length) return;
      const what = nodes.length === 1 ? (nodes[0] as string) : nodes.length ? `${nodes.length} nodes` : `the edge ${gone[0]?.from} → ${gone[0]?.to}`;
      done(store.apply(`remove ${what}`, (doc) => removeNodes(removeEdges(doc, selection.edges), nodes), { select: {} }), `${what} removed`);
    },
    [store, done],
  );

  const pasteText = useCallback(
    (text: string, at?: Place): boolean => {
      const clip = readable(text);
      if (!clip) return false;
      let names: string[] = [];
      const worked = store.apply("paste", (doc) => {
        const next = paste(settled(doc), clip, literal, at);
        names = next.names;
        return next.doc;
      });
      if (worked) store.select({ nodes: names });
      return done(worked, `${names.join(", ")} pasted`);
    },
    [store, settled, literal, done],
  );

  const copyNodes = useCallback(
    (names: readonly string[]): string | null => {
      const chosen = names.filter((name) => name !== START);
      if (!chosen.length) return null;
      announce(`${chosen.length === 1 ? chosen[0] : `${chosen.length} nodes`} copied`);
      return copy(settled(store.doc), chosen);
    },
    [store, settled],
  );

  const duplicate = useCallback(
    (names: readonly string[]) => {
      const text = copyNodes(names);
      if (text) pasteText(text);
    },
    [copyNodes, pasteText],
  );

  const tidy = useCallback(() => {
    void tidied(store.doc).then((at) => {
      done(store.apply("tidy up", (doc) => moveNodes({ ...doc, layout: {} }, at)), "The nodes stand in order");
      show([]);
    });
  }, [store, done, show]);

  const undo = useCallback(() => {
    const what = store.undo();
    announce(what ? `Undone: ${what}` : "Nothing to undo");
  }, [store]);
  const redo = useCallback(() => {
    const what = store.redo();
    announce(what ? `Done again: ${what}` : "Nothing to do again");
  }, [store]);

  const inspect = useCallback(
    (field?: string) => {
      setPane("inspector");
      focusSoon(field ? `#${CSS.escape(field)}` : "[data-inspector] [data-autofocus]");
    },
    [setPane],
  );

  const jump = useCallback(
    (pointer: string) => {
      const target = targetOf(pointer);
      if (target.at === "node") {
        store.select({ nodes: [target.name] });
        show([target.name]);
      } else if (target.at === "edge") {
        store.select({ edges: [target.index] });
        const wire = wiresOf(store.doc).find((one) => one.index === target.index);
        if (wire) show([wire.from, wire.to]);
      } else store.select({});
      setPane("inspector");
      setWanted((before) => ({ pointer, turn: before.turn + 1 }));
      focusSoon(`[data-pointer="${CSS.escape(pointer)}"]`, pathOf(pointer));
    },
    [store, show, setPane],
  );

  const allow = useCallback(() => {
    if (!refused?.refusal.visits) return;
    const { from, to, refusal: no } = refused;
    const visits = no.visits as number;
    setRefused(null);
    done(store.apply("connect a loop", (doc) => connectLoop(doc, from, to, visits)), `${from} leads back to ${to}, at most ${visits} times`);
  }, [store, refused, done]);

  const dismiss = useCallback(() => setRefused(null), []);
  return useMemo(
    () => ({ link, insert, remove, duplicate, copy: copyNodes, paste: pasteText, tidy, undo, redo, inspect, jump, allow, refused, dismiss, inserting, setInserting, reveal, show, wanted }),
    [link, insert, remove, duplicate, copyNodes, pasteText, tidy, undo, redo, inspect, jump, allow, refused, dismiss, inserting, reveal, show, wanted],
  );
}
