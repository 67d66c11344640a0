import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isRunning } from '@org/pg-testing'

/** A file system in memory that can be filled to the last byte. */
export interface SmallDisk {
  readonly path: string
  fill(): void
  free(): void
  remove(): void
}

const PIECE = Buffer.alloc(64 * 1024, 1)

const NAME = 'pg-tenant-disk-'

/** Those of runs that were killed: memory that nobody would give back. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(name.startsWith(NAME) ? name.slice(NAME.length).split('-')[0] : Number.NaN)
    if (!Number.isInteger(pid) || isRunning(pid)) continue
    try {
      unmount(join(tmpdir(), name))
    } catch {
      // Another run sweeps as well.
    }
  }
}

function unmount(path: string): void {
  execFileSync('/bin/umount', ['-l', path], { stdio: 'pipe' })
  rmdirSync(path)
}

/** Only root may mount; elsewhere there is none, and the tests that need one are skipped. */
export function mountSmallDisk(megabytes: number): SmallDisk | undefined {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return undefined
  sweep()
  const path = mkdtempSync(join(tmpdir(), `${NAME}${process.pid}-`))
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=1777`, 'tmpfs', path], {
      stdio: 'pipe',
    })
  } catch {
    rmdirSync(path)
    return undefined
  }
  chmodSync(path, 0o1777)
  const ballast = join(path, 'ballast')
  return {
    path,
    fill: () => {
      const file = openSync(ballast, 'a')
      try {
        for (const size of [PIECE.length, 4096, 1]) {
          while (wrote(file, size)) {
            // On to the last byte.
          }
        }
      } finally {
        closeSync(file)
      }
    },
    free: () => rmSync(ballast, { force: true }),
    remove: () => unmount(path),
  }
}

/** @returns whether all of it found room */
function wrote(file: number, size: number): boolean {
  try {
    return writeSync(file, PIECE, 0, size) === size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}
