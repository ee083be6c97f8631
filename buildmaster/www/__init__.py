"""The web front: REST, WebSocket and server-sent events, sessions and authorization, and the pages."""
