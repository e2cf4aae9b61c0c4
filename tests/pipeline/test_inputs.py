"""Files and pipes of test_decoding's text come as whole records, in order, however they are packed, cut and divided."""

import gzip
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from re_dms.decode.frames import PAD, Frames
from re_dms.errors import ConfigurationError, DecodeError, InvariantError, SourceError
from re_dms.pipeline import inputs
from re_dms.pipeline.inputs import Block, Input, wal_files

SOON = 5.0  # seconds; nothing here waits so long unless it is broken
BEGIN, COMMIT = b"BEGIN 745", b"COMMIT 745"
ROWS = [
    b"table public.t: INSERT: id[integer]:1 a[text]:'it''s'",
    b"table public.t: INSERT: id[integer]:2 a[text]:'line\r\nCOMMIT 7\n\xff'",
    b"message: transactional: 1 prefix: p, sz: 6 content:'\n\"\nab",
]
TRANSACTION = [BEGIN, *ROWS, COMMIT]


def text(records: Sequence[bytes]) -> bytes:
    return b"".join(record + b"\n" for record in records)


def zstd(data: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(data)
    return bytes(packed.getvalue())


def of(block: Block | None) -> list[bytes]:
    assert block is not None
    return [bytes(block.payload[start:end]) for start, end in zip(block.starts, block.ends, strict=True)]


def following(source: Input, timeout_seconds: float = SOON) -> Block:
    block = source.next(timeout_seconds)
    assert block is not None
    return block


def blocks(source: Input) -> Iterator[Block]:
    while not (block := following(source)).last:
        yield block
    yield block


def everything(source: Input) -> list[bytes]:
    return [record for block in blocks(source) for record in of(block)]


@pytest.fixture
def write(tmp_path):
    """A file with this content."""

    def write_file(content: bytes, name: str = "data.txt") -> Path:
        path: Path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe; the test closes the writer's."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


@pytest.mark.parametrize("block_bytes", [1, 7, 40, 64, 100, 1000])
def test_blocks_of_any_size_give_the_same_records(write, block_bytes):
    path = write(text(TRANSACTION * 3))
    assert everything(Input([path], block_bytes=block_bytes)) == TRANSACTION * 3


def test_a_record_larger_than_a_block_makes_it_grow(write):
    large = b"table t: INSERT: a[text]:'" + b"x\n" * 5000 + b"'"
    assert everything(Input([write(text([BEGIN, large, COMMIT]))], block_bytes=16)) == [BEGIN, large, COMMIT]


def test_a_record_larger_than_any_block_is_refused_by_its_place(write, monkeypatch):
    monkeypatch.setattr(inputs, "SIZE_MAX", 1000)
    path = write(text([BEGIN, b"table t: INSERT: a[text]:'" + b"x" * 1000 + b"'"]))
    source = Input([path], block_bytes=16)
    assert of(source.next(SOON)) == [BEGIN]
    with pytest.raises(DecodeError, match=f"{path}, line 2, byte 10: a record that has no end within 1000 bytes"):
        source.next(SOON)


def test_a_block_can_be_framed_in_place(write):
    """PAD bytes can be read behind the last record, also of a block that is full to the last byte."""
    data = text(TRANSACTION)
    block = following(Input([write(data)], block_bytes=len(data)))
    assert len(block.payload) >= len(data) + PAD
    frames = Frames.at(block.payload, block.starts, block.ends)
    assert [frames.message(index) for index in range(len(frames))] == TRANSACTION


def test_earlier_blocks_stay_as_they_were(write):
    given = list(blocks(Input([write(text(TRANSACTION * 5))], block_bytes=100)))
    assert [record for block in given for record in of(block)] == TRANSACTION * 5


def test_the_last_block_says_so_and_nothing_comes_after_it(write):
    source = Input([write(text([BEGIN]), "a"), write(text([COMMIT]), "b")])
    assert [(of(block), block.file_ends, block.last) for block in blocks(source)] == [
        ([BEGIN], True, False),
        ([COMMIT], True, True),
    ]
    with pytest.raises(InvariantError):
        source.next(SOON)


def test_an_empty_file_is_one_empty_block(write):
    (block,) = blocks(Input([write(b"")]))
    assert (of(block), block.torn, block.where.place(0)) == ([], None, f"{write(b'')}, line 1, byte 0")


def test_held_records_are_given_again_in_front(pipe):
    """From a pipe: nothing can be read twice."""
    reader, writer = pipe
    os.write(writer, text([*TRANSACTION, BEGIN, ROWS[0]]))
    source = Input(reader)
    first = source.next(0)
    assert of(first) == [*TRANSACTION, BEGIN, ROWS[0]]
    source.hold(len(TRANSACTION))
    assert source.next(0) is None
    os.write(writer, text([COMMIT]))
    second = following(source, 0)
    assert of(second) == [BEGIN, ROWS[0], COMMIT]
    assert (
        second.where.place(0)
        == f"descriptor {reader}, line {text(TRANSACTION).count(10) + 1}, byte {len(text(TRANSACTION))}"
    )
    source.hold(0)
    os.close(writer)
    last = following(source)
    assert (of(last), last.last) == ([BEGIN, ROWS[0], COMMIT], True)


def test_a_transaction_that_is_held_whole_makes_the_block_grow(write):
    source = Input([write(text(TRANSACTION * 4))], block_bytes=50)
    sizes = []
    while not (block := following(source)).last:
        sizes.append(len(block.starts))
        source.hold(0)
    assert of(block) == TRANSACTION * 4
    assert sizes == sorted(set(sizes))


def test_nothing_can_be_held_of_a_block_with_which_its_file_ends(write):
    source = Input([write(text([BEGIN]))])
    with pytest.raises(InvariantError):
        source.hold(0)
    source.next(SOON)
    with pytest.raises(InvariantError):
        source.hold(0)


@pytest.mark.parametrize("block_bytes", [1, 60, 10_000])
def test_a_place_is_file_line_and_byte(write, block_bytes):
    records = TRANSACTION * 2
    path = write(text(records))
    places = [
        block.where.place(int(start))
        for block in blocks(Input([path], block_bytes=block_bytes))
        for start in block.starts
    ]
    before = [text(records[:index]) for index in range(len(records))]
    assert places == [f"{path}, line {data.count(10) + 1}, byte {len(data)}" for data in before]


# Packed files


def members(data: bytes) -> bytes:
    return gzip.compress(data[:50]) + gzip.compress(b"") + b"\0" * 100 + gzip.compress(data[50:]) + b"\0" * 3


def frames(data: bytes) -> bytes:
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    return skipped + zstd(data[:50]) + zstd(b"") + skipped + zstd(data[50:])


PACKINGS = pytest.mark.parametrize("pack", [gzip.compress, members, zstd, frames])


@PACKINGS
@pytest.mark.parametrize(("count", "block_bytes"), [(200, 50), (10_000, 1_500_000)], ids=["small", "large"])
def test_packed_files_are_told_by_their_content(write, pack, count, block_bytes):
    records = TRANSACTION * count
    path = write(pack(text(records)), "data.txt")
    assert everything(Input([path, write(text([BEGIN]), "plain.gz")], block_bytes=block_bytes)) == [*records, BEGIN]


@PACKINGS
def test_packed_bytes_may_come_in_small_pieces(pipe, pack):
    reader, writer = pipe
    source = Input(reader)
    packed = pack(text(TRANSACTION))
    if pack is gzip.compress:  # zstd in a pipe is waited for
        for at in range(3):
            os.write(writer, packed[at : at + 1])
            assert source.next(0) is None
        packed = packed[3:]
    os.write(writer, packed)
    os.close(writer)
    assert everything(source) == TRANSACTION


def test_what_begins_like_a_packed_file_and_ends_is_plain(write):
    for begin in (b"\x1f", b"\x28\xb5\x2f", b"P", b"\x50\x2a"):
        (block,) = blocks(Input([write(begin)]))
        assert block.torn is not None
        assert block.torn.size_bytes == len(begin)


def damaged(source: Input) -> tuple[list[bytes], str]:
    """The records up to the damage, and what is said then, each time again."""
    found: list[bytes] = []
    failure = None
    while failure is None:
        try:
            found += of(source.next(SOON))
        except SourceError as error:
            failure = error
    with pytest.raises(SourceError) as again:
        source.next(SOON)
    assert again.value is failure
    return found, failure.message


def test_a_cut_gzip_file_gives_all_whole_records_before_the_cut(write):
    records = [b"BEGIN %d" % xid for xid in range(300)]
    packed = gzip.compress(text(records))
    for cut in range(11, len(packed), 37):
        path = write(packed[:cut])
        content = gzip.GzipFile(path)
        before = b""
        try:
            while True:
                before += content.read1(1)
        except EOFError:
            pass
        content.close()
        found, message = damaged(Input([path], block_bytes=100))
        assert found == before.split(b"\n")[:-1]
        assert message == f"{path} is cut gzip: its content could be read up to byte {len(before)}"


@pytest.mark.parametrize("rest", [b"no gzip", gzip.compress(b"x" * 100)[:-8] + b"12345678"], ids=["trailing", "sum"])
def test_a_broken_gzip_file_gives_what_comes_before(write, rest):
    path = write(gzip.compress(text(TRANSACTION)) + rest)
    found, message = damaged(Input([path]))
    assert found == TRANSACTION
    assert message.startswith(f"{path} is broken gzip (")
    assert message.endswith(f"could be read up to byte {len(text(TRANSACTION))}")


def test_a_cut_zstd_file_gives_what_comes_before(write):
    records = [b"BEGIN %s" % os.urandom(20).hex().encode() for _ in range(20_000)]
    packed = zstd(text(records))
    path = write(packed[: len(packed) // 2])
    found, message = damaged(Input([path]))
    assert len(found) > 4000
    assert found == records[: len(found)]
    assert message.startswith(f"{path} is cut or broken zstd (")
    offset = int(message.rpartition(" ")[2])
    assert len(text(found)) <= offset < len(text(records[: len(found) + 1]))


# Several files


def test_the_records_of_the_next_file_begin_afresh(write):
    """B3: a file that was cut inside of a value swallows nothing of the next one."""
    first = write(text([BEGIN]) + b"table public.t: INSERT: a[text]:'cut", "1")
    second = write(text(TRANSACTION), "2")
    found = list(blocks(Input([first, second])))
    assert [of(block) for block in found] == [[BEGIN], TRANSACTION]
    assert found[0].torn == inputs.Torn(where=f"{first}, line 2, byte 10", size_bytes=36)
    assert found[1].torn is None
    assert found[1].where.place(0) == f"{second}, line 1, byte 0"


SWITCHED = [
    BEGIN,
    b"table public.t: INSERT: a[text]:'x\nCOMMIT 1\ny' b[text]:'it''s'",
    b"table public.t: INSERT: a[text]:'z'",
    COMMIT,
]
HALVES = text(SWITCHED).partition(b"COMMIT 1\n")


@pytest.mark.parametrize("block_bytes", [1, 50, 1000])
def test_a_value_goes_on_in_the_next_file_where_the_seed_switched(write, block_bytes):
    """B9: the seed's files switch after any physical line that begins with COMMIT, also inside of a value."""
    first, second = write(HALVES[0] + HALVES[1], "1"), write(HALVES[2], "2")
    found = list(blocks(Input([first, second], block_bytes=block_bytes)))
    assert [record for block in found for record in of(block)] == SWITCHED
    assert [block.file_ends for block in found].count(True) == 1
    places = [block.where.place(int(start)) for block in found for start in block.starts]
    assert places == [
        f"{first}, line 1, byte 0",
        f"{first}, line 2, byte 10",
        f"{second}, line 2, byte {HALVES[2].index(b'table')}",
        f"{second}, line 3, byte {HALVES[2].index(COMMIT)}",
    ]


def test_a_content_goes_on_in_the_next_file_too(write):
    message = b"message: transactional: 0 prefix: p, sz: 20 content:\nCOMMIT 5\n1234567890"
    at = message.index(b"1234")
    paths = [write(message[:at], "1"), write(message[at:] + b"\n", "2")]
    assert everything(Input(paths)) == [message]


@pytest.mark.parametrize("block_bytes", [1, 50, 67, 1000])
def test_a_transaction_goes_on_in_the_next_file_behind_a_row_that_ends_in_a_commit_line(write, block_bytes):
    records = [BEGIN, b"table public.t: INSERT: a[text]:'x\nCOMMIT 1' b[text]:'y'", ROWS[0], COMMIT]
    assert len(text(records[:2])) == 67  # a block that ends where the file does
    paths = [write(text(records[:2]), "1"), write(text(records[2:]), "2")]
    found = list(blocks(Input(paths, block_bytes=block_bytes)))
    assert [record for block in found for record in of(block)] == records
    assert [block.file_ends for block in found].count(True) == 1


def test_a_row_that_ends_in_a_commit_line_ends_its_file_before_a_begin(write):
    row = b"table public.t: INSERT: a[text]:'x\nCOMMIT 1' b[text]:'y'"
    paths = [write(text([BEGIN, row]), "1"), write(text(TRANSACTION), "2")]
    assert [(of(block), block.torn) for block in blocks(Input(paths))] == [([BEGIN, row], None), (TRANSACTION, None)]


def test_an_empty_file_between_two_halves_is_passed(write):
    paths = [write(HALVES[0] + HALVES[1], "1"), write(b"", "2"), write(HALVES[2], "3")]
    assert everything(Input(paths)) == SWITCHED


@pytest.mark.parametrize("between", [False, True], ids=["at once", "after an empty file"])
def test_nobody_can_tell_where_a_begin_follows_a_cut_behind_a_commit_line(write, between):
    first, second = write(HALVES[0] + HALVES[1], "1"), write(text(TRANSACTION), "2")
    source = Input([first, write(b"", "empty"), second] if between else [first, second])
    assert of(source.next(SOON)) == [BEGIN]
    with pytest.raises(
        SourceError, match=f"ends inside of a record and {second} begins with BEGIN: nobody can tell"
    ) as error:
        source.next(SOON)
    assert (str(first) in error.value.message) is not between
    assert "--stream" in error.value.remedy


def test_each_file_that_ends_with_a_transaction_ends_there(write):
    """The common switch: behind a COMMIT that is one."""
    records = [b"pg_recvlogical: starting", *TRANSACTION]
    paths = [write(text(records), "1"), write(text(records), "2")]
    assert [(of(block), block.file_ends) for block in blocks(Input(paths))] == [(records, True)] * 2


def test_the_last_file_is_torn_also_behind_a_commit_line(write):
    path = write(HALVES[0] + HALVES[1])
    (block,) = blocks(Input([path]))
    assert block.torn == inputs.Torn(where=f"{path}, line 2, byte 10", size_bytes=len(HALVES[0] + HALVES[1]) - 10)


def test_the_seeds_files_come_in_the_order_of_their_numbers(tmp_path):
    names = ["000000000000000A.wal", "0000000000000009.wal", "0000000000000010.wal"]
    for name in [*names, "000000000000000b.wal", "0000000000000001.wal.gz", "1.wal", "notes"]:
        (tmp_path / name).touch()
    (tmp_path / "0000000000000002.wal").mkdir()
    assert [path.name for path in wal_files(tmp_path)] == [names[1], names[0], names[2]]


@pytest.mark.parametrize("is_there", [True, False], ids=["empty", "missing"])
def test_a_directory_without_the_seeds_files_is_refused(tmp_path, is_there):
    directory = tmp_path / "wal"
    if is_there:
        directory.mkdir()
    with pytest.raises(ConfigurationError, match=str(directory)):
        wal_files(directory)


# Pipes, descriptors, files that cannot be read


def test_a_pipe_that_stalls_in_a_record_gives_the_whole_ones_before_it(pipe):
    reader, writer = pipe
    source = Input(reader)
    assert source.next(0) is None
    os.write(writer, text([BEGIN]) + ROWS[1][:40])
    assert of(source.next(0.01)) == [BEGIN]
    assert source.next(0) is None
    os.write(writer, ROWS[1][40:])
    assert source.next(0) is None
    os.write(writer, b"\n" + text([COMMIT]))
    assert of(source.next(0)) == [ROWS[1], COMMIT]
    os.write(writer, b"BEGIN 7")
    os.close(writer)
    (last,) = blocks(source)
    assert last.torn == inputs.Torn(
        where=f"descriptor {reader}, line {text([BEGIN, ROWS[1], COMMIT]).count(10) + 1}, byte "
        f"{len(text([BEGIN, ROWS[1], COMMIT]))}",
        size_bytes=7,
    )


def test_a_pipe_that_never_stalls_does_not_hold_records_back():
    """With the time over, what came is given, though more could be read. Of a socket of packets, one read gives one."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with reader, writer:
        for record in TRANSACTION:
            writer.send(text([record]))
        source = Input(reader.fileno())
        assert [of(source.next(0)) for _ in TRANSACTION] == [[record] for record in TRANSACTION]
        assert source.next(0) is None


def test_a_file_can_be_standard_input(write):
    descriptor = os.open(write(text(TRANSACTION)), os.O_RDONLY)
    source = Input(descriptor, block_bytes=64)
    assert everything(source) == TRANSACTION
    source.close()
    os.close(descriptor)  # still open: it is not ours


def test_files_are_closed_when_they_end_or_the_input_is_closed(write):
    before = set(Path("/proc/self/fd").iterdir())
    everything(Input([write(text(TRANSACTION), "1"), write(gzip.compress(text(TRANSACTION)), "2")]))
    unfinished = Input([write(zstd(text(TRANSACTION)))], block_bytes=10)
    unfinished.next(SOON)
    unfinished.close()
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_a_file_that_cannot_be_read_is_named_after_what_comes_before(write, tmp_path):
    for unreadable in (tmp_path / "missing", tmp_path):
        source = Input([write(text(TRANSACTION)), unreadable])
        assert of(source.next(SOON)) == TRANSACTION
        with pytest.raises(SourceError, match=f"{unreadable} cannot be read"):
            source.next(SOON)
        source.close()
