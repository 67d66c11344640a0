import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createServerDirectory, removeDirectory } from './directory.ts'
import { ownedName } from './owner.ts'
import type { ServerUser } from './server-user.ts'

/**
 * Names the directory of the first server of a process, also for the processes that it starts: what initdb made lies there for
 * the servers after it, and goes with it. Copying takes a tenth of the processor time.
 */
const PLACE = 'PGTT_INITIALISED'

/** Makes this server's directory the place, unless there is one. */
export function offerPlace(dir: string): void {
  if (!existsSync(process.env[PLACE] ?? '')) process.env[PLACE] = dir
}

/**
 * Makes a data directory with what `initdb` once made for an equal command, else with `initdb` itself, whose work is then kept.
 * All of them have one system identifier, as a server and its standbys have.
 */
export async function initialise(
  dataDir: string,
  user: ServerUser | undefined,
  command: readonly string[],
  initdb: () => Promise<void>,
): Promise<void> {
  const place = process.env[PLACE]
  // The first server of a run has nobody to take from, and only the second knows that there is more than one.
  const shared = place !== undefined && !dataDir.startsWith(place)
  const kept = join(place ?? '', `initdb-${digest([...command, String(user?.uid)])}`)
  if (shared && existsSync(kept)) {
    if (await copied(kept, dataDir)) return
    // Its owner ended meanwhile.
    await removeDirectory(dataDir)
  }
  createServerDirectory(dataDir, user)
  await initdb()
  if (!shared) return
  // Two may come here at once: the second rename fails, as what the first one kept is not empty.
  const draft = join(place, ownedName())
  if (!((await copied(dataDir, draft)) && (await moved(draft, kept)))) await removeDirectory(draft)
}

const digest = (words: readonly string[]): string =>
  createHash('sha256').update(words.join('\0')).digest('hex').slice(0, 24)

const copied = (from: string, to: string): Promise<boolean> =>
  promisify(execFile)('cp', ['-a', from, to]).then(
    () => true,
    () => false,
  )

const moved = (from: string, to: string): Promise<boolean> =>
  rename(from, to).then(
    () => true,
    () => false,
  )
