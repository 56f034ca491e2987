"""The crew of W7 in CrewAI: PYTHON crewai_crew.py URL TASKS ROUNDS; prints the milliseconds of a task, median of rounds."""

from __future__ import annotations

import os
import statistics
import sys
import time

os.environ.update(CREWAI_DISABLE_TELEMETRY="true", OTEL_SDK_DISABLED="true", CREWAI_TRACING_ENABLED="false")

from crewai import LLM, Agent, Crew, Process, Task  # pyright: ignore[reportMissingImports] - never a dependency


def crew(url: str, tasks: int) -> Crew:
    llm = LLM(model="openai/bench", base_url=url, api_key="none")
    writer = Agent(role="Writer", goal="Write one sentence", backstory="Writes about rivers.", llm=llm, verbose=False)
    todo = [
        Task(description=f"Write about river {n}.", expected_output="One sentence.", agent=writer) for n in range(tasks)
    ]
    return Crew(agents=[writer], tasks=todo, process=Process.sequential, verbose=False)


def main() -> None:
    url, tasks, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    crew(url, 1).kickoff()
    taken = []
    for _ in range(rounds):
        made = crew(url, tasks)
        begin = time.perf_counter()
        made.kickoff()
        taken.append((time.perf_counter() - begin) / tasks * 1e3)
    sys.stdout.write(f"\n{statistics.median(taken)}\n")


if __name__ == "__main__":
    main()
