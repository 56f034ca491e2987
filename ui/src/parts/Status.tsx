// The state of a run, step, node or attempt: always an icon and a word and a colour, so that none of them is needed alone.

import {
  IconBan,
  IconCircleCheck,
  IconCircleDashed,
  IconCircleDotted,
  IconCircleMinus,
  IconCircleX,
  IconClockPause,
  IconHourglassHigh,
  IconListCheck,
  IconLoader2,
  IconPlayerPause,
  IconPlugConnectedX,
  IconQuestionMark,
  IconRefresh,
} from "@tabler/icons-react";
import type { ComponentType } from "react";
import css from "./Status.module.css";

export type Tone = "good" | "bad" | "warn" | "busy" | "idle";

export interface Look {
  word: string;
  tone: Tone;
  icon: ComponentType<{ size?: number; stroke?: number; className?: string; "aria-hidden"?: boolean }>;
  /** What it means, in a sentence. */
  means: string;
}

const LOOKS: Record<string, Look> = {
  queued: { word: "Queued", tone: "idle", icon: IconCircleDashed, means: "It waits for a place to run in." },
  validating: { word: "Validating", tone: "busy", icon: IconListCheck, means: "It is checked before anything is done." },
  scheduled: { word: "Scheduled", tone: "idle", icon: IconCircleDotted, means: "It was sent to an executor." },
  active: { word: "Active", tone: "busy", icon: IconLoader2, means: "Some of its steps are under way." },
  running: { word: "Running", tone: "busy", icon: IconLoader2, means: "It is under way." },
  waiting: { word: "Waiting", tone: "warn", icon: IconHourglassHigh, means: "It waits for a person, a time or another run." },
  retrying: { word: "Retrying", tone: "warn", icon: IconRefresh, means: "An attempt failed; the next one is due." },
  paused: { word: "Paused", tone: "warn", icon: IconPlayerPause, means: "It stands still until somebody resumes it." },
  completed: { word: "Completed", tone: "good", icon: IconCircleCheck, means: "It did all it had to do." },
  failed: { word: "Failed", tone: "bad", icon: IconCircleX, means: "It ended with an error." },
  cancelled: { word: "Cancelled", tone: "idle", icon: IconBan, means: "Somebody ended it." },
  skipped: { word: "Skipped", tone: "idle", icon: IconCircleMinus, means: "No edge led here." },
  lost: { word: "Lost", tone: "bad", icon: IconPlugConnectedX, means: "The executor went away; it is done again." },
  timed_out: { word: "Timed out", tone: "bad", icon: IconClockPause, means: "It took longer than it may." },
};

/** How a status is shown; an unknown one by its own name. */
export function lookOf(status: string): Look {
  return LOOKS[status] ?? { word: status.replaceAll("_", " "), tone: "idle", icon: IconQuestionMark, means: "" };
}

/** A CSS colour of good contrast on the page, in light and dark. */
export const toneColor = (tone: Tone): string => `var(--tone-${tone})`;

interface StatusProps {
  of: string;
  /** `badge` has a tinted ground, `plain` has none, `icon` shows the icon alone and says the word to screen readers. */
  variant?: "badge" | "plain" | "icon";
  size?: "sm" | "md";
  className?: string;
}

export function Status({ of, variant = "plain", size = "sm", className }: StatusProps) {
  const { word, tone, icon: Icon, means } = lookOf(of);
  const turning = of === "running" || of === "active";
  return (
    <span
      className={[css.status, css[variant], css[size], css[tone], className].filter(Boolean).join(" ")}
      title={means || undefined}
      data-status={of}
    >
      <Icon size={size === "md" ? 18 : 15} stroke={2} aria-hidden className={turning ? css.turning : undefined} />
      <span className={variant === "icon" ? "visually-hidden" : undefined}>{word}</span>
    </span>
  );
}
