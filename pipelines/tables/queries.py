"""Every question that is asked of the tables as SQL text, with typed parameters.

Texts mean the same to Spark and to DataFusion: plain ANSI SQL, names without quotes; table ``layer.noun`` is
called ``layer_noun``. Values enter as literals made here from dates, instants and checked names, never as
free text; `text_literal` refuses what could end a literal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from pipelines.base.table import Dtype, TableContract
from pipelines.tables.scope import range_condition, sessions_condition


def instant_literal(moment: datetime) -> str:
    """Return an aware instant as a literal of a session whose time zone is UTC."""
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    return f"timestamp'{naive.isoformat(sep=' ', timespec='microseconds')}'"


def date_literal(day: date) -> str:
    """Return a date as a literal."""
    return f"date'{day}'"


def text_literal(text: str) -> str:
    """Return a text as a literal.

    Raises
    ------
    ValueError
        If it holds a quote or a backslash: no name or digest of the platform does.
    """
    if not is_plain(text):
        msg = f"{text!r} holds a quote or a backslash; no symbol, version or digest does"
        raise ValueError(msg)
    return f"'{text}'"


def newest_known(
    contract: TableContract, known_at: datetime, columns: Sequence[str], *, where: str = "true"
) -> str:
    """Return the query for the newest version of each key of a versioned table known at an instant.

    Parameters
    ----------
    contract : TableContract
        Its key ends with ``known_at``; a row is one version of the rest.
    columns : sequence of str
        Columns of the result.
    where : str
        Condition over the table's columns; it must not cut a key's chain of versions, or an older version
        would pass for the newest one.

    Notes
    -----
    A newest version that is not valid means that the row is unknown, never that an older one holds: filter
    on ``valid`` outside of this query, not in `where`.
    """
    key = [name for name in contract.key if name != "known_at"]
    place = f"row_number() over (partition by {', '.join(key)} order by known_at desc) as place"
    inner = ", ".join(dict.fromkeys([*columns, *key]))
    known = f"{contract.alias} where ({where}) and known_at <= {instant_literal(known_at)}"
    ranked = f"select {inner}, {place} from {known}"
    return f"select {', '.join(columns)} from ({ranked}) as ranked where place = 1"


def valid_outcomes(
    labels: TableContract, known_at: datetime, columns: Sequence[str], *, where: str = "true"
) -> str:
    """Return the query for the labels known at an instant, newest versions, retracted ones left out."""
    newest = newest_known(labels, known_at, [*columns, "valid"], where=where)
    return f"select {', '.join(columns)} from ({newest}) as newest where valid and value is not null"


def versions_of_sessions(contract: TableContract, columns: Sequence[str], sessions: Sequence[date]) -> str:
    """Return the query for every version of the rows of some sessions, named or, if many, as a span."""
    return rows_of(contract, columns, sessions_condition(sessions))


def newest_sessions(
    contract: TableContract, entity: str, first: date, as_of: date, known_at: datetime
) -> str:
    """Return the query for each entity's newest session in ``first..as_of`` of which a version is known."""
    known = f"{range_condition(first, as_of)} and known_at <= {instant_literal(known_at)}"
    return f"select {entity}, max(session) as session from {contract.alias} where {known} group by {entity}"


def versions_of_newest_sessions(
    contract: TableContract, entity: str, first: date, as_of: date, known_at: datetime
) -> str:
    """Return the query for the versions, known at an instant, of what `newest_sessions` finds.

    Months are named on both sides, so that neither reads the partitions before `first`.
    """
    newest = newest_sessions(contract, entity, first, as_of, known_at)
    columns = ", ".join(f"v.{name}" for name in contract.columns)
    met = f"v.{entity} = n.{entity} and v.session = n.session"
    known = f"{range_condition(first, as_of)} and known_at <= {instant_literal(known_at)}"
    versions = f"select {', '.join(contract.columns)} from {contract.alias} where {known}"
    return f"select {columns} from ({versions}) as v join ({newest}) as n on {met}"


