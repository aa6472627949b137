"""The real server process, from socket to SQL and back."""
