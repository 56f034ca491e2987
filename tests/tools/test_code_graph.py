"""The code server's graph as other programs read it, and questions to it: real parsers, a real stdio process."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import networkx
import pytest
import rdflib
from rdflib.compare import isomorphic
from tests.tools.test_code_server import Tools, connect, parameters

pytestmark = pytest.mark.anyio

CODE = "urn:penstock:code#"
SHOP = {
    "shop/__init__.py": '"""A shop."""\n\nfrom .store import Store\n',
    "shop/base.py": (
        "class Base:\n    def save(self):\n        return self.check()\n\n"
        "    def check(self): ...\n\n    def sell(self, price): ...\n"
    ),
    "shop/store.py": (
        "import shop.base as base\nfrom . import prices\n\n\nclass Store(base.Base):\n"
        '    """Sells \\U0001f41f and \\ud83d ``"fish"``."""\n\n'
        "    def sell(self, price):\n        price()\n        self.save()\n        super().check()\n        super().sell(price)\n"
        "        return prices.of(self)\n"
    ),
    "shop/prices.py": "def of(thing):\n    return round(rate())\n\n\ndef rate():\n    return 2\n",
    "shop/cli.py": (
        "import shop\nimport shop.prices\nfrom shop import Store\nfrom shop.prices import of\n\n\ndef main(rate, of):\n"
        "    def inner():\n        Store().sell(rate)\n    inner()\n    rate()\n    of()\n    shop.prices.rate()\n"
        "    shop.Store.sell(None, 1)\n\n\nmain(1)\n"
    ),
    'odd "näme" <&> 🐟.py': "import shop.cli\n",
    "web/a.ts": "import { b } from './b'\nimport React from 'react'\n",
    "web/b.ts": "export const b = 1\n",
}


@pytest.fixture(scope="module")
async def tools() -> AsyncIterator[Tools]:
    async for one in connect(parameters()):
        yield one


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in SHOP.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


async def graph(tools: Tools, root: Path, **rest: Any) -> dict[str, Any]:
    return await tools.call("knowledge_graph", root=str(root), paths=list(SHOP), **rest)


def links(drawn: dict[str, Any], kind: str) -> set[tuple[str, str]]:
    return {
        (edge["source"].partition(":")[2], edge["target"].partition(":")[2])
        for edge in drawn["edges"]
        if edge["kind"] == kind
    }


async def test_calls_are_followed_through_names_that_say_what_they_are(tools: Tools, shop: Path) -> None:
    drawn = await graph(tools, shop)
    assert links(drawn, "calls") == {
        ("shop/base.py#Base.save", "shop/base.py#Base.check"),
        ("shop/store.py#Store.sell", "shop/base.py#Base.save"),
        ("shop/store.py#Store.sell", "shop/base.py#Base.check"),
        ("shop/store.py#Store.sell", "shop/base.py#Base.sell"),
        ("shop/store.py#Store.sell", "shop/prices.py#of"),
        ("shop/prices.py#of", "shop/prices.py#rate"),
        ("shop/cli.py#main", "shop/store.py#Store"),
        ("shop/cli.py#main", "shop/store.py#Store.sell"),
        ("shop/cli.py#main", "shop/prices.py#rate"),
        ("shop/cli.py", "shop/cli.py#main"),
    }
    assert links(drawn, "inherits") == {("shop/store.py#Store", "shop/base.py#Base")}
    assert (drawn["counts"]["calls"], drawn["counts"]["inherits"]) == (10, 1)


async def test_names_that_lead_in_a_circle_end(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "from b import f\n\n\nclass A(B): ...\n\n\nclass B(A):\n    def m(self): self.no()\n\n\nf()\n"
    )
    (tmp_path / "b.py").write_text("from a import f\n\nf()\n")
    drawn = await tools.call("knowledge_graph", root=str(tmp_path), paths=["a.py", "b.py"])
    assert links(drawn, "calls") == set()
    assert links(drawn, "inherits") == {("a.py#A", "a.py#B"), ("a.py#B", "a.py#A")}


class TestFormats:
    async def test_jsonld_and_turtle_are_the_same_graph_to_a_real_parser(self, tools: Tools, shop: Path) -> None:
        import json

        drawn = await graph(tools, shop)
        document = (await graph(tools, shop, format="jsonld"))["document"]
        turtle = (await graph(tools, shop, format="turtle"))["document"]
        one = rdflib.Graph().parse(data=json.dumps(document), format="json-ld")
        two = rdflib.Graph().parse(data=turtle, format="turtle")
        assert isomorphic(one, two)
        for kind in ("imports", "defines", "calls", "inherits"):
            count = sum(1 for edge in drawn["edges"] if edge["kind"] == kind)
            assert len(list(two.triples((None, rdflib.URIRef(f"{CODE}{kind}"), None)))) == count > 0
        types = [str(kind).removeprefix(CODE) for kind in two.objects(None, rdflib.RDF.type)]
        assert {kind: types.count(kind) for kind in set(types)} == {
            "Module": drawn["counts"]["modules"],
            "Class": drawn["counts"]["classes"],
            "Function": drawn["counts"]["functions"],
            "Package": drawn["counts"]["packages"],
        }
        asked = two.query(
            "SELECT ?line WHERE { ?f <https://schema.org/name> 'Store.sell' ; <urn:penstock:code#line> ?line }"
        )
        assert [row[0].toPython() for row in asked] == [8]

    async def test_odd_characters_arrive_as_they_are(self, tools: Tools, shop: Path) -> None:
        turtle = (await graph(tools, shop, format="turtle"))["document"]
        read = rdflib.Graph().parse(data=turtle, format="turtle")
        names = {str(name) for name in read.objects(None, rdflib.URIRef("https://schema.org/name"))}
        assert 'odd "näme" <&> 🐟' in names
        docs = {str(doc) for doc in read.objects(None, rdflib.URIRef("https://schema.org/description"))}
        assert docs == {"A shop.", 'Sells 🐟 and \ufffd ``"fish"``.'}

    async def test_graphml_is_read_by_networkx(self, tools: Tools, shop: Path) -> None:
        drawn = await graph(tools, shop)
        text = (await graph(tools, shop, format="graphml"))["document"]
        read = networkx.read_graphml(io.BytesIO(text.encode()), force_multigraph=True)
        assert set(read.nodes) == {node["id"] for node in drawn["nodes"]}
        assert {(a, b, rest["kind"]) for a, b, rest in read.edges(data=True)} == {
            (edge["source"], edge["target"], edge["kind"]) for edge in drawn["edges"]
        }
        assert read.nodes["function:shop/store.py#Store.sell"]["line"] == 8
        assert read.nodes["class:shop/store.py#Store"]["doc"] == 'Sells 🐟 and \ufffd ``"fish"``.'


class TestQuestions:
    async def ask(self, tools: Tools, root: Path, question: str, of: str, **more: Any) -> dict[str, Any]:
        return await tools.call("query_graph", root=str(root), question=question, of=of, **more)

    async def reached(self, tools: Tools, root: Path, question: str, of: str, **more: Any) -> list[str]:
        answer = await self.ask(tools, root, question, of, **more)
        return sorted(node["id"].partition(":")[2] for node in answer["nodes"] if node["distance"])

    @pytest.mark.parametrize(
        ("question", "of", "expected"),
        [
            ("imports", "shop/store.py", ["shop/base.py", "shop/prices.py"]),
            ("imported_by", "shop.prices", ["shop/cli.py", "shop/store.py"]),
            ("imported_by", "react", ["web/a.ts"]),
            (
                "calls",
                "Store.sell",
                [f"shop/base.py#Base.{name}" for name in ("check", "save", "sell")] + ["shop/prices.py#of"],
            ),
            ("called_by", "rate", ["shop/cli.py#main", "shop/prices.py#of"]),
            ("called_by", "shop.cli.main", ["shop/cli.py"]),
            ("defines", "shop.prices", ["shop/prices.py#of", "shop/prices.py#rate"]),
            ("defined_in", "Store.sell", ["shop/store.py#Store"]),
            ("inherits", "Store", ["shop/base.py#Base"]),
            ("inherited_by", "class:shop/base.py#Base", ["shop/store.py#Store"]),
        ],
    )
    async def test_who_does_what(self, tools: Tools, shop: Path, question: str, of: str, expected: list[str]) -> None:
        assert await self.reached(tools, shop, question, of) == expected

    async def test_what_a_change_affects(self, tools: Tools, shop: Path) -> None:
        found = await self.reached(tools, shop, "affects", "rate")
        assert found == [
            'odd "näme" <&> 🐟.py',
            "shop/cli.py",
            "shop/cli.py#main",
            "shop/prices.py#of",
            "shop/store.py#Store.sell",
        ]
        users = await self.reached(tools, shop, "affects", "shop/base.py")
        assert {"shop/store.py", "shop/store.py#Store.sell"} <= set(users), "also who uses what is defined there"

    async def test_neighbours_along_some_edges_in_one_direction(self, tools: Tools, shop: Path) -> None:
        near = await self.reached(tools, shop, "neighbours", "shop.store", along=["imports"], direction="out")
        assert near == ["shop/base.py", "shop/prices.py"]
        far = await self.reached(tools, shop, "neighbours", "shop.cli", along=["imports"], direction="out", depth=9)
        assert far == ["shop/__init__.py", "shop/base.py", "shop/prices.py", "shop/store.py"]

    async def test_the_shortest_path_and_none(self, tools: Tools, shop: Path) -> None:
        answer = await self.ask(tools, shop, "path", "main", to="of", along=["calls"], direction="out")
        assert [node.partition("#")[2] for node in answer["path"]] == ["main", "Store.sell", "of"]
        assert [edge["kind"] for edge in answer["edges"]] == ["calls", "calls"]
        back = await self.ask(tools, shop, "path", "of", to="main", along=["calls"], direction="in")
        assert [node.partition("#")[2] for node in back["path"]] == ["of", "Store.sell", "main"]
        none = await self.ask(tools, shop, "path", "of", to="main", along=["calls"], direction="out")
        assert (none["path"], none["nodes"], none["edges"]) == ([], [], [])

    async def test_find_by_pattern_and_cut_short(self, tools: Tools, shop: Path) -> None:
        found = await self.ask(tools, shop, "find", "shop.*.Store*")
        assert {node["name"] for node in found["nodes"]} == {"Store", "Store.sell"}
        some = await self.ask(tools, shop, "find", "*", limit=3)
        assert (len(some["nodes"]), some["truncated"]) == (3, True)

    async def test_the_answer_as_a_document_of_its_own(self, tools: Tools, shop: Path) -> None:
        answer = await self.ask(tools, shop, "called_by", "rate", format="turtle")
        read = rdflib.Graph().parse(data=answer["document"], format="turtle")
        assert len(list(read.triples((None, rdflib.URIRef(f"{CODE}calls"), None)))) == 2
        assert len(set(read.subjects(rdflib.RDF.type, None))) == 3

    async def test_what_is_not_there_or_too_vague_is_named(self, tools: Tools, shop: Path) -> None:
        refused = await tools.client.call_tool("query_graph", {"root": str(shop), "question": "calls", "of": "Stor"})
        assert (refused.meta or {})["penstock/code"] == "graph.no_such_node"
        assert "Store" in str(refused.content)
        assert await tools.refused("query_graph", root=str(shop), question="path", of="rate") == "graph.no_target"
        (shop / "many.py").write_text("".join(f"def f{n}(): ...\n" for n in range(60)))
        assert await tools.refused("query_graph", root=str(shop), question="calls", of="f*") == "graph.too_vague"
        assert await tools.refused("query_graph", root=str(shop / "no"), question="find", of="x") == "path.not_found"

    async def test_a_file_that_changed_is_read_again(self, tools: Tools, shop: Path) -> None:
        assert await self.reached(tools, shop, "calls", "main") != []
        (shop / "shop/cli.py").write_text("def main(): ...\n")
        assert await self.reached(tools, shop, "calls", "main") == []
