// A value as it is best read: text as text, everything else as a tree; what stands elsewhere is fetched when it is small.

import { Button } from "@mantine/core";
import { useState } from "react";
import { bytes } from "../parts/format.ts";
import { Problem } from "../parts/Problem.tsx";
import { CopyTool, JsonTree } from "./JsonTree.tsx";
import { Scrolling } from "./Scrolling.tsx";
import css from "./Value.module.css";
import { MOST, useWhole } from "./values.ts";
import { Waiting } from "./Waiting.tsx";

export function Value({ value, runId, label, fill = false }: { value: unknown; runId: string; label: string; fill?: boolean }) {
  const [asked, setAsked] = useState(false);
  const { value: whole, error, pointer } = useWhole(value, runId, asked || !isHuge(value));
  if (error) return <Problem error={error} title="The value could not be fetched" />;
  if (whole === undefined) {
    if (pointer === null || asked || pointer.size <= MOST) return <Waiting />;
    return (
      <Button variant="default" onClick={() => setAsked(true)}>
        Fetch {bytes(pointer.size)}
      </Button>
    );
  }
  if (typeof whole === "string") {
    return (
      <div className={css.box}>
        <div className={css.tools}>
          <CopyTool text={() => whole} />
        </div>
        <Scrolling className={css.text} label={label}>
          {whole || "(an empty text)"}
        </Scrolling>
      </div>
    );
  }
  return <JsonTree value={whole} runId={runId} label={label} fill={fill} />;
}

function isHuge(value: unknown): boolean {
  return typeof value === "object" && value !== null && "$spilled" in value && Number((value as { size?: number }).size) > MOST;
}
