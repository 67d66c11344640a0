// @module-tag slow: processes and servers that are killed; the default set has sessions and connections that are.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hasPgBouncer, startPostgres } from '../../src/postgres/index.ts'
import { isRunning } from '../../src/programs/is-running.ts'
import { type Child, eventually, query, runScript } from './fixtures/child.ts'

interface Running {
  readonly child: Child<{ url: string }>
  readonly postmaster: number
  readonly dir: string
}

async function runServer(mode: 'wait' | 'end'): Promise<Running> {
  const child = await runScript<{ url: string }>('start-server.ts', mode)
  const [row] = await query<{ data: string }>(
    child.said.url,
    `SELECT current_setting('data_directory') AS data`,
  )
  const data = row?.data ?? ''
  const postmaster = Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8'), 10)
  return { child, postmaster, dir: dirname(data) }
}

async function expectGone({ postmaster, dir }: Running): Promise<void> {
  await eventually('the postmaster has gone', () => !isRunning(postmaster))
  await eventually('its directory has gone', () => !existsSync(dir))
}

/** The watchdog of a directory: the one process that has it as an argument after the script. */
function watchdogOf(dir: string): number {
  if (!existsSync('/proc/self/cmdline')) {
    return Number.parseInt(execFileSync('pgrep', ['-f', `pgtt-watchdog ${dir} `], { encoding: 'utf8' }), 10)
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return Number(pids.find((pid) => commandLineOf(pid).includes(`pgtt-watchdog\0${dir}\0`)))
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // It has ended.
  }
}

describe('a process that ends without stop()', () => {
  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'by %s takes server and directory along',
    async (signal) => {
      const running = await runServer('wait')
      expect(isRunning(running.postmaster)).toBe(true)
      running.child.process.kill(signal)
      await running.child.exited
      await expectGone(running)
    },
  )

  it('by running off its end: the server does not keep it alive', async () => {
    const child = await runScript<{ url: string }>('start-server.ts', 'end')
    expect(await child.exited).toEqual([0, null])
    await eventually('the server has gone', async () => {
      const failed = await query(child.said.url, 'SELECT 1').catch((error: { code?: string }) => error.code)
      return failed === 'ECONNREFUSED'
    })
  })
})

describe('the next start', () => {
  it('sweeps what is left if the watchdog was killed too, and no live server', async () => {
    const [dead, live] = [await runServer('wait'), await runServer('wait')]
    process.kill(watchdogOf(dead.dir), 'SIGKILL')
    dead.child.process.kill('SIGKILL')
    await dead.child.exited
    expect(isRunning(dead.postmaster)).toBe(true)
    const server = await startPostgres({ url: false, prefer: 'embedded' })
    await expectGone(dead)
    expect(await query(live.child.said.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await server.stop()
    live.child.process.kill('SIGKILL')
    await expectGone(live)
  })
})

describe.runIf(hasPgBouncer())('a PgBouncer whose process is killed', () => {
  it('goes too', async () => {
    const server = await startPostgres()
    const child = await runScript<{ url: string }>('start-server.ts', 'bouncer', server.url)
    expect(await query(child.said.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    child.process.kill('SIGKILL')
    await eventually('PgBouncer has gone', async () => {
      const failed = await query(child.said.url, 'SELECT 1').catch((error: { code?: string }) => error.code)
      return failed === 'ECONNREFUSED'
    })
    await server.stop()
    expect(basename(child.said.url)).toBe('postgres')
  })
})
