// How something is that is no run: an icon, a word and a colour, as with the status of a run.

import {
  IconBolt,
  IconCircleCheck,
  IconCircleDashed,
  IconCircleMinus,
  IconCircleX,
  IconHelpCircle,
  IconKeyOff,
} from "@tabler/icons-react";
import type { Look, Tone } from "../parts/Status.tsx";
import css from "../parts/Status.module.css";

const LOOKS = {
  healthy: { word: "Healthy", tone: "good", icon: IconCircleCheck, means: "It answered when it was last asked." },
  unhealthy: { word: "Unhealthy", tone: "bad", icon: IconCircleX, means: "It did not answer, or not as it should." },
  unknown: { word: "Not checked yet", tone: "idle", icon: IconCircleDashed, means: "Nobody has asked it so far." },
  off: { word: "Switched off", tone: "idle", icon: IconCircleMinus, means: "It is not used until it is switched on." },
  on: { word: "On", tone: "good", icon: IconCircleCheck, means: "It holds." },
  connected: { word: "Connected", tone: "good", icon: IconCircleCheck, means: "Its key was tried, and taken." },
  unverified: { word: "Unverified", tone: "warn", icon: IconHelpCircle, means: "There is a key, which was not tried yet." },
  failed: { word: "Broken", tone: "bad", icon: IconCircleX, means: "The key was tried, and did not work." },
  no_key: { word: "No key", tone: "idle", icon: IconKeyOff, means: "It cannot be asked until it has a key." },
  open: { word: "Breaker open", tone: "bad", icon: IconBolt, means: "It failed too often and is left alone for a while." },
  half_open: { word: "Breaker half open", tone: "warn", icon: IconBolt, means: "The next call tells whether it is well again." },
  closed: { word: "Breaker closed", tone: "good", icon: IconCircleCheck, means: "Calls go through." },
} satisfies Record<string, Look & { tone: Tone }>;

export type State = keyof typeof LOOKS;

export function Mark({ of, badge = false }: { of: State; badge?: boolean }) {
  const { word, tone, icon: Icon, means } = LOOKS[of];
  return (
    <span className={[css.status, css.sm, css[tone], badge ? css.badge : ""].join(" ")} title={means} data-state={of}>
      <Icon size={15} stroke={2} aria-hidden />
      <span>{word}</span>
    </span>
  );
}
