"""CREATE and ALTER of users, CREATE GROUP. The stand-in knows names, passwords and who is a superuser.

Source: AWS Database Developer Guide, "CREATE USER" (r_CREATE_USER), "ALTER USER", "CREATE GROUP".
"""

from __future__ import annotations

import re
from typing import Final

from redshift_standin.errors import RedshiftError, not_yet
from redshift_standin.sql.lexer import Kind
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.statements import CreateGroup, CreateUser

_PASSWORD: Final = re.compile(r"(?=.*[A-Z])(?=.*[a-z])(?=.*[0-9])[!#-&(-.0-?A-\[\]-~]{8,64}")
_HASH: Final = re.compile(r"md5[0-9a-f]{32}|sha256\|.*", re.DOTALL)
_LATER: Final = (
    "createdb", "nocreatedb", "syslog", "in", "valid", "connection", "session", "externalid", "rename", "set", "reset",
    "role",
)  # fmt: skip


def read_create_user(reader: Reader) -> CreateUser:
    """From the word USER on; a password, or PASSWORD DISABLE, is not optional."""
    reader.expect("user")
    name = read_new_role(reader)
    reader.accept("with")
    superuser, password, seen = _options(reader, alter=False)
    if "password" not in seen:
        reader.fail()
    return CreateUser(name=name, password=password, superuser=superuser)


def read_alter_user(reader: Reader) -> CreateUser:
    """From the word USER on."""
    reader.expect("user")
    name = reader.expect_name()
    reader.accept("with")
    superuser, password, seen = _options(reader, alter=True)
    if not seen:
        reader.fail()
    return CreateUser(name=name, password=password, superuser=superuser, alter=True)


def read_create_group(reader: Reader) -> CreateGroup:
    """From the word GROUP on: name [[WITH] USER name, …]."""
    reader.expect("group")
    name = read_new_role(reader)
    users: list[str] = []
    if reader.accept("with", "user") or reader.accept("user"):
        users = reader.separated(reader.expect_name)
    return CreateGroup(name=name, users=tuple(users))


def read_new_role(reader: Reader) -> str:
    """A name that a user or a group may have."""
    name = reader.expect_name()
    if name == "public" or name.startswith("pg_"):
        raise RedshiftError("42939", f'role name "{name}" is reserved')
    return name


def _options(reader: Reader, *, alter: bool) -> tuple[bool, str | None, set[str]]:
    """(superuser, password, what was written), each option at most once."""
    superuser, password = False, None
    seen: set[str] = set()
    while reader.is_word("password", "createuser", "nocreateuser", *_LATER):
        word = reader.advance().value
        subject = "createuser" if word == "nocreateuser" else word
        if subject in seen:
            raise RedshiftError("42601", f"conflicting or redundant options: {word.upper()}")
        seen.add(subject)
        if word in _LATER:
            raise not_yet(f"option {word.upper()} of a user")
        if word == "password":
            password = _password(reader, alter=alter)
        elif word == "createuser":
            superuser = True
        elif alter:
            raise not_yet("ALTER USER … NOCREATEUSER")
    return superuser, password, seen


def _password(reader: Reader, *, alter: bool) -> str | None:
    if reader.accept("disable"):
        if alter:
            raise not_yet("ALTER USER … PASSWORD DISABLE")
        return None
    if reader.token.kind is not Kind.STRING:
        raise RedshiftError("42601", "PASSWORD needs a quoted string or DISABLE", position=reader.token.start + 1)
    password = reader.advance().value
    if _HASH.fullmatch(password):
        raise not_yet("a password that is given as its hash")
    if not _PASSWORD.fullmatch(password):
        raise RedshiftError(
            "22023",
            "password must have 8 to 64 printable ASCII characters, among them an upper-case letter, a lower-case letter"
            " and a digit, and none of ' \" \\ / @",
        )
    return password
