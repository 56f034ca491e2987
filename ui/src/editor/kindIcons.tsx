// The face of each kind of node: an icon and a hue. A kind of somebody else's has a cube.

import {
  IconBell, IconCircleX, IconClock, IconCode, IconCube, IconFileText, IconFlag, IconFunction, IconPlugConnected, IconRobot, IconRoute, IconSubtask, IconTool, IconUser, IconUsersGroup, IconWorldWww,
} from "@tabler/icons-react";
import type { CSSProperties } from "react";
import css from "./kindIcons.module.css";

const FACES: Record<string, [typeof IconCube, number]> = {
  agent: [IconRobot, 285],
  code: [IconCode, 250],
  crew: [IconUsersGroup, 310],
  function: [IconFunction, 225],
  fail: [IconCircleX, 20],
  http: [IconWorldWww, 205],
  human: [IconUser, 35],
  notify: [IconBell, 110],
  plan: [IconRoute, 60],
  remote: [IconPlugConnected, 180],
  render: [IconFileText, 140],
  subflow: [IconSubtask, 165],
  tool: [IconTool, 15],
  wait: [IconClock, 85],
  $start: [IconFlag, 190],
};

export function KindIcon({ kind, size = 18 }: { kind: string; size?: number }) {
  const [Icon, hue] = FACES[kind] ?? [IconCube, 200];
  return (
    <span className={css.face} style={{ "--hue": hue, "--size": `${size + 10}px` } as CSSProperties} aria-hidden>
      <Icon size={size} stroke={1.8} />
    </span>
  );
}
