"""Coscribe side by side with other Yjs servers; README.md says how it is measured."""
