"""One module per client protocol, all over the same sessions and rooms (`collab.messages.Dialect`).

The addresses at which they are spoken are in `web.sockets`.
"""
