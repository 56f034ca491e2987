// How a run is to be: first tried out within tight limits, then for real; or only looked at.

import { Radio, SimpleGrid, Text } from "@mantine/core";
import type { RunMode } from "../api/queries.ts";
import css from "./ModePicker.module.css";

export const MODES: Record<RunMode, { name: string; verb: string; means: string }> = {
  test_run: {
    name: "Test run",
    verb: "Start a test run",
    means: "Does the work within tight limits: 1,000 tokens, 60 s, 5 iterations.",
  },
  full_run: { name: "Full run", verb: "Start a full run", means: "Does the work within the workflow's own limits." },
  validate_only: {
    name: "Validate only",
    verb: "Validate",
    means: "Checks the document, the inputs and what is needed. Nothing is done.",
  },
};

export const isMode = (text: string | null | undefined): text is RunMode => text !== null && text !== undefined && text in MODES;

export function ModePicker({ value, onChange }: { value: RunMode; onChange: (mode: RunMode) => void }) {
  return (
    <Radio.Group label="Mode" value={value} onChange={(next) => isMode(next) && onChange(next)}>
      <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="xs" mt={6}>
        {Object.entries(MODES).map(([mode, { name, means }]) => (
          <Radio.Card key={mode} value={mode} radius="md" className={css.card ?? ""} aria-label={`${name}: ${means}`}>
            <Radio.Indicator size="sm" />
            <span>
              <Text component="span" size="sm" fw={600} display="block">
                {name}
              </Text>
              <Text component="span" size="xs" c="dimmed" display="block">
                {means}
              </Text>
            </span>
          </Radio.Card>
        ))}
      </SimpleGrid>
    </Radio.Group>
  );
}
