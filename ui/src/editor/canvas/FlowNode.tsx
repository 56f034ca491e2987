// A node on the canvas, and the start. Drawn again only when what it shows has changed.

import { Handle, type NodeProps, Position } from "@xyflow/react";
import { IconAlertCircle, IconAlertTriangle } from "@tabler/icons-react";
import { memo } from "react";
import { KindIcon } from "../kindIcons.tsx";
import { START } from "../model/document.ts";
import css from "./Canvas.module.css";
import type { FlowNode as Shape } from "./flow.ts";

export const FlowNode = memo(function FlowNode({ data, selected }: NodeProps<Shape>) {
  return (
    <div className={css.node} data-selected={selected || undefined} data-wrong={data.errors > 0 || undefined} data-testid={`node-${data.name}`}>
      <Handle type="target" position={Position.Left} className={css.handle ?? ""} />
      <KindIcon kind={data.kind} size={20} />
      <div className={css.words}>
        <div className={css.title} title={data.title}>
          {data.title}
        </div>
        <div className={css.about} title={data.marks || undefined}>
          {data.kind || "no kind"}
          {data.title === data.name ? "" : ` · ${data.name}`}
          {data.marks ? ` · ${data.marks}` : ""}
        </div>
      </div>
      {data.errors + data.warnings > 0 ? (
        <span className={css.badge} data-tone={data.errors ? "bad" : "warn"} title={data.wrong}>
          {data.errors ? <IconAlertCircle size={15} aria-hidden /> : <IconAlertTriangle size={15} aria-hidden />}
          {data.errors || data.warnings}
          <span className="visually-hidden">{data.errors ? " wrong" : " warnings"}</span>
        </span>
      ) : null}
      <Handle type="source" position={Position.Right} className={css.handle ?? ""} />
    </div>
  );
});

export const StartNode = memo(function StartNode({ selected }: NodeProps<Shape>) {
  return (
    <div className={css.start} data-selected={selected || undefined} data-testid="node-start" title="A run begins here, with its inputs">
      <Handle type="target" position={Position.Left} className={`${css.handle} ${css.closed}`} />
      <KindIcon kind={START} size={14} />
      Start
      <Handle type="source" position={Position.Right} className={css.handle ?? ""} />
    </div>
  );
});
