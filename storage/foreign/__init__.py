"""Stores of other servers, read and left as they are. `stores` names them; `port` is what they have in common."""
