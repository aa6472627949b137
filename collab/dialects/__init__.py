"""One module per client protocol, all over the same sessions and rooms (`collab.messages.Dialect`)."""
