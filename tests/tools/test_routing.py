"""Who is chosen: a table of the pure ranking, and its laws over every combination."""

from __future__ import annotations

import itertools
import random

import pytest

from penstock.tools.rate import Rate
from penstock.tools.routing import LOOKED_AT, Candidate, Wanted, rank, shown

WANTED = Wanted(capabilities=("code.scan",))


def one(server: str, **fields: object) -> Candidate:
    return Candidate(server, **{"tool": "scan", "health": "healthy", "latency": 0.01, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("candidates", "wanted", "order", "told"),
    [
        pytest.param([one("b"), one("a")], WANTED, ["a", "b"], "", id="tie: the name"),
        pytest.param([one("a", lacks=("code.scan",)), one("b")], WANTED, ["b"], "", id="partial: all of them or none"),
        pytest.param(
            [one("a", exact=False), one("b")], WANTED, ["b", "a"], "named as it is", id="spelling: exact first"
        ),
        pytest.param(
            [one("a", exact=False)], WANTED, ["a"], "named with another spelling", id="spelling: another one will do"
        ),
        pytest.param(
            [one("a", health="unhealthy", ill="gone"), one("b", load=0.9)],
            WANTED,
            ["b", "a"],
            "load 90%",
            id="unhealthy",
        ),
        pytest.param(
            [one("a", health="unhealthy", ill="gone")],
            WANTED,
            ["a"],
            "unhealthy (gone): a last resort",
            id="unhealthy alone",
        ),
        pytest.param(
            [one("a", health="unknown"), one("b", load=0.9)], WANTED, ["b", "a"], "healthy", id="known to be well first"
        ),
        pytest.param(
            [one("a"), one("b", priority=4, exact=False, load=0.9)], WANTED, ["b", "a"], "priority 4", id="priority"
        ),
        pytest.param(
            [one("a", priority=6), one("b", priority=1), one("c", priority=1)],
            Wanted(("code.scan",), prefer=("C", "b")),
            ["c", "b", "a"],
            "preferred (place 1)",
            id="preference of the step",
        ),
        pytest.param([one("a", priority=1)], Wanted(("x",), server="a"), ["a"], "the server that is named", id="named"),
        pytest.param([one("a", load=0.5), one("b", load=0.1)], WANTED, ["b", "a"], "load 10%", id="load"),
        pytest.param(
            [one("a", heavy=True), one("b", latency=5.0)], WANTED, ["b", "a"], "light", id="light before heavy"
        ),
        pytest.param([one("a", latency=0.2), one("b", latency=0.1)], WANTED, ["b", "a"], "100 ms", id="latency"),
        pytest.param([one("a", rate_wait=0.4), one("b", load=0.9)], WANTED, ["b", "a"], "", id="rate-limited: later"),
        pytest.param(
            [one("a", rate_wait=0.4), one("b", health="unhealthy")],
            WANTED,
            ["a", "b"],
            "in 0.4 s",
            id="rate-limited: before the sick",
        ),
        pytest.param([one("a", rate_wait=61)], WANTED, [], "only in 61 s", id="rate-limited: too long"),
        pytest.param([one("a", breaker_wait=12, ill="gone"), one("b", load=1)], WANTED, ["b"], "", id="breaker open"),
        pytest.param(
            [one("a", breaker_wait=12, ill="gone")], WANTED, [], "left alone for 12 s more", id="breaker open, alone"
        ),
        pytest.param(
            [one("a", fallback=True), one("b", health="unhealthy", load=1)],
            WANTED,
            ["b", "a"],
            "last resort",
            id="fallback last",
        ),
        pytest.param([one("a", fallback=True)], WANTED, ["a"], "which needs consent", id="fallback alone"),
        pytest.param(
            [one("a", fallback=True, consent=True)], WANTED, ["a"], "a fallback, allowed", id="fallback allowed"
        ),
        pytest.param([one("a", fallback=True, consent=False)], WANTED, [], "must not be used", id="fallback denied"),
        pytest.param([one("a", out="tried before: gone"), one("b")], WANTED, ["b"], "", id="tried before"),
    ],
)
def test_the_table(candidates: list[Candidate], wanted: Wanted, order: list[str], told: str) -> None:
    for arrangement in (candidates, candidates[::-1]):
        ranked = rank(arrangement, wanted)
        assert len(ranked) == len(candidates), "each is told of, chosen or not"
        assert [c.server for c in ranked if c.score > 0] == order
        assert told in ranked[0].reason


def everything() -> list[Candidate]:
    axes = itertools.product(
        (True, False),
        ("healthy", "unknown", "unhealthy"),
        (0.0, 0.55, 1.0),
        (True, False),
        (None, 0.0, 9.0),
        (1, 6),
        (0, 5.0),
        ((False, None), (True, None), (True, True)),
    )
    return [
        Candidate(
            f"s{number}", "t", exact=exact, health=health, load=load, heavy=heavy, latency=latency, priority=priority,
            rate_wait=wait, fallback=fallback, consent=consent,
        )
        for number, (exact, health, load, heavy, latency, priority, wait, (fallback, consent)) in enumerate(axes)
    ]  # fmt: skip


def test_the_score_alone_is_the_order_and_each_criterion_outweighs_those_after_it() -> None:
    candidates = everything()
    random.Random(7).shuffle(candidates)
    ranked = rank(candidates, WANTED)
    assert all(c.score > 0 for c in ranked)

    def told(c: Candidate) -> tuple[object, ...]:
        sick, waits = c.health == "unhealthy", c.rate_wait > 0
        tier = (4 if sick or waits else 3) if c.fallback else 2 if sick else 1 if waits else 0
        health = ("healthy", "unknown", "unhealthy").index(c.health)
        speed = 1.0 if c.latency is None else c.latency
        return tier, -c.priority, not c.exact, health, min(9, int(c.load * 10)), c.heavy, speed

    assert [told(c) for c in ranked] == sorted(told(c) for c in ranked)
    assert [c.score for c in ranked] == sorted((c.score for c in ranked), reverse=True)
    assert rank(ranked[::-1], WANTED) == ranked, "the order they come in says nothing"


def test_a_journal_gets_the_best_and_no_more_than_it_can_hold() -> None:
    ranked = rank(everything(), WANTED)
    told = shown(ranked, ranked[0].server)
    assert len(told) == LOOKED_AT
    assert [c["server"] for c in told if c["chosen"]] == [ranked[0].server]
    assert told[0].keys() == {"server", "tool", "score", "chosen", "reason"}


class TestRate:
    def test_no_window_ever_has_more_than_it_may(self) -> None:
        rate, chance = Rate(per_second=3, per_minute=20), random.Random(3)
        now, made = 0.0, []
        for _ in range(200):
            now += chance.random() * 0.3
            wait = rate.wait(now)
            assert rate.take(now) == wait
            made.append(now + wait)
        assert made == sorted(made), "who came first goes first"
        for start in made:
            assert sum(start <= at < start + 0.999 for at in made) <= 3
            assert sum(start <= at < start + 59.999 for at in made) <= 20
        assert rate.wait(made[-1]) > 0, "the law means nothing when nobody waits"

    def test_less_than_one_a_second(self) -> None:
        rate = Rate(per_second=0.5)
        assert [rate.take(10.0) for _ in range(3)] == [0, 2, 4]

    def test_no_limit(self) -> None:
        rate = Rate()
        assert [rate.take(1.0) for _ in range(1000)] == [0] * 1000
