"""Reads `/metrics`."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import ServerProcess


async def read_metrics(http: httpx.AsyncClient, server: ServerProcess) -> dict[str, float]:
    """Value by sample name; samples with labels are left out."""
    response = await http.get(f"{server.url}/metrics")
    response.raise_for_status()
    families = text_string_to_metric_families(response.text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
