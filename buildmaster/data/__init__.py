"""The documented data API: resources with their fields, endpoints, update methods, actions and events."""
