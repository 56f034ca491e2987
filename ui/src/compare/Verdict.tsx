// What became of a part: a colour, an icon and a word, none of which is needed alone.

import { IconCircleMinus, IconCirclePlus, IconEqual, IconPencil } from "@tabler/icons-react";
import type { Verdict as Is } from "../editor/model/compare.ts";
import css from "./Compare.module.css";

const LOOKS = {
  added: [IconCirclePlus, "Added"],
  removed: [IconCircleMinus, "Removed"],
  changed: [IconPencil, "Changed"],
  same: [IconEqual, "Same"],
} as const;

export function Verdict({ is }: { is: Is }) {
  const [Icon, word] = LOOKS[is];
  return (
    <span className={css.verdict} data-verdict={is}>
      <Icon size={14} aria-hidden />
      {word}
    </span>
  );
}
