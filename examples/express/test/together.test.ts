// @module-tag slow: brings its own database, as the demo does.
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { type RunningHub, startHub } from './support/child.ts'

const FOLDER = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = ['--conditions=@org/source', '--disable-warning=ExperimentalWarning']
let all: RunningHub | undefined

afterAll(() => void all?.process.kill('SIGKILL'))

it('starts the hub and its worker on a database of their own, invites the operator, and ends all of it', async () => {
  all = await startHub(FOLDER, { DATABASE_URL: '' }, SOURCES, 'src/together.ts')
  const { lines } = all
  await expect
    .poll(() => lines.some((line) => line.includes('/admin#invitation=')), { timeout: 240_000 })
    .toBe(true)
  const ports = lines.flatMap((line) => /"port":(\d+)/.exec(line)?.[1] ?? [])
  expect(new Set(ports).size).toBe(2)
  for (const port of ports) expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200)
  all.process.kill('SIGINT')
  expect(await all.ended, lines.join('\n')).toBe(0)
  expect(lines.filter((line) => line.includes('"stopped"'))).toHaveLength(2)
})
