// The kinds of node there are: dragged onto the canvas, or chosen to be added where there is room.

import { Tooltip, UnstyledButton } from "@mantine/core";
import { DRAGGED } from "./canvas/Canvas.tsx";
import { useEditor } from "./context.ts";
import { KindIcon } from "./kindIcons.tsx";
import { aboutKind } from "./model/starters.ts";
import css from "./Panels.module.css";

export function Palette() {
  const { kinds, insert } = useEditor();
  return (
    <ul className={css.palette} aria-label="Kinds of node">
      {[...kinds.values()].map((kind) => (
        <li key={kind.name}>
          <Tooltip label={aboutKind(kind)} position="right" openDelay={400} multiline maw={280}>
            <UnstyledButton
              className={css.kind}
              draggable
              aria-label={`Add ${kind.name}`}
              onDragStart={(event) => {
                event.dataTransfer.setData(DRAGGED, kind.name);
                event.dataTransfer.effectAllowed = "copy";
              }}
              onClick={() => insert(kind.name)}
            >
              <KindIcon kind={kind.name} size={15} />
              {kind.name}
            </UnstyledButton>
          </Tooltip>
        </li>
      ))}
    </ul>
  );
}
