"""The endpoint of an environment: one ASGI application that answers with packaged models."""
