"""A stack of real parts: what FastAPI, sse-starlette, Redis and nginx do when something breaks between them."""

KEY = "sandbox-key"
WORKFLOW = "5f0c6e0a-3a51-4c7e-9d59-0d3f6a1b2c3d"
