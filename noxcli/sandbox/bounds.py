"""Limits on what one sandbox keeps; the oldest is dropped first."""

MOST_RUNS = 10_000
MOST_INPUT = 256 * 1024 * 1024  # bytes of JSON, of all runs together
MOST_FILES = 10_000
MOST_CONTENT = 512 * 1024 * 1024  # bytes, of all files together
MOST_REQUESTS = 50_000
MOST_NOTED = 64 * 1024 * 1024  # bytes of headers and bodies, of all requests together
