// What the bars mean, for those who ask.

import { ActionIcon, Kbd, Popover, Tooltip } from "@mantine/core";
import { IconInfoCircle } from "@tabler/icons-react";
import css from "./Timeline.module.css";

const BARS: [string, string, string][] = [
  ["run", "completed", "did its work"],
  ["run", "running", "at work now"],
  ["run", "failed", "an attempt that failed"],
  ["queued", "queued", "sent, not yet begun"],
  ["wait", "person", "waits for a person, a time or another run"],
  ["wait", "retry", "waits for the next attempt"],
  ["call", "model", "asks a model"],
  ["call", "tool", "uses a tool"],
];
const KEYS: [string[], string][] = [
  [["↑", "↓"], "row by row"],
  [["←", "→"], "shut and open"],
  [["Enter"], "show the step"],
  [["+", "−", "0"], "closer, farther, all of it"],
  [["[", "]"], "earlier, later"],
];

export function Legend() {
  return (
    <Popover position="bottom-start" withinPortal shadow="md">
      <Popover.Target>
        <Tooltip label="What the bars mean">
          <ActionIcon variant="subtle" color="gray" aria-label="What the bars and keys mean">
            <IconInfoCircle size={16} />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown>
        <ul className={css.legend}>
          {BARS.map(([kind, what, means]) => (
            <li key={means}>
              <span className={css.sample}>
                <span className={css.bar} data-kind={kind} data-what={what} />
              </span>
              {means}
            </li>
          ))}
          {KEYS.map(([keys, means]) => (
            <li key={means}>
              <span className={css.keys}>
                {keys.map((key) => (
                  <Kbd key={key} size="xs">
                    {key}
                  </Kbd>
                ))}
              </span>
              {means}
            </li>
          ))}
        </ul>
      </Popover.Dropdown>
    </Popover>
  );
}
