"""Requests of raw bytes, for what no client library sends."""

import asyncio


async def talk(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Everything the server answers until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


CLOSE = b"Host: localhost\r\nConnection: close\r\n\r\n"
