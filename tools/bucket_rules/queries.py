"""What one statement does with buckets, from its parsed text.

Owns the equalities of `bucket` in every query block and what follows from them. Must not know which
statements are checked. Invariant: a block passes only where an equality that always holds (a
conjunct, never a branch of OR) ties each relation that has a bucket to the bucket of the others.

A *bucketed* relation is one of the ledger's tables, the rows handed in (an `unnest` of parameters
of which one is a bucket), or a query over such. An *anchor* is a bucket that was handed in. A block
is *pinned* when its bucket is a single value: a parameter, or a row of the query around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from sqlglot import exp

Node = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """What a statement is handed: which names are buckets, and which functions it may call.

    `calls` says for each function which of its arguments are buckets. `is_bucketed` says whether a
    table is split by bucket; every other table that is read comes out in `Reading.others`.
    """

    buckets: frozenset[str]
    calls: dict[str, list[int]]
    is_bucketed: Callable[[str], bool]


@dataclass(slots=True)
class Relation:
    """A source of rows: which of its columns are its bucket.

    `places` says the same of its columns by position. `row` is the bucket inside it, where that is
    a single value: rows of a LATERAL are of the bucket of the row beside them, told or not.
    """

    buckets: set[str]
    is_bucketed: bool
    is_anchored: bool
    places: list[bool] = field(default_factory=list)
    row: Node | None = None


@dataclass(slots=True)
class Block:
    """One query block: its relations by alias, and the block around it."""

    number: int
    outer: Block | None
    relations: dict[str, Relation] = field(default_factory=dict)

    def nodes(self, alias: str) -> list[Node]:
        """Return the buckets of a relation, any of which ties it."""
        relation = self.relations[alias]
        told: list[Node] = [(self.number, alias, column) for column in sorted(relation.buckets)]
        return told or ([relation.row] if relation.row is not None else [])


class Reading:
    """Reads one statement; `findings` are sentences, `tables` and `others` what it touches."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._parents: dict[Node, Node] = {}
        self._anchors: set[Node] = set()
        self._pins: set[Node] = set()
        self._blocks = 0
        self.findings: list[str] = []
        self.tables: set[str] = set()
        self.others: set[str] = set()

    def read(self, statement: exp.Expr) -> None:
        """Read a whole statement, whose own rows are its answer."""
        self._query(statement, {}, None, is_answer=True)

    # -- Queries --------------------------------------------------------------------------------

    def _query(
        self,
        query: exp.Expr,
        ctes: dict[str, Relation],
        outer: Block | None,
        *,
        is_answer: bool,
    ) -> Relation:
        ctes = dict(ctes)
        for cte in (query.args.get("with_") or exp.With(expressions=[])).expressions:
            relation = self._query(cte.this, ctes, outer, is_answer=False)
            # What was wrong with it was said there, once.
            ctes[cte.alias] = replace(relation, is_anchored=True, row=None)
        if isinstance(query, exp.Subquery):
            return self._query(query.this, ctes, outer, is_answer=is_answer)
        if isinstance(query, exp.SetOperation):
            sides = [
                self._query(side, ctes, outer, is_answer=is_answer)
                for side in (query.this, query.expression)
            ]
            buckets = sides[0].buckets if sides[1].buckets else set()
            is_bucketed = any(side.is_bucketed for side in sides)
            places = [a and b for a, b in zip(sides[0].places, sides[1].places, strict=False)]
            return Relation(set(buckets), is_bucketed, is_anchored=True, places=places)
        if isinstance(query, exp.Insert):
            return self._insert(query, ctes, outer)
        if isinstance(query, exp.Select | exp.Update | exp.Delete):
            return self._block(query, ctes, outer, is_answer=is_answer)
        self.findings.append(f"{query.key.upper()} is not a statement that this check can read")
        return Relation(set(), is_bucketed=False, is_anchored=True)

    def _block(
        self,
        query: exp.Expr,
        ctes: dict[str, Relation],
        outer: Block | None,
        *,
        is_answer: bool,
    ) -> Relation:
        self._blocks += 1
        block = Block(self._blocks, outer)
        for source in _sources(query):
            alias, relation = self._relation(source, ctes, block)
            block.relations[alias] = relation
        for left, right in _equalities(query, list(block.relations)):
            self._equal(left, right, block)
        for left_side, member in _memberships(query):
            self._member(left_side, member, ctes, block)
        projections = query.expressions if isinstance(query, exp.Select) else []
        for inner in _inner_queries(query):
            is_inner_answer = is_answer and any(_holds(one, inner) for one in projections)
            self._query(inner, ctes, block, is_answer=is_inner_answer)
        self._check_calls(query, block)
        tied = self._check_block(block, is_answer=is_answer)
        if isinstance(query, exp.Select):
            if tied is not None and not is_answer:
                self._check_sums(query, block, tied)
        else:
            self._check_write(query, block)
        relation = self._outputs(query, block)
        if tied is not None and self._is_pinned(tied, block):
            relation.row = tied
            # Rows that follow the row beside them are no better tied than that one is.
            relation.is_anchored = self._is_anchored(tied, block)
        return relation

    def _relation(
        self, source: exp.Expr, ctes: dict[str, Relation], block: Block
    ) -> tuple[str, Relation]:
        alias = source.alias_or_name
        while isinstance(source, exp.Lateral):
            source = source.this
        if isinstance(source, exp.Subquery):
            relation = self._query(source.this, ctes, block, is_answer=False)
            if relation.row is not None:
                for column in relation.buckets:
                    self._join((block.number, alias, column), relation.row)
            return alias, relation
        if isinstance(source, exp.Unnest):
            return alias, self._handed_in(source)
        name = source.name if isinstance(source, exp.Table) else ""
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Func):
            return alias, Relation(set(), is_bucketed=False, is_anchored=True)
        if name in ctes:
            return alias, ctes[name]
        if self._given.is_bucketed(name):
            self.tables.add(name)
            return alias, Relation({"bucket"}, is_bucketed=True, is_anchored=False)
        if name:
            self.others.add(name)
            return alias, Relation(set(), is_bucketed=False, is_anchored=True)
        self.findings.append(f"cannot read the source {source.sql('postgres')[:80]}")
        return alias, Relation(set(), is_bucketed=False, is_anchored=True)

    def _handed_in(self, source: exp.Unnest) -> Relation:
        names = source.alias_column_names
        given = [self._is_handed_bucket(argument) for argument in source.expressions]
        buckets = {name for name, is_bucket in zip(names, given, strict=False) if is_bucket}
        return Relation(buckets, is_bucketed=any(given), is_anchored=True)

    # -- Equalities -----------------------------------------------------------------------------

    def _equal(self, left: exp.Expr, right: exp.Expr, block: Block) -> None:
        for one, other in ((left, right), (right, left)):
            node = self._node(one, block)
            if node is not None and isinstance(other, exp.Any):
                if self._is_handed_bucket(other.this):
                    self._anchors.add(node)
                return
        nodes = [self._node(side, block) for side in (left, right)]
        values = [self._is_handed_bucket(side) for side in (left, right)]
        for place, node in enumerate(nodes):
            if node is not None and values[1 - place]:
                value: Node = ("value", (left, right)[1 - place].sql("postgres"))
                self._pins.add(value)
                self._join(node, value)
        if nodes[0] is not None and nodes[1] is not None:
            self._join(nodes[0], nodes[1])

    def _member(
        self, left: exp.Expr, query: exp.Expr, ctes: dict[str, Relation], block: Block
    ) -> None:
        relation = self._query(query, ctes, block, is_answer=False)
        parts = left.expressions if isinstance(left, exp.Tuple) else [left]
        for part, is_bucket in zip(parts, relation.places, strict=False):
            node = self._node(part, block)
            if node is not None and is_bucket:
                self._anchors.add(node)

    def _node(self, expression: exp.Expr, block: Block) -> Node | None:
        """Return the bucket that an expression is, or None for everything else."""
        while isinstance(expression, exp.Paren | exp.Cast):
            expression = expression.this
        if not isinstance(expression, exp.Column):
            return None
        around: Block | None = block
        while around is not None:
            for alias, relation in around.relations.items():
                if expression.table in ("", alias) and expression.name in relation.buckets:
                    return (around.number, alias, expression.name)
            around = around.outer
        return None

    def _is_handed_bucket(self, expression: exp.Expr) -> bool:
        while isinstance(expression, exp.Paren | exp.Cast | exp.Bracket):
            expression = expression.this
        return (
            isinstance(expression, exp.Column)
            and not expression.table
            and expression.name in self._given.buckets
        )

    def _root(self, node: Node) -> Node:
        while (parent := self._parents.get(node, node)) != node:
            node = parent
        return node

    def _join(self, one: Node, other: Node) -> None:
        self._parents[self._root(one)] = self._root(other)

    def _class(self, node: Node) -> set[Node]:
        known = {*self._parents, *self._parents.values(), node}
        return {one for one in known if self._root(one) == self._root(node)}

    # -- Judgement ------------------------------------------------------------------------------

    def _check_block(self, block: Block, *, is_answer: bool) -> Node | None:
        """Tie the block's relations to each other; returns its bucket, or None without one."""
        tied: Node | None = None
        for alias, relation in block.relations.items():
            nodes = block.nodes(alias)
            if not relation.is_bucketed:
                continue
            if not nodes:
                if not is_answer or len(block.relations) > 1:
                    self.findings.append(f"{alias} holds rows of all buckets and carries no bucket")
                continue
            if tied is None:
                tied = nodes[0]
            elif all(self._root(node) != self._root(tied) for node in nodes):
                self.findings.append(f"{alias} is not tied to {tied[1]} by bucket")
        is_tied = tied is None or self._is_pinned(tied, block) or self._is_anchored(tied, block)
        if tied is not None and not is_tied:
            self.findings.append(f"{tied[1]} is not tied to a bucket that was handed in")
        return tied

    def _is_anchored(self, node: Node, block: Block) -> bool:
        same = self._class(node)
        if same & (self._anchors | self._pins):
            return True
        return any(
            (block.number, alias, column) in same
            for alias, relation in block.relations.items()
            if relation.is_anchored
            for column in relation.buckets
        )

    def _is_pinned(self, node: Node, block: Block) -> bool:
        same = self._class(node)
        around, outer = block.outer, set()
        while around is not None:
            outer.add(around.number)
            around = around.outer
        return bool(same & self._pins) or any(one[0] in outer for one in same)

    def _check_sums(self, query: exp.Select, block: Block, tied: Node) -> None:
        """Refuse what mixes the rows of several buckets into something that is used further."""
        if self._is_pinned(tied, block):
            return

        def names_bucket(expressions: list[exp.Expr]) -> bool:
            nodes = [self._node(one, block) for one in expressions]
            return any(n is not None and self._root(n) == self._root(tied) for n in nodes)

        group = query.args.get("group")
        sums = [one for one in _own(query, exp.AggFunc) if not isinstance(one.parent, exp.Window)]
        grouped = group is not None and names_bucket(group.expressions)
        if (sums or group is not None) and not grouped:
            self.findings.append("an aggregate takes rows of several buckets together")
        for window in _own(query, exp.Window):
            if not names_bucket(window.args.get("partition_by") or []):
                self.findings.append("a window takes rows of several buckets together")
        if query.args.get("limit") is not None:
            self.findings.append("LIMIT chooses among rows of several buckets")

    def _check_write(self, query: exp.Expr, block: Block) -> None:
        if isinstance(query, exp.Update):
            for change in query.expressions:
                if isinstance(change, exp.EQ) and change.this.name == "bucket":
                    self.findings.append(f"{query.this.name} would move a row to another bucket")

    def _insert(
        self, query: exp.Insert, ctes: dict[str, Relation], outer: Block | None
    ) -> Relation:
        schema = query.this
        table = schema.this.name if isinstance(schema, exp.Schema) else schema.name
        is_bucketed = self._given.is_bucketed(table)
        (self.tables if is_bucketed else self.others).add(table)
        columns = [one.name for one in schema.expressions] if isinstance(schema, exp.Schema) else []
        source = query.expression
        if isinstance(source, exp.Values):
            block = Block(0, outer)
            rows = [row.expressions for row in source.expressions]
            places = [
                all(map(self._is_handed_bucket, column)) for column in zip(*rows, strict=True)
            ]
            for inner in _inner_queries(source):
                self._query(inner, ctes, block, is_answer=False)
            self._check_calls(source, block)
        else:
            places = self._query(source, ctes, outer, is_answer=False).places
        is_own = dict(zip(columns, places, strict=False)).get("bucket", False)
        if is_bucketed and not is_own:
            self.findings.append(f"a row of {table} does not take the bucket of what it is made of")
        conflict = query.args.get("conflict")
        keys = (conflict.args.get("conflict_keys") or []) if conflict is not None else []
        if is_bucketed and keys and keys[0].this.name != "bucket":
            self.findings.append(f"a conflict of {table} is looked for in all buckets")
        returned = query.args.get("returning")
        names = [one.alias_or_name for one in returned.expressions] if returned else []
        return Relation({"bucket"} & set(names), is_bucketed and bool(names), is_anchored=True)

    def _check_calls(self, query: exp.Expr, block: Block) -> None:
        for call in _own(query, exp.Anonymous):
            if not call.name.startswith("ledger_"):
                continue
            places = self._given.calls.get(call.name)
            if places is None:
                self.findings.append(f"{call.name} is called, and nobody checks it")
                continue
            for place in places or [len(call.expressions)]:
                arguments = call.expressions[place : place + 1]
                if not any(self._is_handed_bucket(a) or self._node(a, block) for a in arguments):
                    self.findings.append(f"{call.name} is called with another bucket")

    def _outputs(self, query: exp.Expr, block: Block) -> Relation:
        returned = query.args.get("returning")
        if isinstance(query, exp.Select):
            projections = query.expressions
        else:
            projections = returned.expressions if returned else []
        buckets: set[str] = set()
        places: list[bool] = []
        for projection in projections:
            inner = projection.unalias()
            if isinstance(inner, exp.Star) or inner.name == "*":
                chosen = [inner.table] if isinstance(inner, exp.Column) else list(block.relations)
                for alias in chosen:
                    buckets |= block.relations[alias].buckets if alias in block.relations else set()
            elif self._node(inner, block) is not None:
                buckets.add(projection.alias_or_name)
            places.append(self._node(inner, block) is not None)
        is_bucketed = bool(projections) and any(r.is_bucketed for r in block.relations.values())
        return Relation(buckets, is_bucketed, is_anchored=True, places=places)


