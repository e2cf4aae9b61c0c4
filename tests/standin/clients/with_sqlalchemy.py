"""sqlalchemy-redshift under SQLAlchemy 2.0: what needs column reflection, which fails within the dialect under 2.1."""

from __future__ import annotations

import importlib
from typing import Any

from standin.clients.steps import DATABASE, HOST, PASSWORD, PORT, USER, Steps

sqlalchemy = importlib.import_module("sqlalchemy")
dialect = importlib.import_module("sqlalchemy_redshift.dialect")

TABLE = """
create table users (
    id bigint identity(1,1) not null, name varchar(40) default 'x' encode lzo not null, share numeric(12,3), fixed char(3), day date,
    made timestamp, seen timestamptz, at timetz, doc super, ok boolean default true, whole int default 7, real real, primary key (id)
) diststyle key distkey (id) interleaved sortkey (id, name)
"""
TYPES = {
    "id": "BIGINT", "name": "VARCHAR(40)", "share": "NUMERIC(12, 3)", "fixed": "CHAR(3)", "day": "DATE", "made": "TIMESTAMP WITHOUT TIME ZONE",
    "seen": "TIMESTAMPTZ", "at": "TIMETZ", "doc": "SUPER", "ok": "BOOLEAN", "whole": "INTEGER", "real": "REAL",
}  # fmt: skip


def main() -> None:
    steps = Steps()
    for driver, arguments in (("redshift_connector", {"ssl": False}), ("psycopg2", {"sslmode": "prefer"})):
        url = sqlalchemy.URL.create(f"redshift+{driver}", USER, PASSWORD, HOST, PORT, DATABASE)
        reflect(steps, driver, sqlalchemy.create_engine(url, connect_args=arguments))
    steps.end()


def reflect(steps: Steps, driver: str, engine: Any) -> None:
    with engine.begin() as connection:
        for text in ("drop table if exists copied", "drop table if exists users cascade", TABLE,
                     "create or replace view late as select id, name from public.users with no schema binding"):  # fmt: skip
            connection.execute(sqlalchemy.text(text))

    def inspect(table: str, what: str) -> Any:
        return getattr(sqlalchemy.inspect(engine), what)(table)

    def types() -> dict[str, str]:
        return {each["name"]: each["type"].compile(dialect=engine.dialect) for each in inspect("users", "get_columns")}

    def facts() -> dict[str, Any]:
        columns = {each["name"]: each for each in inspect("users", "get_columns")}
        return {
            "identity": '"identity"(' in columns["id"]["default"],
            "default": columns["whole"]["default"],
            "encode": columns["name"]["info"],
            "nullable": [name for name, each in columns.items() if not each["nullable"]],
        }

    def copied() -> str:
        users = sqlalchemy.Table("users", sqlalchemy.MetaData(), autoload_with=engine)
        users.to_metadata(sqlalchemy.MetaData(), name="copied").create(engine)
        return str(sqlalchemy.schema.CreateTable(users).compile(engine)).replace("\n", " ").strip()

    steps.reads(f"{driver}: types", TYPES, types)
    steps.reads(f"{driver}: what else is known of columns", {
        "identity": True, "default": "7", "encode": {"encode": "lzo"}, "nullable": ["id", "name"]}, facts)  # fmt: skip
    steps.reads(f"{driver}: columns of a late-binding view", ["id", "name"],
                lambda: sorted(each["name"] for each in inspect("late", "get_columns")))  # fmt: skip
    steps.works(f"{driver}: a table is made of a reflected one", copied)
    steps.reads(f"{driver}: the copy's types", TYPES, lambda: {
        each["name"]: each["type"].compile(dialect=engine.dialect) for each in inspect("copied", "get_columns")})  # fmt: skip
    # It asks for pg_class.relpersistence, which came with Postgres 9.1.
    steps.refused(
        f"{driver}: reflection of a whole schema", "relpersistence", lambda: sqlalchemy.MetaData().reflect(engine)
    )


if __name__ == "__main__":
    main()
