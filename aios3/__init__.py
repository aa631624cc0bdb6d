"""Stream uploads of any length into any S3-compatible store, from asyncio code."""
