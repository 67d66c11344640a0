import { chownSync, mkdirSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir, uptime } from 'node:os'
import { join } from 'node:path'
import { commandLine, isDead, isOnThisHost, ownedName, parseOwner } from './owner.ts'
import { canReach, type ServerUser } from './server-user.ts'

/** macOS has long temporary paths; a unix socket's may not exceed some 100 bytes. */
function baseDirectory(user: ServerUser | undefined): string {
  const preferred = process.platform === 'darwin' ? '/tmp' : tmpdir()
  return canReach(preferred, user) ? preferred : '/tmp'
}

/** A new directory of ours (so nobody can swap it under us) that the server's user may pass through. */
export async function createDirectory(user: ServerUser | undefined): Promise<string> {
  const dir = join(baseDirectory(user), ownedName())
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
  const base = baseDirectory(user)
  for (const name of await readdir(base).catch(() => [])) {
    const dir = join(base, name)
    // Nothing here is worth failing a start for: another run may be sweeping too.
    if (await isAbandoned(dir, name).catch(() => false)) await discard(dir).catch(() => undefined)
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
