"""The type table: Redshift's types, how the stand-in keeps them in Postgres, and their OIDs on the wire.

Source: AWS Database Developer Guide, "Data types" (c_Supported_data_types) and "Unsupported PostgreSQL data types".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from redshift_standin.errors import RedshiftError

VARCHAR_BYTES_MAX: Final = 65_535
VARCHAR_BYTES_DEFAULT: Final = 256
CHAR_BYTES_MAX: Final = 4_096
PRECISION_MAX: Final = 38
SCALE_MAX: Final = 37
VARBYTE_BYTES_MAX: Final = 1_024_000
VARBYTE_BYTES_DEFAULT: Final = 64_000

SUPER_OID: Final = 4000
VARBYTE_OID: Final = 6551
JSONB_OID: Final = 3802
BYTEA_OID: Final = 17


@dataclass(frozen=True, slots=True)
class RsType:
    """A type as declared. `name`: Redshift's canonical name, in lower case (a key of POSTGRES_NAMES).

    `length`: bytes, of char, varchar and varbyte only. `precision`, `scale`: of numeric only.
    """

    name: str
    length: int = 0
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        """As format_type would print it: `character varying(256)`, `numeric(18,0)`, `super`."""
        if self.name == "numeric":
            return f"numeric({self.precision},{self.scale})"
        if self.name == "varbyte":
            return f"binary varying({self.length})"
        return f"{self.name}({self.length})" if self.length else self.name

    @property
    def postgres(self) -> str:
        """The type's name in the backend, with its modifier; byte lengths are checked besides (see catalog/)."""
        if self.name == "numeric":
            return f"numeric({self.precision},{self.scale})"
        if self.name in ("character", "character varying"):
            return f"{self.name}({self.length})"
        return POSTGRES_NAMES[self.name]


# Canonical Redshift name -> the backend's type without modifier.
POSTGRES_NAMES: Final = {
    "smallint": "smallint",
    "integer": "integer",
    "bigint": "bigint",
    "numeric": "numeric",
    "real": "real",
    "double precision": "double precision",
    "boolean": "boolean",
    "character": "character",
    "character varying": "character varying",
    "date": "date",
    "time without time zone": "time",
    "time with time zone": "timetz",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "super": "jsonb",
    "varbyte": "bytea",
}

# What may be written for them (one word each; "double precision", "character varying" … are the grammar's business).
ALIASES: Final = {
    "smallint": "smallint", "int2": "smallint",
    "integer": "integer", "int": "integer", "int4": "integer",
    "bigint": "bigint", "int8": "bigint",
    "decimal": "numeric", "numeric": "numeric",
    "real": "real", "float4": "real",
    "float8": "double precision", "float": "double precision",
    "boolean": "boolean", "bool": "boolean",
    "char": "character", "character": "character", "nchar": "character", "bpchar": "character",
    "varchar": "character varying", "nvarchar": "character varying", "text": "character varying",
    "date": "date",
    "time": "time without time zone", "timetz": "time with time zone",
    "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
    "super": "super",
    "varbyte": "varbyte", "varbinary": "varbyte",
}  # fmt: skip

# c_unsupported-postgresql-datatypes, and what newer Postgres has: refused by name with 0A000.
_UNSUPPORTED = """
array bit varbit bytea box circle cidr cid daterange hstore inet int4range int8range interval json jsonb jsonpath
line lseg macaddr macaddr8 money name numrange oid path pg_lsn point polygon regclass regproc regtype serial serial2
serial4 serial8 bigserial smallserial tsquery tsrange tstzrange tsvector txid_snapshot uuid xid xid8 xml citext
"""
UNSUPPORTED: Final = frozenset(_UNSUPPORTED.split())
# Redshift has these; the stand-in does not yet.
NOT_YET: Final = frozenset({"geometry", "geography", "hllsketch"})


def checked(name: str, arguments: tuple[int, ...]) -> RsType:
    """The type of a canonical name with its modifiers; fills in Redshift's defaults and enforces its limits.

    Raises RedshiftError: 22023 or 42601 for limits, as each page of the guide has them.
    """
    match name:
        case "numeric":
            precision, scale = (*arguments, 0)[:2] if arguments else (18, 0)
            if not 1 <= precision <= PRECISION_MAX:
                raise RedshiftError("22023", f"DECIMAL precision {precision} must be between 1 and {PRECISION_MAX}")
            if not 0 <= scale <= min(precision, SCALE_MAX):
                raise RedshiftError("22023", f"DECIMAL scale {scale} must be between 0 and {min(precision, SCALE_MAX)}")
            return RsType("numeric", precision=precision, scale=scale)
        case "character varying":
            return RsType(name, _length("varchar", arguments, VARCHAR_BYTES_DEFAULT, VARCHAR_BYTES_MAX))
        case "character":
            return RsType(name, _length("char", arguments, 1, CHAR_BYTES_MAX))
        case "varbyte":
            return RsType(name, _length("varbyte", arguments, VARBYTE_BYTES_DEFAULT, VARBYTE_BYTES_MAX))
        case _ if arguments:
            raise RedshiftError("42601", f'type modifier is not allowed for type "{name}"')
        case _:
            return RsType(name)


def _length(name: str, arguments: tuple[int, ...], default: int, most: int) -> int:
    length = arguments[0] if arguments else default
    if length < 1:
        raise RedshiftError("22023", f"length for type {name} must be at least 1")
    if length > most:
        raise RedshiftError("22023", f"length for type {name} cannot exceed {most}")
    return length