def _sources(query: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(query, exp.Update | exp.Delete):
        yield query.this
    from_ = query.args.get("from_")
    if from_ is not None:
        yield from_.this
        yield from (join.this for join in from_.this.args.get("joins") or [])
    yield from (join.this for join in query.args.get("joins") or [])
    yield from query.args.get("laterals") or []
    yield from query.args.get("using") or []


def _conditions(query: exp.Expr) -> Iterator[exp.Expr]:
    where = query.args.get("where")
    if where is not None:
        yield from _conjuncts(where.this)
    from_ = query.args.get("from_")
    joins = list(query.args.get("joins") or [])
    joins += list(from_.this.args.get("joins") or []) if from_ is not None else []
    for join in joins:
        if join.args.get("on") is not None:
            yield from _conjuncts(join.args["on"])


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    while isinstance(condition, exp.Paren):
        condition = condition.this
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    else:
        yield condition


def _equalities(query: exp.Expr, aliases: list[str]) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    for condition in _conditions(query):
        if not isinstance(condition, exp.EQ):
            continue
        left, right = condition.left, condition.right
        if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
            yield from zip(left.expressions, right.expressions, strict=True)
        else:
            yield left, right
    for join in query.args.get("joins") or []:
        for column in join.args.get("using") or []:
            others = [alias for alias in aliases if alias != join.this.alias_or_name]
            for other in others:
                yield (
                    exp.column(column.name, join.this.alias_or_name),
                    exp.column(column.name, other),
                )


def _memberships(query: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    for condition in _conditions(query):
        if isinstance(condition, exp.In) and condition.args.get("query") is not None:
            yield condition.this, condition.args["query"]


def _inner_queries(query: exp.Expr) -> Iterator[exp.Expr]:
    """Return the queries in a block's expressions: not its sources, CTEs and memberships."""
    skipped = [id(one) for one in _sources(query)]
    skipped += [id(member) for _, member in _memberships(query)]
    if query.args.get("with_") is not None:
        skipped.append(id(query.args["with_"]))
    stack = [query]
    while stack:
        for child in stack.pop().iter_expressions():
            if id(child) in skipped:
                continue
            if isinstance(child, exp.Query):
                yield child
            else:
                stack.append(child)


def _own(query: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    """Return the expressions of a kind in a block, without those of queries inside it."""
    found, stack = [], [query]
    while stack:
        for child in stack.pop().iter_expressions():
            if isinstance(child, exp.Query | exp.With):
                continue
            if isinstance(child, kind):
                found.append(child)
            stack.append(child)
    return found


def _holds(tree: exp.Expr, part: exp.Expr) -> bool:
    return any(one is part for one in tree.walk())
