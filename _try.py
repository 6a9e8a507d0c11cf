import asyncio
import os
import tempfile
from pathlib import Path

import tests.scale as S
from tests.scale import *

S.RECOVERY_SECONDS = 25


async def main():
    folder = Path(tempfile.mkdtemp(prefix="taxon-scale-"))
    bundle = folder / "models" / "tiny" / "1"
    write_tiny_bundle(bundle)
    print(folder, flush=True)
    s = Scale(folder, bundle, 5)

    async def faults():
        for k in range(6):
            try:
                async with asyncio.timeout(32):
                    await s.cloud_stopped(k % 2)
            except BaseException as e:
                print(
                    "failed",
                    repr(e),
                    {n: {c: len(v) for c, v in r.items()} for n, r in s.report.results.items()},
                    {c: len(v) for c, v in s.report.accepted.items()},
                )
                for c in s.clouds:
                    if c.process.returncode is None:
                        os.kill(c.process.pid, 12)
                        await asyncio.sleep(2)
                        print(
                            c.folder,
                            await c.metric("taxon_cloud_journal_frames"),
                            await c.metric("taxon_cloud_frames_received_total"),
                            await c.metric("taxon_cloud_results_published_total"),
                            await c.metric("taxon_cloud_results_delivered_total"),
                        )
                raise
            print(k, s.report.recoveries, flush=True)
            yield

    print(await s.run(faults))


asyncio.run(main())
