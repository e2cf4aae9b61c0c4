"""Redshift's URL: what it says, what it may not hold, and that no message repeats it."""

import pytest

from re_dms.errors import ConfigurationError
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address

SECRET = "hunter2.Geheim"


def of(url, **more):
    return Address.of(WarehouseSettings(url=url, **more))


@pytest.mark.parametrize(
    ("url", "expected", "safe"),
    [
        (
            "redshift://re_dms@c.abc.eu-central-1.redshift.amazonaws.com/shop",
            Address(host="c.abc.eu-central-1.redshift.amazonaws.com", user="re_dms", database="shop"),
            "redshift://re_dms@c.abc.eu-central-1.redshift.amazonaws.com:5439/shop",
        ),
        (
            "redshift://u@localhost:15439/dev?driver=psycopg",
            Address(host="localhost", port=15439, user="u", database="dev", driver="psycopg"),
            "redshift://u@localhost:15439/dev?driver=psycopg",
        ),
        (
            "redshift://u@127.0.0.1/dev?driver=redshift_connector",
            Address(host="127.0.0.1", user="u", database="dev"),
            "redshift://u@127.0.0.1:5439/dev",
        ),
        (
            "redshift://iam%3Aann%40x@h/M%C3%BCnchen%2F1",
            Address(host="h", user="iam:ann@x", database="München/1"),
            "redshift://iam%3Aann%40x@h:5439/M%C3%BCnchen%2F1",
        ),
    ],
    ids=["plain", "driver", "default-driver", "unusual-names"],
)
def test_a_url_says_where_the_warehouse_is(url, expected, safe):
    assert of(url) == expected
    assert of(url).safe_url == safe
    assert of(safe) == expected


def test_a_workgroup_needs_no_user_and_all_others_do():
    assert of("redshift://h/dev", workgroup="w").safe_url == "redshift://h:5439/dev"
    with pytest.raises(ConfigurationError, match="names no user"):
        of("redshift://h/dev", cluster="c")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"redshift://u:{SECRET}@h/d", "must not hold a password"),
        (f"redshift://u:@h/{SECRET}", "must not hold a password"),
        (f"redshift://u@h/d?password={SECRET}", "takes no options but"),
        (f"redshift://u@h/d?driver={SECRET}", "takes no options but"),
        (f"redshift://u@h/d?driver=psycopg&sslmode={SECRET}", "takes no options but"),
        (f"redshift://u@[::1]/{SECRET}", "no IPv6 address"),
        (f"redshift://u@::1/{SECRET}", "must be like"),
        (f"redshift://u@h:0/{SECRET}", "must have a port"),
        (f"redshift://u@h:65536/{SECRET}", "must have a port"),
        (f"redshift://u@h:{SECRET}/d", "must have a port"),
        (f"redshift://u@/{SECRET}", "must name a host"),
        (f"redshift://u@{SECRET}..x/d", "must name a host"),
        (f"redshift://{SECRET}@h/", "must name a database"),
        (f"redshift://{SECRET}@h", "must be like"),
        (f"redshift://u@h/{SECRET}%00", "must name a database"),
        (f"redshift://u@h/{SECRET}%ff", "names a database that is not UTF-8"),
        (f"redshift://{'u' * 128}@h/{SECRET}", "must name a user of 1 to 127"),
        (f"redshift://u@h/d#{SECRET}", "must be like"),
        (f"redshift://u@h/d/{SECRET}", "must be like"),
        (f"duckdb:///{SECRET}", "must be like"),
        (SECRET, "must be like"),
    ],
    ids=range(21),
)
def test_what_is_wrong_with_a_url_is_told_without_the_url(url, words):
    with pytest.raises(ConfigurationError) as failure:
        of(url)
    assert words in failure.value.message
    assert failure.value.remedy
    assert SECRET not in failure.value.message + failure.value.remedy
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("10.0.0.1", False), ("localhost.example", False)],
)
def test_only_loopback_is_this_machine(host, is_local):
    assert of(f"redshift://u@{host}/d").is_local is is_local
