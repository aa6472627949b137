"""The archive: documents with everything that ever happened to them, as one ZIP file that explains itself.

`docs/archive.md` is its description. `writer` makes one; `reader` checks one, every byte, before anything of it is
believed, and hands on what it found through a spool (`spool`), so that whoever stores it need not read it again.
"""
