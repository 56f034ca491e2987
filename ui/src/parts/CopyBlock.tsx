// A command to take along.

import { ActionIcon, CopyButton, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { announce } from "../shell/announce.tsx";
import css from "./CopyBlock.module.css";

export function CopyBlock({ text, label }: { text: string; label: string }) {
  return (
    <div className={css.block}>
      <pre className={css.text} tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? "Copied" : "Copy"}>
            <ActionIcon
              className={css.copy ?? ""}
              variant="default"
              aria-label={`Copy ${label}`}
              onClick={() => {
                copy();
                announce(`${label} copied`);
              }}
            >
              {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </div>
  );
}
