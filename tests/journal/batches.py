"""A writer of small batches, as a capture writes them."""

import hashlib

from re_dms.journal.journal import Journal
from re_dms.lsn import LSN
from re_dms.manifest import Changes, Counts, DataFile, Manifest, Registry, RegistryRef, TableChanges, TableState
from re_dms.pgtypes import Kind, PgType
from re_dms.schema import Column, KeyKind, Relation

RELATION = Relation(
    oid=16400,
    schema="public",
    name="orders",
    identity="d",
    key_kind=KeyKind.KEYED,
    key=(1,),
    columns=(Column(attnum=1, name="id", type=PgType(oid=23, typmod=-1, name="integer", kind=Kind.INT4)),),
)


class Writer:
    """Writes whole batches of one small file each, as a capture does: data, registry when asked, manifest."""

    def __init__(self, journal: Journal, name: str = "w1") -> None:
        self.journal = journal
        self.name = name
        self.registry: RegistryRef | None = None

    def manifest(self, number: int, *, new_registry: bool = False, transactions: int = 1) -> Manifest:
        data = f"data of {number} by {self.name}".encode()
        (key,) = self.journal.write_data(number, self.name, [("16400-0.csv.zst", data)])
        if self.registry is None or new_registry:
            tables = {RELATION.oid: TableState(relation=RELATION)}
            self.registry = self.journal.write_registry(Registry(number=number, tables=tables), self.name)
        file = DataFile(
            key=key,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            rows=1,
            row_bytes_max=10,
            null="n0",
            columns=("op", "c1"),
        )
        change = Changes(relation=0, files=(file,), ops={"U": 1})
        table = TableChanges(oid=RELATION.oid, relations=(RELATION,), steps=(change,), counts=Counts(inserts=1))
        return Manifest(
            journal_id="j",
            number=number,
            writer=self.name,
            kind="stream",
            start=LSN(100 * (number - 1)),
            end=LSN(100 * number),
            last_commit=None,
            transactions=transactions,
            changes=1,
            registry=self.registry,
            tables=(table,),
        )

    def commit(self, *numbers: int, new_registry: bool = False) -> None:
        for number in numbers:
            self.journal.commit(self.manifest(number, new_registry=new_registry))
