"""What a document was, who wrote it, what changed between two seqs, and how a past state becomes the present again.

Everything here reads; the only thing it makes is an update that brings a past state back (`restore`), which goes the
way of every other edit. It is heavy work on whole documents: run it in a process of its own, never beside live rooms.
"""