def entities_of_sessions(contract: TableContract, entity: str, sessions: Sequence[date]) -> str:
    """Return the query for the entities that have a version of each of some sessions."""
    return distinct_values(contract, f"{entity}, session", sessions_condition(sessions))


def count_known_by(contract: TableContract, known_by: str, known_at: datetime, where: str) -> str:
    """Return the query for the versions known at an instant, ``rows``, and those by one thing, ``known``."""
    return (
        f"select count(*) as rows, count(case when {equals('known_by', known_by)} then 1 end) as known "
        f"from {contract.alias} where ({where}) and known_by is not null "
        f"and known_at <= {instant_literal(known_at)}"
    )


def is_plain(text: str) -> bool:
    """Tell whether a text may stand in a query as a literal."""
    return "'" not in text and "\\" not in text


def among(column: str, texts: Collection[str]) -> str:
    """Return the condition that a column holds one of some texts."""
    return f"{column} in ({', '.join(map(text_literal, sorted(texts)))})" if texts else "false"


def last_sessions(contract: TableContract) -> str:
    """Return the query for the newest session of each source."""
    return f"select source, max(session) as last from {contract.alias} group by source"


def bars_by_symbol(contract: TableContract, where: str) -> str:
    """Return the query for how many sessions a source has of each symbol, and the newest."""
    counted = "count(distinct session) as bars, max(session) as last"
    return f"select source, symbol, {counted} from {contract.alias} where {where} group by source, symbol"


def in_bucket(column: str, digits: str) -> str:
    """Return the condition that a text's digest begins with one of some hexadecimal digits."""
    firsts = ", ".join(f"'{digit}'" for digit in digits)
    return f"substr(md5({column}), 1, 1) in ({firsts})"


def records_of(bars: TableContract, actions: TableContract, columns: Mapping[str, Dtype], where: str) -> str:
    """Return the query for records of bars and of actions, told apart by ``record`` ("bar", "action").

    Parameters
    ----------
    columns : mapping of column to dtype
        Columns of either table; what the other one lacks is null.
    """

    def part(contract: TableContract, record: str) -> str:
        wanted = ", ".join(
            name if name in contract.schema else _null_of(dtype, name) for name, dtype in columns.items()
        )
        return f"select {wanted}, '{record}' as record from {contract.alias} where {where}"

    return f"{part(bars, 'bar')} union all {part(actions, 'action')}"


def rows_of(contract: TableContract, columns: Sequence[str], where: str) -> str:
    """Return the query for some columns of the rows that meet a condition."""
    return f"select {', '.join(columns)} from {contract.alias} where {where}"


def distinct_values(contract: TableContract, column: str, where: str = "true") -> str:
    """Return the query for the different values of a column."""
    return f"select distinct {column} from {contract.alias} where {where}"


def equals(column: str, text: str) -> str:
    """Return the condition that a column holds a text."""
    return f"{column} = {text_literal(text)}"


def of_session(session: date) -> str:
    """Return the condition of the rows of one session, in a table that is not laid out by month."""
    return f"session = {date_literal(session)}"


def distinct(query: str) -> str:
    """Return the different rows of a query."""
    return f"select distinct * from ({query}) as repeated"


def counted(query: str) -> str:
    """Return the query for the number of rows of another one, as ``rows``."""
    return f"select count(*) as rows from ({query}) as counted"


def count_rows(contract: TableContract, where: str = "true") -> str:
    """Return the query for the number of rows, as ``rows``."""
    return f"select count(*) as rows from {contract.alias} where {where}"


def extent(contract: TableContract, column: str, where: str = "true") -> str:
    """Return the query for a column's smallest and largest value, as ``first`` and ``last``."""
    return f"select min({column}) as first, max({column}) as last from {contract.alias} where {where}"


def size_and_extent(contract: TableContract, column: str) -> str:
    """Return the query for the number of rows and a column's extent: ``rows``, ``first``, ``last``."""
    return f"select count(*) as rows, min({column}) as first, max({column}) as last from {contract.alias}"


