"""Tests of Coscribe; `make test` runs them all."""
