// What the navigation shows of a route.

import {
  IconInbox,
  IconKey,
  IconLayoutGrid,
  IconMailX,
  IconPlayerPlay,
  IconSettings,
  IconServer2,
} from "@tabler/icons-react";
import type { RouteObject } from "react-router";

export const ICONS = {
  catalog: IconLayoutGrid,
  runs: IconPlayerPlay,
  inbox: IconInbox,
  deadLetters: IconMailX,
  servers: IconServer2,
  secrets: IconKey,
  settings: IconSettings,
} as const;

export interface NavItem {
  label: string;
  icon: keyof typeof ICONS;
  /** What one finds there, in a few words. */
  hint: string;
  /** Which number stands beside it. */
  badge?: "approvals";
}

export interface NavLink extends NavItem {
  to: string;
}

/** The routes that stand in the navigation, in their order. */
export function navOf(routes: RouteObject[]): NavLink[] {
  return routes.flatMap((route) => [
    ...(route.handle ? [{ ...(route.handle as NavItem), to: `/${route.path ?? ""}` }] : []),
    ...navOf(route.children ?? []),
  ]);
}
