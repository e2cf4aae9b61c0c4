"""The functions that exist: what is not in these tables is 42883, whatever Postgres has.

Source: AWS Database Developer Guide, "SQL functions reference"; leader: "SQL functions supported on the leader node".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from redshift_standin.errors import RedshiftError, not_yet


class Form(Enum):
    """How a call may look."""

    PLAIN = auto()
    LEADER = auto()  # a plain one that only the leader node can compute
    AGGREGATE = auto()
    WINDOW = auto()


@dataclass(frozen=True, slots=True)
class Function:
    """`backend`: its name there, with schema. `least`, `most`: arguments."""

    name: str
    backend: str
    least: int
    most: int
    form: Form


ARGUMENTS_MAX: Final = 1_000

# name[=the backend's name] arguments[-most]; "+" is any number more.
_POSTGRES: Final = """
lower 1, upper 1, initcap 1, length 1, len=length 1, textlen=length 1, char_length=length 1, character_length=length 1,
octet_length 1, btrim 1-2, ltrim 1-2, rtrim 1-2, lpad 2-3, rpad 2-3, repeat 2, replicate=repeat 2, replace 3, translate 3,
reverse 1, left 2, right 2, strpos 2, split_part 3, chr 1, ascii 1, md5 1, quote_ident 1, quote_literal 1, regexp_substr 2-4,
regexp_count 2-3, regexp_instr 2-4, abs 1, ceil 1, ceiling 1, floor 1, mod 2, power 2, pow 2, dpow=power 2, sqrt 1, exp 1, dexp=exp 1,
ln 1, dlog1=ln 1, log 1, dlog10=log 1, sign 1, random 0, pi 0, sin 1, cos 1, tan 1, cot 1, asin 1, acos 1, atan 1, atan2 2,
current_database 0, degrees 1, radians 1, cbrt 1, to_char 2, to_date 2, to_timestamp 2, to_number 2
"""
_OURS: Final = """
concat 2, sha 1, sha1 1, func_sha1 1, sha2 2, to_hex 1, regexp_replace 2-4, strtol 2, round 1-2, trunc 1-2,
getdate 0, sysdate 0, date_part_year 1, last_day 1, add_months 2, months_between 2, convert_timezone 2-3,
json_parse 1, json_serialize 1, json_size 1, is_valid_json 1, can_json_parse 1, is_valid_json_array 1, json_array_length 1,
json_extract_path_text 2+, json_extract_array_element_text 2, json_typeof 1, is_object 1, is_array 1, is_scalar 1, is_boolean 1,
is_varchar 1, is_integer 1, is_decimal 1, get_array_length 1, array 0+, object 0+, from_hex 1, to_varbyte 2, from_varbyte 2,
current_user_id 0
"""
_LEADER: Final = """
pg_backend_pid 0, has_table_privilege 2-3, has_schema_privilege 2-3,
has_database_privilege 2-3, pg_table_is_visible 1, pg_type_is_visible 1,
pg_function_is_visible 1, obj_description 1-2, col_description 2, pg_get_indexdef 1-3,
pg_encoding_to_char 1, pg_terminate_backend 1, pg_cancel_backend 1, array_to_string 2, array_upper 2,
array_lower 2, now 0, age 1-2, timeofday 0, isfinite 1
"""
_LEADER_OURS: Final = """
current_schema 0, current_schemas 1, format_type 2, version 0, pg_last_copy_count 0, pg_last_copy_id 0, pg_last_query_id 0,
format_encoding 1, pg_get_expr 2-3, pg_get_viewdef 1-2, pg_get_constraintdef 1-2, pg_get_userbyid 1
"""
_AGGREGATES: Final = """
count 1, sum 1, min 1, max 1, stddev=stddev_samp 1, stddev_samp 1, stddev_pop 1, variance=var_samp 1, var_samp 1, var_pop 1,
bool_and 1, bool_or 1, bit_and 1, bit_or 1
"""
_OUR_AGGREGATES: Final = "avg 1"
_WINDOWS: Final = """
row_number 0, rank 0, dense_rank 0, percent_rank 0, cume_dist 0, ntile 1, lag 1-2, lead 1-2, first_value 1, last_value 1, nth_value 2
"""
# Redshift has them, the stand-in does not.
_NOT_YET_NAMES = """
approximate any_value array_concat array_flatten array_contains array_distinct array_except array_intersection
array_position array_positions array_sort array_union arrays_overlap subarray split_to_array json_object
lower_attribute_names upper_attribute_names checksum fnv_hash farmfingerprint64 farmhash64 murmur3_32_hash crc32
soundex difference bpcharcmp bttext_pattern_cmp date_cmp date_cmp_timestamp date_cmp_timestamptz interval_cmp
timestamp_cmp timestamp_cmp_date timestamp_cmp_timestamptz timestamptz_cmp timestamptz_cmp_date
timestamptz_cmp_timestamp next_day timezone time_slice ratio_to_report percentile_disc hll hll_cardinality
hll_combine hll_create_sketch collate getbit base64_encode h3_fromlonglat h3_frompoint h3_polyfill st_area
st_asewkb st_asewkt st_asgeojson st_astext st_geomfromtext st_geomfromewkb st_point st_makepoint st_x st_y
st_distance is_bigint is_smallint is_char is_float pg_get_cols pg_get_late_binding_view_cols
pg_get_grantee_by_iam_role pg_get_iam_role_by_user pg_get_session_roles pg_last_unload_count pg_last_unload_id
slice_num current_namespace current_aws_account has_assumerole_privilege user_is_member_of role_is_member_of
default_iam_role
"""
_NOT_YET: Final = frozenset(_NOT_YET_NAMES.split())


def _table(text: str, schema: str, form: Form) -> dict[str, Function]:
    found = {}
    for entry in text.split(","):
        names, counts = entry.split()
        name, _, backend = names.partition("=")
        least, _, most = counts.rstrip("+").partition("-")
        highest = ARGUMENTS_MAX if counts.endswith("+") else int(most or least)
        found[name] = Function(name, f"{schema}.{backend or name}", int(least), highest, form)
    return found


FUNCTIONS: Final[dict[str, Function]] = {
    **_table(_POSTGRES, "pg_catalog", Form.PLAIN),
    **_table(_OURS, "redshift_standin", Form.PLAIN),
    **_table(_LEADER, "pg_catalog", Form.LEADER),
    **_table(_LEADER_OURS, "redshift_standin", Form.LEADER),
    **_table(_AGGREGATES, "pg_catalog", Form.AGGREGATE),
    **_table(_OUR_AGGREGATES, "redshift_standin", Form.AGGREGATE),
    **_table(_WINDOWS, "pg_catalog", Form.WINDOW),
}


def lookup(name: str, position: int) -> Function:
    """Raises RedshiftError: 42883 for what Redshift does not have, 0A000 for what is not built."""
    if name in _NOT_YET:
        raise not_yet(f"function {name}")
    if name not in FUNCTIONS:
        raise RedshiftError("42883", f"function {name}() does not exist", position=position)
    return FUNCTIONS[name]
