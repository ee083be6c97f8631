"""Security headers of every answer."""

from __future__ import annotations

from typing import Any

#: our pages: own scripts and styles only, nothing inline, nobody may frame them
PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; "
    b"font-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)

#: dashboards of the configuration: their own styles and scripts may stand in their HTML
DASHBOARD_POLICY = PAGE_POLICY.replace(b"script-src 'self'", b"script-src 'self' 'unsafe-inline'").replace(
    b"style-src 'self'", b"style-src 'self' 'unsafe-inline'"
)

#: what a build wrote (HTML logs, uploaded text): no scripts, no cookies, no requests, whatever it contains
FOREIGN_POLICY = b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"


def common(request: Any) -> None:
    """Headers that suit every answer."""
    headers = request.responseHeaders
    headers.setRawHeaders(b"x-content-type-options", [b"nosniff"])
    headers.setRawHeaders(b"referrer-policy", [b"same-origin"])


def page(request: Any) -> None:
    """Headers of one of our pages."""
    headers = request.responseHeaders
    headers.setRawHeaders(b"content-security-policy", [PAGE_POLICY])
    headers.setRawHeaders(b"x-frame-options", [b"DENY"])
    headers.setRawHeaders(b"cache-control", [b"no-cache, private"])


def dashboard(request: Any) -> None:
    """Headers of a page with the HTML of a dashboard."""
    page(request)
    request.responseHeaders.setRawHeaders(b"content-security-policy", [DASHBOARD_POLICY])


def foreign(request: Any, embeddable: bool = False) -> None:
    """Headers of content that a build wrote; ``embeddable`` in our own log page."""
    ancestors = b"; frame-ancestors 'self'" if embeddable else b"; frame-ancestors 'none'"
    request.responseHeaders.setRawHeaders(b"content-security-policy", [FOREIGN_POLICY + ancestors])
