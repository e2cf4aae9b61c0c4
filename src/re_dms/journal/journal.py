"""The journal's rules: whose it is, which batches exist, what is known of positions (protocol lines 1, 3, 4, 11)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from re_dms.errors import ChangesMissing, InvariantError, JournalError, JournalUnavailable, PipelineHeld
from re_dms.failpoints import failpoint
from re_dms.journal import keys
from re_dms.journal.copies import LocalCopies
from re_dms.journal.objects import RESET, Applied, CopyRequest, ManifestEnd, Model, Position, parse, to_json
from re_dms.journal.store import ObjectExists, ObjectMissing, Store
from re_dms.journal.workspace import Workspace
from re_dms.lsn import LSN
from re_dms.manifest import Counts, DataFile, Manifest, Registry, RegistryRef, Root, WarehouseName

_PUT_ATTEMPTS_MAX: Final = 3


class Journal:
    """The batches and what belongs to them, in one store. Keeps no state: every answer is read anew."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._copies = LocalCopies(store)

    # --- Identity

    def root(self) -> Root | None:
        """Whose journal this is; None when there is none yet."""
        return self._read_optional(keys.ROOT, Root)

    def create_root(self, root: Root) -> Root:
        """Create the root object. Returns the root that is there: `root`, or another's that was first."""
        return self._create_or_read(keys.ROOT, root)

    def warehouse(self) -> WarehouseName | None:
        """The one warehouse that this journal feeds; None when none was named yet."""
        return self._read_optional(keys.WAREHOUSE, WarehouseName)

    def name_warehouse(self, name: WarehouseName) -> WarehouseName:
        """Record the warehouse. Returns the name that is recorded: `name`, or the one that was first."""
        return self._create_or_read(keys.WAREHOUSE, name)

    # --- Batches

    def numbers(self) -> list[int]:
        """The numbers of all batches that exist, ascending."""
        found = (keys.number_of(key) for key in self.store.list(keys.BATCHES))
        return sorted(number for number in found if number is not None)

    def tail(self) -> Manifest | None:
        """The newest batch; None when there is none."""
        numbers = self.numbers()
        return self._read_manifest(numbers[-1]) if numbers else None

    def manifest(self, number: int, *, look_beyond: bool = True) -> Manifest | None:
        """Batch `number`; None when it is not there yet. Raises ChangesMissing when it is missing and a later one is not.

        Without `look_beyond` later ones are not looked for: one small request, for those who ask often.
        """
        try:
            return self._read_manifest(number)
        except ObjectMissing:
            if not look_beyond or not any(later > number for later in self.numbers()):
                return None
        try:
            return self._read_manifest(number)  # it may have come, with the later one, after the first look
        except ObjectMissing:
            raise ChangesMissing(
                f"batch {number} is missing from the journal {self.store.url}, and a later one is there", remedy=RESET
            ) from None

    def write_data(self, number: int, writer: str, files: Sequence[tuple[str, bytes]]) -> list[str]:
        """Put the data files of a batch; durable when it returns. Returns their keys, in order. Safe to repeat."""
        objects = [(keys.data_key(number, writer, name), data) for name, data in files]
        try:
            self.store.create_many(objects)
        except ObjectExists:
            for key, data in objects:
                self._create_same(key, data)
        return [key for key, _ in objects]

    def commit(self, manifest: Manifest) -> None:
        """Make the batch exist: durable, and ours, when it returns. All its data must be durable before.

        Raises PipelineHeld when another writer wrote this number. An unclear reply is settled by reading.
        """
        key, data = keys.manifest_key(manifest.number), to_json(manifest)
        unclear: Exception | None = None
        for _ in range(_PUT_ATTEMPTS_MAX):
            try:
                failpoint("capture.before_manifest")  # an error here is a put that never arrived,
                self.store.create(key, data)
                failpoint("capture.after_manifest")  # and here one whose reply was lost
                self._require_newest(manifest.number)
                return
            except ObjectExists as error:
                unclear = error
            except (JournalUnavailable, OSError) as error:
                unclear = error
            try:
                found = self.store.get(key)
            except ObjectMissing:
                continue  # the put never arrived, or it clashed with one that did not either
            self._judge(manifest, data, found)
            self._require_newest(manifest.number)
            return
        raise JournalUnavailable(f"{key} could not be put into {self.store.url}") from unclear

    def _require_newest(self, number: int) -> None:
        """A number below others was applied and pruned: another capture has gone on, and this batch will not be read."""
        if self.numbers()[-1] > number:
            raise PipelineHeld(
                f"another capture has gone on beyond batch {number}",
                remedy="run one capture a journal; this one has stopped",
            )

    def _judge(self, manifest: Manifest, data: bytes, found: bytes) -> None:
        """Return when `found` is the manifest that we wrote; raise otherwise."""
        if found == data:
            return
        key = keys.manifest_key(manifest.number)
        if parse(key, found, Manifest).writer == manifest.writer:
            raise InvariantError(f"{key} holds other bytes of the same writer")
        raise PipelineHeld(
            f"another capture wrote batch {manifest.number}", remedy="run one capture a journal; this one has stopped"
        )

    # --- Data

    def files(self, number: int, owner: str) -> Workspace:
        """The files of one load of batch `number`, as `re_dms.warehouse.base.Files`; a context manager."""
        return Workspace(self.store, number, owner)

    def fetch(self, file: DataFile) -> Path:
        """A local file with the data file's bytes, checked against its size and checksum.

        Raises ChangesMissing when the object is missing or altered. For stores that are not local the file is a copy
        that lives until `release` or the end of this Journal.
        """
        return self._copies.fetch(file)

    def release(self) -> None:
        """The files that `fetch` gave are no longer needed."""
        self._copies.release()

    # --- Registry

    def write_registry(self, registry: Registry, writer: str) -> RegistryRef:
        """Put what capture knows of its tables; durable when it returns. Safe to repeat."""
        key = keys.registry_key(registry.number, writer)
        return RegistryRef(key=key, sha256=self.write(key, to_json(registry)))

    def read_registry(self, ref: RegistryRef) -> Registry:
        """The registry that `ref` names. Raises ChangesMissing when it is missing or altered."""
        return parse(ref.key, self.read(ref.key, ref.sha256), Registry)

    def write(self, key: str, data: bytes) -> str:
        """Put an object of the writer's own that a manifest will refer to; durable when it returns. Its SHA-256.

        Safe to repeat."""
        self._create_same(key, data)
        return hashlib.sha256(data).hexdigest()

    def read(self, key: str, sha256: str) -> bytes:
        """An object that a manifest refers to. Raises ChangesMissing when it is missing or altered."""
        try:
            data = self.store.get(key)
        except ObjectMissing:
            raise ChangesMissing(f"{key} is missing in the journal {self.store.url}", remedy=RESET) from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ChangesMissing(f"{key} was altered in the journal {self.store.url}", remedy=RESET)
        return data

    # --- Positions

    def record_position(self, position: LSN) -> None:
        """Record that nothing of ours lies before `position`: durable when it returns. Safe to repeat."""
        self._create_same(keys.position_key(position), to_json(Position(position=position)))

    def newest_position(self) -> LSN | None:
        """The newest recorded position; None when there is none."""
        positions = self._positions()
        if not positions:
            return None
        return self._read(keys.position_key(positions[-1]), Position).position

    def prune_positions(self) -> None:
        """Remove all recorded positions but the newest."""
        self.store.delete([keys.position_key(position) for position in self._positions()[:-1]])

    def _positions(self) -> list[LSN]:
        found = (keys.position_of(key) for key in self.store.list(keys.POSITIONS))
        return sorted(position for position in found if position is not None)

    def known_lsn(self) -> LSN | None:
        """The greatest position that the journal accounts for: the tail's end or the newest position."""
        newest, numbers = self.newest_position(), self.numbers()  # a tail that comes in between counts
        if not numbers:
            return newest
        # Its end is all that is wanted: a manifest of thousands of tables takes long to read whole.
        end = self._read(keys.manifest_key(numbers[-1]), ManifestEnd).end
        return end if newest is None else max(end, newest)

    def is_fresh(self) -> bool:
        """Whether nothing was captured yet: no batch and no position."""
        return not self.numbers() and not self._positions()

    # --- Advisory objects

    def record_applied(
        self, number: int, lsn: LSN, time_us: int | None = None, tables: Mapping[int, Counts] | None = None
    ) -> None:
        """Mirror what the warehouse has committed."""
        applied = Applied(number=number, lsn=lsn, time_us=time_us, tables=dict(tables or {}))
        self.store.put(keys.APPLIED, to_json(applied))

    def applied(self) -> Applied | None:
        """The mirror: at or behind the warehouse's own watermark. None when nothing was applied yet."""
        return self._read_optional(keys.APPLIED, Applied)

    def request_copy(self, oid: int) -> None:
        """Ask capture to copy this table again. Every call is a request of its own: one that comes while an earlier
        one is being served is not cleared with it."""
        self._create_same(keys.request_key(oid, secrets.token_hex(6)), to_json(CopyRequest(oid=oid)))

    def copy_requests(self) -> dict[int, list[str]]:
        """By OID of the tables that were asked for, the keys of the requests."""
        found: dict[int, list[str]] = {}
        for key in self.store.list(keys.REQUESTS):
            if (oid := keys.requested_oid(key)) is not None:
                found.setdefault(oid, []).append(key)
        return found

    def clear_copy_requests(self, requests: Sequence[str]) -> None:
        """These requests (by key) were served. Safe to repeat."""
        self.store.delete(requests)

    def destroy(self) -> None:
        """Remove everything, the root last: what is left after a crash still names its owner. Safe to repeat."""
        for prefix in keys.PREFIXES:
            self.store.delete(self.store.list(prefix))
        for key in (keys.APPLIED, keys.WAREHOUSE, keys.ROOT):
            self.store.delete([key])

    # --- Reading and writing models

    def _create_or_read(self, key: str, mine: Model) -> Model:
        # Looked for first: on a full disk nothing can be put, and apply has to start to make room.
        there = self._read_optional(key, type(mine))
        if there is not None:
            return there
        return parse(key, self._create_or_get(key, to_json(mine)), type(mine))

    def _create_same(self, key: str, data: bytes) -> None:
        """Create the object, or find that it is there with the same bytes."""
        if self._create_or_get(key, data) != data:
            raise InvariantError(f"{key} exists in {self.store.url} with other bytes")

    def _create_or_get(self, key: str, data: bytes) -> bytes:
        """The bytes under `key` once somebody has created it: `data`, or another's. A lost reply and a put that clashed
        with one that failed look alike; reading tells them apart."""
        for _ in range(_PUT_ATTEMPTS_MAX):
            try:
                self.store.create(key, data)
            except ObjectExists:
                with suppress(ObjectMissing):
                    return self.store.get(key)
            else:
                return data
        raise JournalUnavailable(f"{key} could not be put into {self.store.url}", remedy="nothing to do if it passes")

    def _read_manifest(self, number: int) -> Manifest:
        key = keys.manifest_key(number)
        manifest = self._read(key, Manifest)
        if manifest.number != number:
            raise JournalError(f"{key} holds batch {manifest.number}", remedy=RESET)
        return manifest

    def _read(self, key: str, model: type[Model]) -> Model:
        return parse(key, self.store.get(key), model)

    def _read_optional(self, key: str, model: type[Model]) -> Model | None:
        try:
            return self._read(key, model)
        except ObjectMissing:
            return None
