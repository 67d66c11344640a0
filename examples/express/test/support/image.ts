import { strict as assert } from 'node:assert'
import { startLocally } from '../../src/local.ts'
import { startHub } from './child.ts'

// Runs the hub as its image has it: `node test/support/image.ts <folder>`, for .ci/image.

const [folder] = process.argv.slice(2)
assert(folder, 'name the folder that pnpm deploy made')
const local = await startLocally()
try {
  const hub = await startHub(folder, { NODE_ENV: 'production', ...local.environment })
  const { status } = await fetch(`${hub.base}/health`)
  assert.equal(status, 200)
  hub.process.kill('SIGTERM')
  assert.equal(await hub.ended, 0)
  process.stdout.write('The hub starts from its image, answers, and ends with 0.\n')
} finally {
  await local.stop()
}
