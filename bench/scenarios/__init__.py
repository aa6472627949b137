"""The questions that every server is asked."""

from bench.scenarios import (
    s1_one_writer,
    s2_everybody_writes,
    s3_small_rooms,
    s4_idle,
    s5_history,
    s6_kill,
    s7_everybody_returns,
    s8_burst,
    s9_stalled_reader,
    s10_memory,
    s11_sign_in,
)
from bench.scenarios.base import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    s1_one_writer.SCENARIO,
    s2_everybody_writes.SCENARIO,
    s3_small_rooms.SCENARIO,
    s4_idle.SCENARIO,
    s5_history.SCENARIO,
    s6_kill.SCENARIO,
    s7_everybody_returns.SCENARIO,
    s8_burst.SCENARIO,
    s9_stalled_reader.SCENARIO,
    s10_memory.SCENARIO,
    s11_sign_in.SCENARIO,
)
