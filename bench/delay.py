"""A wire to a server on this machine that takes its time.
    delay.py PORT MS     says the port it listens on; what comes in goes on half of MS later, in either direction"""
import asyncio
import sys

PORT, DELAY = int(sys.argv[1]), int(sys.argv[2]) / 2000


async def carry(reader, writer):
    """In order, and as much on its way as there is: only late."""
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(1 << 18):
            loop.call_later(DELAY, writer.write, data)
            await asyncio.sleep(0)
        loop.call_later(DELAY, writer.close)
    except ConnectionError:
        writer.close()


async def serve(reader, writer):
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", PORT)
    await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
