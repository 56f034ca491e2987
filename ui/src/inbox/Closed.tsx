// A question that is open no more: what was decided, and by whom.

import { Button } from "@mantine/core";
import { IconChecks } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import type { Approval } from "../api/schema.d.ts";
import { Empty } from "../parts/Empty.tsx";
import { decisionQuery } from "./queries.ts";
import { questionOf } from "./questions.ts";

interface ClosedProps {
  /** Absent where the page never saw it open. */
  item: Approval | undefined;
  onNext: (() => void) | undefined;
}

export function Closed({ item, onNext }: ClosedProps) {
  const { data } = useQuery({ ...decisionQuery(item?.run_id ?? "", item?.step ?? ""), enabled: item !== undefined });
  const who = data?.by === null ? "Nobody answered in time" : `${data?.by ?? "Somebody"} answered`;
  const said = data ? (data.decision === null ? who : `${who}: ${data.decision}`) : null;
  return (
    <Empty
      icon={<IconChecks size={26} />}
      title={said ?? "This question is open no more"}
      actions={
        <>
          {onNext ? <Button onClick={onNext}>To the next question</Button> : null}
          {item ? (
            <Button component={Link} to={`/runs/${item.run_id}?step=${encodeURIComponent(item.step)}`} variant="default">
              See the run
            </Button>
          ) : null}
        </>
      }
    >
      {item ? `“${questionOf(item.ask).title}” is decided once, and it has been.` : null}
      {data?.comment ? ` The reason: ${data.comment}` : ""}
      {item ? null : "It was decided, or its run has ended."}
    </Empty>
  );
}
