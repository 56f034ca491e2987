// What runs here, and whether it can work.

import { Anchor, Text } from "@mantine/core";
import { IconCircleCheck, IconCircleX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Card } from "../parts/Card.tsx";
import { CopyBlock } from "../parts/CopyBlock.tsx";
import { Problem } from "../parts/Problem.tsx";
import { aboutQuery, healthQuery } from "./queries.ts";
import css from "./Settings.module.css";

const PARTS: Record<string, string> = { journal: "Journal", serving: "Serving" };

export function About() {
  const health = useQuery(healthQuery());
  const about = useQuery(aboutQuery());
  return (
    <div className={css.keys}>
      <Card title="Penstock">
        <dl className={css.facts}>
          <div>
            <dt>Version</dt>
            <dd>{about.data?.info.version ?? "…"}</dd>
          </div>
          <div>
            <dt>Address</dt>
            <dd>{window.location.origin}</dd>
          </div>
          <div>
            <dt>API</dt>
            <dd>
              <Anchor href="/api/v1/openapi.json" size="sm">
                /api/v1/openapi.json
              </Anchor>
            </dd>
          </div>
          <div>
            <dt>Numbers</dt>
            <dd>
              <Anchor href="/metrics" size="sm">
                /metrics
              </Anchor>
            </dd>
          </div>
        </dl>
        <Text size="sm" mt="md" mb={6}>
          What stands where, and what is missing, in a terminal:
        </Text>
        <CopyBlock text="penstock doctor" label="Command" />
      </Card>
      <Card title="Health">
        {health.error && !health.data ? <Problem error={health.error} title="Nobody answers" retry={() => void health.refetch()} /> : null}
        {health.data ? (
          <dl className={css.facts}>
            <div>
              <dt>It can work</dt>
              <dd>
                <Well good={health.data.status !== "unavailable"} words={health.data.status} />
              </dd>
            </div>
            {Object.entries(health.data.checks ?? {}).map(([name, state]) => (
              <div key={name}>
                <dt>{PARTS[name] ?? name}</dt>
                <dd>
                  <Well good={state === "ok"} words={state} />
                </dd>
              </div>
            ))}
          </dl>
        ) : null}
      </Card>
    </div>
  );
}

function Well({ good, words }: { good: boolean; words: string }) {
  const Icon = good ? IconCircleCheck : IconCircleX;
  return (
    <span className={[css.well, good ? css.good : css.bad].join(" ")}>
      <Icon size={15} aria-hidden /> {words}
    </span>
  );
}
