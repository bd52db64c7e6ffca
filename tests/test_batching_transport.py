"""What one turn of the event loop writes is sent at once, in order, and nothing is left out."""

import asyncio

from ingest.api.batching_transport import BatchingTransport


class Recorder(asyncio.Transport):
    """Notes every call that would be one system call."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.sent: list[bytes | str] = []
        self.is_lost = False

    def write(self, data: "bytes | bytearray | memoryview") -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.sent.append("closed")

    def is_closing(self) -> bool:
        return self.is_lost


def test_head_and_body_are_sent_at_once_and_the_next_turn_separately() -> None:
    async def main() -> list[bytes | str]:
        recorder = Recorder()
        transport = BatchingTransport(recorder, asyncio.get_running_loop())
        for parts in ([b"head 1,", b"body 1"], [b"head 2,", b"", b"body 2"]):
            for part in parts:
                transport.write(part)
            assert recorder.sent == [b"head 1,body 1"] * (parts[0] != b"head 1,")
            await asyncio.sleep(0)
        return recorder.sent

    assert asyncio.run(main()) == [b"head 1,body 1", b"head 2,body 2"]


def test_what_was_written_is_sent_before_the_end() -> None:
    async def main() -> list[bytes | str]:
        recorder = Recorder()
        transport = BatchingTransport(recorder, asyncio.get_running_loop())
        transport.write(b"head,")
        transport.write(b"body")
        transport.close()
        await asyncio.sleep(0)
        return recorder.sent

    assert asyncio.run(main()) == [b"head,body", "closed"]


def test_nothing_is_written_to_a_client_that_went_away_meanwhile() -> None:
    async def main() -> list[bytes | str]:
        recorder = Recorder()
        BatchingTransport(recorder, asyncio.get_running_loop()).write(b"head")
        recorder.is_lost = True
        await asyncio.sleep(0)
        return recorder.sent

    assert asyncio.run(main()) == []


def test_everything_else_is_the_transports_own() -> None:
    async def main() -> object:
        return BatchingTransport(Recorder(), asyncio.get_running_loop()).get_extra_info("peername")

    assert asyncio.run(main()) == ("127.0.0.1", 1)