def limited(query: str, limit: int, *, order_by: Sequence[str] = ()) -> str:
    """Return a query's first rows."""
    order = f" order by {', '.join(order_by)}" if order_by else ""
    return f"select * from (\n{query}\n) as limited{order} limit {limit}"


def restricted(query: str, where: str) -> str:
    """Return the rows of a query that meet a condition over its columns."""
    return f"select * from ({query}) as restricted where {where}"


def session_span(sessions: pl.Series) -> str:
    """Return the condition that a row's session lies within an ascending series, ends included."""
    return f"session between date'{sessions[0]}' and date'{sessions[-1]}'"


def of_kind(kind: str) -> str:
    """Return the query for the rows of one ``kind`` of a frame, for `pipelines.io.frames.reshape`."""
    return f"select * from {{rows}} where kind = {text_literal(kind)}"


def of_part(part: str, columns: Sequence[str]) -> str:
    """Return the query for the rows of one ``part`` of a frame, for `pipelines.io.frames.reshape`."""
    return f"select {', '.join(columns)} from {{rows}} where part = {text_literal(part)}"


def of_parts(parts: Sequence[str], columns: Sequence[str]) -> str:
    """Return the query for the rows of several parts of a frame; see `of_part`."""
    return f"select {', '.join(columns)} from {{rows}} where {among('part', parts)}"


def issued_forecasts(forecasts: TableContract, columns: Sequence[str], *, model_key: str, where: str) -> str:
    """Return the query for what one model has issued."""
    return rows_of(forecasts, columns, f"{where} and model_key = {text_literal(model_key)}")


def record_hash(columns: Sequence[str], *, stamped: bool) -> str:
    """Return the expression for ``record_hash``: a digest of all that the feed said; null is not empty.

    Where the stamp is no part of what a record says, it counts as null.
    """
    parts = [f"coalesce(`{name}`, '\\u0000')" for name in (*columns, *(["received_at"] if stamped else []))]
    parts += [] if stamped else ["'\\u0000'"]
    return f"sha2(concat_ws('\\u001f', {', '.join(parts)}), 256) as record_hash"


def named(column: str, value: str) -> str:
    """Return the expression for a column of one text."""
    return f"{text_literal(value)} as {column}"


def dated_between(first: date, last: date) -> str:
    """Return the condition that a record is dated in ``first..last``, or has no date that can be read."""
    return f"session_date between date'{first}' and date'{last}' or session_date is null"


def dated_near(sessions: Sequence[date] | None, days: int) -> str:
    """Return the condition that a record is dated within some days of one of `sessions`; all for None."""
    if sessions is None:
        return "true"
    near = sorted({day + timedelta(days=step) for day in sessions for step in range(-days, days + 1)})
    return f"session_date in ({', '.join(map(date_literal, near))})"


def valid_symbols(features: TableContract, session: date) -> str:
    """Return the query for the symbols that have a valid vector of a session."""
    return distinct_values(features, "symbol", f"session = {date_literal(session)} and valid")


def refusals_by_rule(quarantine: TableContract) -> str:
    """Return the query for the number of refused records by rule, the most frequent first."""
    return (
        f"select rule, count(*) as records from {quarantine.alias} group by rule order by records desc, rule"
    )


def last_runs(stage_runs: TableContract, columns: Sequence[str]) -> str:
    """Return the query for the last finished run of each stage, in the order in which they were written.

    Runs without a number are those of an earlier version: they come first, by the clock.
    """
    wanted = ", ".join(columns)
    newest = "coalesce(seq, 0) desc, finished_at desc, run_id desc"
    place = f"row_number() over (partition by stage order by {newest}) as place"
    ranked = f"select {wanted}, coalesce(seq, 0) as number, {place} from {stage_runs.alias}"
    last = f"select * from ({ranked}) as ranked where place = 1"
    return f"select {wanted} from ({last}) as last_runs order by number, finished_at"


