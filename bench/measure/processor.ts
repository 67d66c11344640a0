import { readdirSync, readFileSync } from 'node:fs'
import pg from 'pg'

/** Milliseconds on a processor so far: the client's (this process's, or those named), and all of the server's processes'. */
export interface ProcessorTime {
  readonly client: number
  readonly server: number
}

/**
 * A clock of processor time of both sides, or `undefined` where the server's processes cannot be seen: not on this machine, or
 * not Linux.
 *
 * @param clients ids of the processes that count as the client (default: this one alone)
 */
export async function processorClock(
  url: string,
  clients?: readonly number[],
): Promise<(() => ProcessorTime) | undefined> {
  const postmaster = await postmasterOf(url)
  if (postmaster === undefined) return undefined
  // What ended children took is the postmaster's; it counts in hundredths of a second, the scheduler in nanoseconds.
  return () => {
    const running = childrenOf(postmaster).reduce(
      (sum, pid) => sum + onProcessor(pid),
      onProcessor(postmaster),
    )
    return {
      client: clients?.reduce((sum, pid) => sum + ofThreads(pid), 0) ?? own(),
      server: running + ended(postmaster),
    }
  }
}

function own(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** Of a process that may have several: threads of Node.js compile and collect. */
function ofThreads(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, thread) => sum + onProcessor(`${pid}/task/${thread}`),
    0,
  )
}

async function postmasterOf(url: string): Promise<number | undefined> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const [, parent] = statOf(rows[0]?.pid ?? 0)
    const pid = Number(parent)
    return /postgres|postmaster/.test(readFileSync(`/proc/${pid}/comm`, 'utf8')) ? pid : undefined
  } catch {
    return undefined
  } finally {
    await client.end()
  }
}

const TICKS_A_SECOND = 100

/** Fields of `/proc/pid/stat` behind the name, which may hold spaces: state, parent, … (manual, proc(5)). */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** What a process's ended children took, in milliseconds (`cutime`, `cstime`). */
function ended(pid: number): number {
  const fields = statOf(pid)
  return ((Number(fields[13]) + Number(fields[14])) * 1_000) / TICKS_A_SECOND
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number),
  )
}

/** 0 for one that has just ended. */
function onProcessor(pid: number | string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
  } catch {
    return 0
  }
}
