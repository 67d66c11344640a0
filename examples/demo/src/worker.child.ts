import { openWorker } from '@org/example-express/hub/worker'
import { openDemoHub } from './hub.ts'

// The hub's worker as a process of its own, which may be killed. It tries again after a moment, not after minutes, and what it
// had in hand is another's after a second: everything else is as it is deployed.

const hub = await openDemoHub(process.env)
const worker = openWorker(hub, { retry: { retries: 5, delays: [100] }, lease: 1_000, sealEvery: 1_000 })
worker.start()
process.send?.('ready')
// Also when the demonstration is no longer there.
process.once('disconnect', () => void worker.stop().then(() => hub.close()))