def inputs_of_issue(stage_runs: TableContract, session: date, issued_at: datetime) -> str:
    """Return the query for the inputs of the run that issued a session at an instant.

    That of the forecast stage, or of a decision by which a sequence model took over for the session.
    """
    issued = instant_literal(issued_at)
    return (
        f"select inputs from {stage_runs.alias} where {issued} between started_at and finished_at "
        f"and (stage in ('promote', 'install', 'rollback') "
        f"or stage = 'forecast' and date'{session}' between window_start and as_of) "
        "order by case when stage = 'forecast' then 0 else 1 end, started_at limit 1"
    )


def scored_texts(
    texts: TableContract, scores: TableContract, columns: Sequence[str], *, model_version: str, where: str
) -> str:
    """Return the query for texts with their probabilities by one scorer, unscored ones left out.

    `where` is a condition over the texts, called ``t``.

    Columns that both tables have are taken from the texts.
    """
    wanted = ", ".join(f"t.{name}" if name in texts.schema else f"s.{name}" for name in columns)
    return (
        f"select {wanted} from {texts.alias} as t join {scores.alias} as s on t.text_id = s.text_id "
        f"where s.model_version = {text_literal(model_version)} and {where}"
    )


def bars_and_actions(
    bars: TableContract, actions: TableContract, columns: Sequence[str], *, where: str
) -> str:
    """Return the query for all versions of bars and of actions, told apart by ``record``.

    A row of bars is "bar", one of actions its kind; what one of the tables lacks is null.
    """

    def part(contract: TableContract, record: str) -> str:
        types = {**bars.schema, **actions.schema}
        parts = {name: name if name in contract.schema else _null_of(types[name], name) for name in types}
        wanted = ", ".join({**parts, "record": record}[name] for name in columns)
        return f"select {wanted} from {contract.alias} where {where}"

    return " union all ".join([part(bars, "'bar' as record"), part(actions, "kind as record")])


def _null_of(dtype: Dtype, name: str) -> str:
    kind: dict[Dtype, str] = {pl.Float64: "double", pl.Boolean: "boolean", pl.String: "varchar(1)"}
    return f"cast(null as {kind.get(dtype, 'timestamp')}) as {name}"


CANONICAL_TEXT = "lower(regexp_replace(trim(text), '[ \\t\\n\\r]+', ' '))"
"""The form by which texts are told apart and in which they are scored."""

TEXT_ID = f"sha2(concat_ws('|', session_date, {CANONICAL_TEXT}), 256) as text_id"
"""Identity of a text: what it says, on its session. The same words on another day are another text."""

SESSIONS_OF_ROWS = "select count(distinct session) as sessions from {rows}"

MISSING_BY_FINDING = "select finding, sum(missing) as missing from {rows} group by finding"


def first_findings(limit: int) -> str:
    """Return the query for the first findings of a frame, as examples."""
    return f"select * from {{rows}} order by session, symbol, finding limit {limit}"


def of_horizon(horizon_sessions: int, scope: str = "true") -> str:
    """Return the condition of the labels of one horizon within a scope."""
    return f"(horizon = {horizon_sessions} and {scope})"


def out_of_sample(scope: str) -> str:
    """Return the condition of the forecasts within a scope whose model had not seen their outcomes."""
    return f"{scope} and not in_sample"


def scores_of(scope: str, model_version: str) -> str:
    """Return the condition of one scorer's scores within a scope."""
    return f"({scope}) and model_version = {text_literal(model_version)}"


def unscored_texts(texts: TableContract, scores: TableContract, *, where: str, model_version: str) -> str:
    """Return the query for `text_id`, `session` and canonical `text` of unscored texts, one row each.

    Of a text that speaks of several symbols the first row stands for all: its score does not depend on them.
    """
    place = "row_number() over (partition by text_id order by session, symbol) as place"
    spelled = f"select text_id, session, {CANONICAL_TEXT} as text, {place} from {texts.alias} where {where}"
    scored = f"{scores.alias} where {scores_of(where, model_version)}"
    return (
        f"select e.text_id, e.session, e.text from ({spelled}) as e "
        f"left anti join (select text_id from {scored}) as s on e.text_id = s.text_id where e.place = 1"
    )
