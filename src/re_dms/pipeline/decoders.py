"""Which decoder reads the regions: that of the plugin which writes the slot's changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from re_dms.decode.decoded import Decoded
from re_dms.decode.frames import Frames
from re_dms.decode.line_frames import Lines
from re_dms.decode.pgoutput import PgOutputDecoder
from re_dms.decode.test_decoding import TestDecodingDecoder
from re_dms.lsn import LSN
from re_dms.pipeline.line_resolver import LineCatalog, LineResolver
from re_dms.pipeline.relations import Relations
from re_dms.settings import TEST_DECODING, SourceSettings
from re_dms.source.candidates import read_tables
from re_dms.source.carried import wanted_oids
from re_dms.source.catalog import describe
from re_dms.source.connection import Connection

Decode = Callable[[Frames, Mapping[int, LSN]], Decoded]
"""The changes of one buffer; by OID, the position of the copy that older rows are in."""


def new_decoder(sql: Connection, source: SourceSettings, relations: Relations) -> Decode:
    """A decoder for a stream from its start on: a new connection needs a new one."""
    if source.plugin != TEST_DECODING:
        return PgOutputDecoder(relations.resolve).decode
    catalog = LineCatalog(
        tables=lambda: read_tables(sql),
        describe=lambda oids: describe(sql, oids),
        wanted=lambda: wanted_oids(sql, source),
    )
    resolver = LineResolver(relations, catalog)
    decoder = TestDecodingDecoder(resolver.resolve, resolver.locate)
    return lambda frames, copied_at: decoder.decode(Lines.of_stream(frames), copied_at)
