import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'

const world = useWorld(['acme'])
const SCRIPT = fileURLToPath(new URL('fixtures/listens.ts', import.meta.url))
/** Milliseconds after which it counts as kept alive. */
const PATIENCE = 20_000

it.each(['that is there', 'that cannot be made'])(
  'a connection %s to listen on keeps no process alive',
  async (what) => {
    const direct = new URL(world.url)
    const app = new URL(world.appUrl)
    direct.username = app.username
    direct.password = app.password
    direct.searchParams.set('application_name', 'child listens')
    const listen = what === 'that is there' ? direct.href : 'postgres://x@127.0.0.1:1/x'
    const flags = [
      '--conditions=@org/source',
      '--disable-warning=ExperimentalWarning',
      '--experimental-strip-types',
    ]
    const child = spawn(process.execPath, [...flags, SCRIPT, world.appUrl, listen], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: PATIENCE,
      killSignal: 'SIGKILL',
    })
    let said = ''
    child.stdout.on('data', (text: Buffer) => {
      said += text.toString()
    })
    const [code, signal] = await once(child, 'close')
    expect([said, code, signal]).toEqual(['the rest is done\n', 0, null])
  },
)
