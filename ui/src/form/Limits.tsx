// Stricter limits for this run alone.

import { Collapse, NumberInput, SimpleGrid, UnstyledButton } from "@mantine/core";
import { useDisclosure, useId } from "@mantine/hooks";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import css from "./Limits.module.css";
import type { Json } from "./schema.ts";

export const LIMITS = {
  usd: { label: "US dollars", step: 0.1, decimals: true },
  tokens: { label: "Tokens", step: 1000, decimals: false },
  seconds: { label: "Seconds", step: 30, decimals: true },
  steps: { label: "Steps", step: 1, decimals: false },
  parallel: { label: "Steps at once", step: 1, decimals: false },
  iterations: { label: "Iterations", step: 1, decimals: false },
} as const;

interface LimitsProps {
  value: Record<string, Json>;
  onChange: (limits: Record<string, Json>) => void;
  document: Record<string, unknown>;
}

export function Limits({ value, onChange, document }: LimitsProps) {
  const [open, { toggle }] = useDisclosure(Object.keys(value).length > 0);
  const id = useId();
  const own = (document["limits"] ?? {}) as Record<string, unknown>;
  const Chevron = open ? IconChevronDown : IconChevronRight;
  return (
    <div>
      <UnstyledButton onClick={toggle} aria-expanded={open} aria-controls={id} className={css.toggle}>
        <Chevron size={16} aria-hidden /> Stricter limits for this run
      </UnstyledButton>
      <Collapse expanded={open} id={id}>
        <SimpleGrid cols={{ base: 2, sm: 3 }} spacing="sm" mt="sm">
          {Object.entries(LIMITS).map(([name, { label, step, decimals }]) => (
            <NumberInput
              key={name}
              label={label}
              size="sm"
              min={0}
              step={step}
              allowDecimal={decimals}
              placeholder={own[name] === undefined ? "no limit" : String(own[name])}
              value={(value[name] as number | undefined) ?? ""}
              onChange={(next) => {
                const { [name]: _, ...rest } = value;
                onChange(next === "" ? rest : { ...rest, [name]: Number(next) });
              }}
            />
          ))}
        </SimpleGrid>
      </Collapse>
    </div>
  );
}
