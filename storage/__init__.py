"""Adapters for the ports of `collab` on SQL (SQLite, PostgreSQL) and in memory."""
