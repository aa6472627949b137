"""What every request finds in `request.state`: made when the application starts, the same until it ends."""

from typing import TypeAlias, TypedDict, cast

from starlette.requests import Request
from starlette.websockets import WebSocket

from collab.hub import Hub
from storage.blobs import Blobs
from storage.engine import Database
from web.bearer import OurTokens
from web.history.process import HistoryProcess
from web.jobs import Jobs
from web.minting import Mint
from web.passwords import Passwords
from web.recorder import Recorder
from web.security import Door
from web.settings import Settings
from web.sign_on import SignOn
from web.throttle import Throttle
from web.transport import Heart, TransportLimits
from web.turnstile import Turnstile
from web.watch import Places, Watch
from web.workers import Workers

_FRAMING_BYTES_MAX = 512
"""What a dialect puts round a payload that is itself as large as it may be: lengths, and the name of the document."""


class State(TypedDict):
    settings: Settings
    door: Door
    database: Database
    blobs: Blobs
    hub: Hub
    history: HistoryProcess
    workers: Workers
    jobs: Jobs
    heart: Heart
    mint: Mint
    tokens: OurTokens
    passwords: Passwords
    throttle: Throttle
    recorder: Recorder
    places: Places
    watch: Watch
    sign_on: SignOn | None
    """Signing in with an OpenID provider, if there is one."""
    transport_limits: TransportLimits
    turnstile: Turnstile


AppRequest: TypeAlias = Request[State]
AppWebSocket: TypeAlias = WebSocket[State]


def state_of(websocket: AppWebSocket) -> State:
    """`websocket.state` without the object that Starlette makes for each connection to look like a dictionary."""
    return cast(State, websocket.scope["state"])


def transport_limits(settings: Settings) -> TransportLimits:
    return TransportLimits(
        message_bytes_max=settings.sync_bytes_max + _FRAMING_BYTES_MAX,
        frames_per_second=settings.messages_per_second_max,
        frames_burst=settings.messages_burst_max,
        bytes_per_second=settings.receive_bytes_per_second_max,
        bytes_burst=settings.receive_burst_bytes_max,
        write_high_water=settings.send_queue_bytes_max,
        write_low_water=settings.send_queue_bytes_max // 4,
    )
