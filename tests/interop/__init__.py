"""Published Yjs clients, under Node and in Python, against the real server."""
