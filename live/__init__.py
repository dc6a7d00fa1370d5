"""Live: a self-hosted real-time breaking-news push service."""

__version__ = "0.1.0"
