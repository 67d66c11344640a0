import { chownSync, mkdirSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir, readFile, rm, statfs } from 'node:fs/promises'
import { tmpdir, uptime } from 'node:os'
import { join } from 'node:path'
import { commandLine, isDead, isOnThisHost, ownedName, parseOwner } from './owner.ts'
import { canReach, type ServerUser } from './server-user.ts'

/** Linux's file system in memory: a database, a table, their files cost a fifth of the processor time there. */
const IN_MEMORY = '/dev/shm'
/** What must be free there and of the memory: servers for tests hold some hundred megabytes, half of it the log. */
const ROOM = 4 * 1024 ** 3

/** macOS has long temporary paths; a unix socket's may not exceed some 100 bytes. */
function onDisk(user: ServerUser | undefined): string {
  const preferred = process.platform === 'darwin' ? '/tmp' : tmpdir()
  return canReach(preferred, user) ? preferred : '/tmp'
}

/** In memory where there is room, unless TMPDIR names another place. */
async function inMemory(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.env.TMPDIR || process.availableMemory() < ROOM) return undefined
  const found = await statfs(IN_MEMORY).catch(() => undefined)
  return found && found.bavail * found.bsize >= ROOM ? IN_MEMORY : undefined
}

/**
 * A new directory of ours (so nobody can swap it under us) that the server's user may pass through.
 * @param executable programs are copied into it, which memory may not be mounted for
 */
export async function createDirectory(user: ServerUser | undefined, executable = false): Promise<string> {
  const base = (executable ? undefined : await inMemory()) ?? onDisk(user)
  const dir = join(base, ownedName())
  await mkdir(dir, { mode: 0o711 })
  // The umask may have taken the pass-through away.
  await chmod(dir, 0o711)
  return dir
}

/** A directory below it that belongs to the server's user alone. */
export function createServerDirectory(path: string, user: ServerUser | undefined): string {
  mkdirSync(path, { mode: 0o700 })
  if (user) chownSync(path, user.uid, user.gid)
  return path
}

export const removeDirectory = (dir: string): Promise<void> =>
  rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })

/** Removes directories, and stops servers, of runs that died together with their watchdog. */
export async function sweepDirectories(user: ServerUser | undefined): Promise<void> {
  for (const base of [IN_MEMORY, onDisk(user)]) {
    for (const name of await readdir(base).catch(() => [])) {
      const dir = join(base, name)
      // Nothing here is worth failing a start for: another run may be sweeping too.
      if (await isAbandoned(dir, name).catch(() => false)) await discard(dir).catch(() => undefined)
    }
  }
}

/** Ours (not merely named like it), and of a dead process, or older than this boot. */
async function isAbandoned(dir: string, name: string): Promise<boolean> {
  const owner = parseOwner(name)
  if (!owner) return false
  const info = await lstat(dir)
  if (!info.isDirectory() || info.uid !== process.geteuid?.()) return false
  const bootedAt = Date.now() - uptime() * 1000
  return isOnThisHost(owner) ? isDead(owner) : info.mtimeMs < bootedAt - 60_000
}

async function discard(dir: string): Promise<void> {
  const pidFile = await readFile(join(dir, 'data', 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number.parseInt(pidFile, 10)
  if (pid > 1 && commandLine(pid).includes(dir)) process.kill(pid, 'SIGQUIT')
  await removeDirectory(dir)
}
