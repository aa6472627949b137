"""`/healthz`, `/readyz` and `/metrics`: for whoever runs the server."""

import asyncio
import importlib
from hmac import compare_digest

from starlette.responses import Response

from collab.errors import NotAuthenticated, StoreError
from web.api.bodies import json_response
from web.state import AppRequest


async def live(_request: AppRequest) -> Response:
    """The process answers."""
    return json_response({"status": "live"})


async def ready(request: AppRequest) -> Response:
    """The database answers with the schema this version needs, and edits can be saved; otherwise 503."""
    state = request.state
    try:
        await state["database"].ping()
    except StoreError as error:
        return json_response({"status": "not ready", "reason": str(error)}, 503, {"Retry-After": "2"})
    if not state["hub"].ready:
        trouble = state["hub"].trouble
        reason = "edits cannot be saved just now" + (f": {trouble}" if trouble is not None else "")
        return json_response({"status": "not ready", "reason": reason}, 503, {"Retry-After": "2"})
    return json_response({"status": "ready"})


async def metrics(request: AppRequest) -> Response:
    """Counters in the Prometheus text format; for whoever has METRICS_TOKEN, if there is one."""
    wanted = request.state["settings"].metrics_token.get_secret_value()
    if wanted and not compare_digest(f"Bearer {wanted}".encode(), request.headers.get("authorization", "").encode()):
        raise NotAuthenticated("metrics are for who has METRICS_TOKEN")
    # Not needed to start, and slow to import.
    module = await asyncio.to_thread(importlib.import_module, "web.metrics")
    return Response(module.render(request.state), media_type=module.CONTENT_TYPE)
