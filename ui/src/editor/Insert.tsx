// Cmd-K in the editor: a node by its name, connected from the one that is chosen.

import { Checkbox, Kbd, Modal, ScrollArea, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useRef, useState } from "react";
import { useDocument, useEditor } from "./context.ts";
import { KindIcon } from "./kindIcons.tsx";
import { nodeOf } from "./model/document.ts";
import { aboutKind } from "./model/starters.ts";
import css from "./Panels.module.css";

export function Insert() {
  const { inserting, setInserting } = useEditor();
  return (
    <Modal opened={inserting !== null} onClose={() => setInserting(null)} title="Add a node" size="md" yOffset="12vh" returnFocus>
      {inserting ? <Choice /> : null}
    </Modal>
  );
}

function Choice() {
  const { kinds, insert, inserting, setInserting } = useEditor();
  const { doc } = useDocument();
  const [wanted, setWanted] = useState("");
  const [linked, setLinked] = useState(true);
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const after = inserting?.after && nodeOf(doc, inserting.after) ? inserting.after : null;
  const words = wanted.trim().toLowerCase();
  const named = [...kinds.values()].filter((kind) => kind.name.includes(words));
  const shown = [...named, ...[...kinds.values()].filter((kind) => !named.includes(kind) && kind.description.toLowerCase().includes(words))];
  const choose = (name: string) => {
    setInserting(null);
    insert(name, { after: linked ? after : null, at: inserting?.at ?? null, focus: true });
  };
  const mark = (place: number) => {
    setAt(place);
    list.current?.children[place]?.scrollIntoView({ block: "nearest" });
  };
  const active = Math.min(at, shown.length - 1);
  return (
    <>
      <TextInput
        data-autofocus
        role="combobox"
        aria-expanded
        aria-controls="kinds-to-add"
        aria-activedescendant={shown[active] ? `kind-${shown[active].name}` : undefined}
        aria-label="Kind of node"
        placeholder="agent, code, http…"
        value={wanted}
        onChange={(event) => {
          setWanted(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") mark(Math.min(shown.length - 1, active + 1));
          else if (event.key === "ArrowUp") mark(Math.max(0, active - 1));
          else if (event.key === "Enter" && shown[active]) choose(shown[active].name);
          else return;
          event.preventDefault();
        }}
      />
      {after ? <Checkbox mt="sm" label={`Connect it from ${after}`} checked={linked} onChange={(event) => setLinked(event.currentTarget.checked)} /> : null}
      <ScrollArea.Autosize mah="45vh" mt="sm" type="auto">
        <div ref={list} id="kinds-to-add" role="listbox" aria-label="Kinds of node">
          {shown.map((kind, place) => (
            <UnstyledButton key={kind.name} id={`kind-${kind.name}`} role="option" aria-selected={place === active} tabIndex={-1} className={css.choice} onClick={() => choose(kind.name)} onMouseMove={() => setAt(place)}>
              <KindIcon kind={kind.name} size={18} />
              <span className={css.choiceWords}>
                <span className={css.choiceName}>{kind.name}</span>
                <span className={css.choiceAbout}>{aboutKind(kind)}</span>
              </span>
            </UnstyledButton>
          ))}
        </div>
      </ScrollArea.Autosize>
      {shown.length === 0 ? <Text c="dimmed" size="sm" mt="sm">No kind by that name</Text> : null}
      <Text size="xs" c="dimmed" mt="sm">
        <Kbd size="xs">↑</Kbd> <Kbd size="xs">↓</Kbd> to choose, <Kbd size="xs">Enter</Kbd> to add
      </Text>
    </>
  );
}
