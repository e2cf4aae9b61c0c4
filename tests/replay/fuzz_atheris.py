"""Coverage-guided fuzzing of the way from bytes to changes, against the reference: the nightly form of test_fuzz.py.

    python -m pip install --target DIRECTORY atheris
    PYTHONPATH=DIRECTORY .venv/bin/python tests/replay/fuzz_atheris.py

Options are libFuzzer's (https://llvm.org/docs/LibFuzzer.html): -max_total_time=SECONDS (here 600), -runs=N, or the file of
an input that failed. atheris (https://github.com/google/atheris) is no dependency of the project: it has wheels for some
versions of Python only. What it finds belongs into test_found.py.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit(__doc__)

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["re_dms.decode", "re_dms.pipeline", "replay"]):
    from replay.in_process import give
    from replay.judge import assert_true_or_told
    from replay.reference_rows import Version

CATALOG = {
    ("public", "t"): (
        Version(columns=(("id", "integer"), ("a", "text"), ("n", "numeric"), ("f", "boolean")), key=("id",)),
        Version(columns=(("id", "integer"), ("n", "numeric"), ("b", "bit varying")), key=("id",)),
    ),
    ("My Schema", 'q": ('): (Version(columns=(("x [y]", "text"), ("it's\n", '"char"')), identity="f"),),
    ("public", "two"): (Version(columns=(("x", "bigint"), ("y", "text"), ("v", "text")), key=("x", "y")),),
    ("public", "out"): (),
}
SEEDS = [
    b"""BEGIN 7
table public.t: INSERT: id[integer]:1 a[text]:'it''s
COMMIT 7' n[numeric]:1.5 f[boolean]:true
table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:-2 a[text]:unchanged-toast-datum n[numeric]:null f[boolean]:false
table public.out: INSERT: x[text]:'BEGIN 8' y[integer]:1
table public.t: DELETE: id[integer]:1
COMMIT 7 (at 2026-11-28 07:30:53.123456+00)
BEGIN 8
table public.t: INSERT: id[integer]:3 n[numeric]:1e+30 b[bit varying]:B'10'
table public.t, public.out, public.two: TRUNCATE: restart_seqs cascade
COMMIT 8
""",
    b"""BEGIN
table "My Schema"."q"": (": INSERT: "x [y]"[text]:'a' "it's
"["char"]:null
table "My Schema"."q"": (": UPDATE: old-key: "x [y]"[text]:'a' new-tuple: "x [y]"[text]:null "it's
"["char"]:''''
table "My Schema"."q"": (": DELETE: "it's
"["char"]:''''
COMMIT (at 2026-11-28 07:30:53+00)
message: transactional: 0 prefix: it's, sz: 10 content:'
COMMIT x
""",
    b"""BEGIN 5
table public.two: UPDATE: old-key: x[bigint]:1 y[text]:'a b' new-tuple: x[bigint]:1 y[text]:'c' v[text]:'x'
message: transactional: 1 prefix: , sz: 1 content:, sz: 3 content:abc
PREPARE TRANSACTION 'g''1', txid 5
BEGIN 6
table public.two: DELETE: x[bigint]:1 y[text]:'c'
BEGIN 6
table public.two: DELETE: x[bigint]:1 y[text]:'c'
COMMIT 6
COMMIT PREPARED 'g''1', txid 5 (at 2026-11-28 07:30:53.123456+00)
pg_recvlogical: it's "closed
opening a streamed block for transaction TXN 9
streaming change for TXN 9
aborting streamed (sub)transaction TXN 9
ROLLBACK PREPARED 'x', txid 9
""",
]
WORDS = [
    *("BEGIN ", "COMMIT ", "table public.t: INSERT:", "table public.out: DELETE:", " old-key:", " new-tuple:", "null"),
    *(" id[integer]:", " a[text]:'", " n[numeric]:", " b[bit varying]:B'", "unchanged-toast-datum", "(no-tuple-data)"),
    *("message: transactional: 1 prefix: ", ", sz: 3 content:", "pg_recvlogical: ", ": TRUNCATE: (no-flags)"),
    *("PREPARE TRANSACTION '", "COMMIT PREPARED '", "ROLLBACK PREPARED '", "', txid 7", " (at ", "committing streamed"),
    *("public.", "BEGIN 7\\x0a", "COMMIT 7\\x0a", "''", "\\x0a", "NaN", "-Infinity", "e+30"),
]


def one(data: bytes) -> None:
    """The first byte chooses the size of blocks."""
    if not data:
        return
    block_bytes = 1 << 20 if data[0] < 64 else data[0] * 2
    assert_true_or_told(data[1:], CATALOG, give(data[1:], CATALOG, block_bytes=block_bytes))


def main() -> None:
    """Run until something is found, or the time is over."""
    with tempfile.TemporaryDirectory() as directory:
        corpus = Path(directory)
        for number, seed in enumerate(SEEDS):
            (corpus / f"seed-{number}").write_bytes(b"\0" + seed)
            (corpus / f"seed-{number}-in-blocks").write_bytes(b"\x50" + seed)
        dictionary = corpus / "words"
        dictionary.write_text("".join(f'"{word}"\n' for word in WORDS))
        options = ["-max_total_time=600", "-max_len=2000", "-len_control=0", "-timeout=60", "-rss_limit_mb=4096"]
        options += [f"-dict={dictionary}", f"-artifact_prefix={Path.cwd()}/"]
        given = sys.argv[1:]
        inputs = [] if any(not each.startswith("-") for each in given) else [str(corpus)]
        atheris.Setup([sys.argv[0], *options, *given, *inputs], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
