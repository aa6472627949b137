"""Making a new document out of something else: content only, never its owner or who may see it.

Each reader gives the tree of `collab.export.tree`; `build` makes a Yjs update of it, which then goes through the same
scanner as everybody else's. What is read was written by strangers: run it in a process of its own (`collab.jobs`).
"""
