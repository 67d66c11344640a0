import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { eventually, NOTES, type World } from '../support/world.ts'

const SCRIPT = fileURLToPath(new URL('fixtures/child.ts', import.meta.url))

/** Starts fixtures/child.ts in a process of its own. */
export function start(
  world: World,
  [action, key, file]: readonly [string, string, string],
  nodeOptions: readonly string[] = [],
): ChildProcess {
  const flags = [
    '--conditions=@org/source',
    '--disable-warning=ExperimentalWarning',
    '--experimental-strip-types',
  ]
  const args = [action, world.appUrl, world.adminUrl, world.rolePrefix, key, file, NOTES.sql]
  return spawn(process.execPath, [...nodeOptions, ...flags, SCRIPT, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** What the child printed at its end. */
export async function outcomeOf(child: ChildProcess): Promise<{ peak: number; ms: number; maxRss: number }> {
  let [out, err] = ['', '']
  child.stdout?.on('data', (text: Buffer) => {
    out += text.toString()
  })
  child.stderr?.on('data', (text: Buffer) => {
    err += text.toString()
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`the child ended with ${code}: ${err.slice(0, 2000)}`)
  return JSON.parse(out)
}

/** SIGKILL, once a session of the administrator does what `activity` describes; resolves when the process is gone. */
export async function killWhen(world: World, child: ChildProcess, activity: string): Promise<void> {
  let err = ''
  child.stderr?.on('data', (text: Buffer) => {
    err += text.toString()
  })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`the child ended by itself: ${err.slice(0, 2000)}`)
    const { rows } = await world.root.query(
      `select from pg_stat_activity where usename = $1 and ${activity}`,
      [world.adminRole],
    )
    return rows.length > 0
  })
  child.kill('SIGKILL')
  await gone
}
