"""The station's end of the record lane, as far as the gateway sees it: it acknowledges whatever comes.

python -m bench._station BROKERPORT
"""

from __future__ import annotations

import asyncio
import sys

from metergate.links.mqtt import Message, MqttClient
from metergate.wire.batch import Ack, decode, encode_ack


async def main(port: int) -> None:
    """Serve until killed."""
    async with MqttClient(f"mqtt://127.0.0.1:{port}", "bench-station") as client:

        async def acknowledge(message: Message) -> None:
            batch = decode(message.payload)
            await client.publish(message.topic.replace("/record/", "/ack/"), encode_ack(Ack(batch.epoch, batch.end)))

        await client.subscribe("metergate/bench/record/+", acknowledge, qos=1)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
