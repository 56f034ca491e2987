// Where nodes stand for which the document names no place: layered by dagre beside the page, or next to what leads to them.

import { useEffect, useMemo, useState } from "react";
import type { Asked, Placed } from "../run/graph/layout.ts";
import { type Doc, nodesOf, type Place, placesOf, rootsOf, SIZE, START, wiresOf } from "./model/document.ts";

const LETTER = 6.5; // pixels of a letter on an edge

/** A place for each node, worked out in a worker; on the page itself where there are none. */
export function tidied(doc: Doc): Promise<Record<string, Place>> {
  const names = nodesOf(doc).map(([name]) => name);
  const known = new Set(names);
  const asked: Asked = {
    turn: 1,
    down: false,
    nodes: names.map((id) => ({ id, ...SIZE })),
    edges: wiresOf(doc)
      .filter((wire) => known.has(wire.from) && known.has(wire.to) && wire.from !== wire.to)
      .map((wire) => [wire.from, wire.to, typeof wire.edge["when"] === "string" ? Math.min(wire.edge["when"].length, 30) * LETTER : 0]),
  };
  return new Promise((resolve, reject) => {
    const here = () => import("../run/graph/layout.ts").then(({ placed }) => resolve(whole(placed(asked).at)), reject);
    try {
      const worker = new Worker(new URL("../run/graph/layout.worker.ts", import.meta.url), { type: "module" });
      worker.addEventListener("message", (event: MessageEvent<Placed>) => {
        worker.terminate();
        resolve(whole(event.data.at));
      });
      worker.addEventListener("error", () => {
        worker.terminate();
        void here();
      });
      worker.postMessage(asked);
    } catch {
      void here();
    }
  });
}

const whole = (at: Record<string, Place>): Record<string, Place> => Object.fromEntries(Object.entries(at).map(([name, { x, y }]) => [name, { x: Math.round(x), y: Math.round(y) }]));

/** Every place: those the document names, and for the rest a good one. Null until it is known. */
export function usePlaces(doc: Doc): Record<string, Place> | null {
  const written = useMemo(() => placesOf(doc), [doc]);
  const names = nodesOf(doc).map(([name]) => name);
  const missing = names.filter((name) => !written[name]);
  const none = names.length > 0 && missing.length === names.length;
  const shape = none ? `${names.join()}|${wiresOf(doc).map((wire) => `${wire.from}>${wire.to}`).join()}` : "";
  const [laid, setLaid] = useState<{ shape: string; at: Record<string, Place> } | null>(null);
  useEffect(() => {
    if (!shape) return;
    let over = false;
    void tidied(doc).then((at) => {
      if (!over) setLaid({ shape, at });
    });
    return () => {
      over = true;
    };
    // oxlint-disable-next-line react/exhaustive-deps -- `shape` stands for the document
  }, [shape]);
  return useMemo(() => {
    if (none && laid === null) return null;
    const places: Record<string, Place> = none ? { ...laid?.at } : { ...written };
    for (const name of names) places[name] ??= nextTo(name, doc, places);
    places[START] = written[START] ?? beforeRoots(doc, places);
    return places;
    // oxlint-disable-next-line react/exhaustive-deps -- `names` and `none` are of the document
  }, [doc, laid, written, none]);
}

function nextTo(name: string, doc: Doc, places: Record<string, Place>): Place {
  const source = wiresOf(doc).find((wire) => wire.to === name && places[wire.from]);
  const all = Object.entries(places).filter(([other]) => other !== START).map(([, place]) => place);
  const origin = source && places[source.from];
  let at: Place = origin ? { x: origin.x + SIZE.width + 72, y: origin.y } : { x: Math.min(0, ...all.map((one) => one.x)), y: Math.max(-96, ...all.map((one) => one.y)) + 96 };
  while (all.some((one) => Math.abs(one.x - at.x) < SIZE.width && Math.abs(one.y - at.y) < SIZE.height + 12)) at = { x: at.x, y: at.y + SIZE.height + 28 };
  return at;
}

function beforeRoots(doc: Doc, places: Record<string, Place>): Place {
  const roots = rootsOf(doc).flatMap((name) => places[name] ?? []);
  if (!roots.length) return { x: -180, y: 12 };
  const y = roots.reduce((sum, one) => sum + one.y, 0) / roots.length;
  return { x: Math.min(...roots.map((one) => one.x)) - 180, y: Math.round(y + 12) };
}
