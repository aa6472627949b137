"""History for whoever asks: its answers as bytes, the process that finds them, and the index in the background."""
