"""The Noxus HTTP API as methods; the only importer of requests, urllib3 and sseclient."""

from noxcli.api.client import NoxusApi
from noxcli.api.download import Download
from noxcli.api.http_client import Http

__all__ = ["Download", "Http", "NoxusApi"]
