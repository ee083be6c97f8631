"""Documented address: the HTTP client."""

from buildmaster.net.httpclient import HTTPClientService, HTTPSession, TreqResponseWrapper

__all__ = ["HTTPClientService", "HTTPSession", "TreqResponseWrapper"]
