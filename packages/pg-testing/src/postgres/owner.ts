import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * Who made a database or a directory is part of its name, as a name is set atomically with the object and
 * a comment is not: `pgtt_<host>_<pid>_<process start>_<random>`.
 */
const OWNED_NAME = /^pgtt_([0-9a-f]{8})_(\d+)_([0-9a-z]+)_[0-9a-f]{8}$/

export interface Owner {
  readonly host: string
  readonly pid: number
  readonly start: string
}

const readOr = (read: () => string): string => {
  try {
    return read().trim()
  } catch {
    return ''
  }
}

/**
 * Process ids mean something only within one boot and one pid namespace: two containers, or two virtual
 * machines from one image, may share hostname and machine id, and must not judge each other's processes.
 */
const host = createHash('sha256')
  .update(hostname())
  .update(readOr(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')))
  .update(readOr(() => readlinkSync('/proc/self/ns/pid')))
  .digest('hex')
  .slice(0, 8)

/** When a process started (clock ticks on Linux, seconds elsewhere); undefined if none runs, or a zombie. */
function processStart(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const stat = readOr(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
    // The command, in brackets, may hold spaces and brackets itself; fields are counted after the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = fields[19]
    return ticks === undefined || fields[0] === 'Z' ? undefined : Number(ticks).toString(36)
  }
  const started = readOr(() => execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }))
  return started ? (Date.parse(started) / 1000).toString(36) : undefined
}

const self: Owner = { host, pid: process.pid, start: processStart(process.pid) ?? '0' }

/** A unique name which says that this process made the thing. */
export function ownedName(): string {
  return `pgtt_${self.host}_${self.pid}_${self.start}_${randomBytes(4).toString('hex')}`
}

export function parseOwner(name: string): Owner | undefined {
  const [, host, pid, start] = OWNED_NAME.exec(name) ?? []
  return host && pid && start ? { host, pid: Number(pid), start } : undefined
}

export const isOnThisHost = (owner: Owner): boolean => owner.host === host

/** True only if the owner ran on this host and has certainly gone. */
export function isDead(owner: Owner): boolean {
  if (!isOnThisHost(owner)) return false
  const start = processStart(owner.pid)
  return start === undefined ? !isHidden(owner.pid) : start !== owner.start
}

/** Another user's process, which some systems do not show (hidepid), but which is there. */
function isHidden(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The command line of a running process, '' if there is none: guards against a reused process id. */
export function commandLine(pid: number): string {
  return process.platform === 'linux'
    ? readOr(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')
    : readOr(() => execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }))
}
