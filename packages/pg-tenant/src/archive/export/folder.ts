import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { TenancyError } from '@org/core'
import { writeFailed } from '../format/sink.ts'

/** Bytes gathered before they are written. */
const GATHER_BYTES = 1 << 18

/** A file being written in constant memory. */
export interface ExportFile {
  /** Takes a line; returns a promise when the caller has to wait. */
  add(line: Buffer): Promise<void> | undefined
  end(): Promise<{ bytes: number; sha256: string }>
}

/** A folder that is there whole or not at all: it is written under another name and renamed at the end. */
export interface ExportFolder {
  file(name: string): Promise<ExportFile>
  finish(): Promise<void>
  abandon(): Promise<void>
}

/** @throws TenancyError CONFLICT when there is a folder of that name with something in it, SERVICE_UNAVAILABLE */
export async function openFolder(path: string): Promise<ExportFolder> {
  // Fails when there is something in it; an empty one is in nobody's way.
  await rmdir(path).catch((error: { code?: string }) => {
    if (error.code !== 'ENOENT') throw occupied()
  })
  const partial = `${path}.${randomBytes(6).toString('hex')}.partial`
  await mkdir(partial, { mode: 0o700 }).catch((error: unknown) => {
    throw writeFailed(error)
  })
  const files = new Set<FileHandle>()
  return {
    file: async (name) => {
      const handle = await open(join(partial, name), 'wx', 0o600).catch((error: unknown) => {
        throw writeFailed(error)
      })
      files.add(handle)
      return writeTo(handle, () => files.delete(handle))
    },
    finish: async () => {
      await rename(partial, path).catch((error: unknown) => {
        throw (error as { code?: string }).code === 'ENOTEMPTY' ? occupied() : writeFailed(error)
      })
    },
    abandon: async () => {
      for (const handle of files) await handle.close().catch(() => {})
      await rm(partial, { recursive: true, force: true }).catch(() => {})
    },
  }
}

function writeTo(handle: FileHandle, closed: () => void): ExportFile {
  const hash = createHash('sha256')
  let [held, size, bytes]: [Buffer[], number, number] = [[], 0, 0]
  let written: Promise<void> = Promise.resolve()
  const flush = () => {
    const piece = Buffer.concat(held)
    ;[held, size] = [[], 0]
    hash.update(piece)
    bytes += piece.length
    written = written
      .then(() => handle.appendFile(piece))
      .catch((error: unknown) => {
        throw writeFailed(error)
      })
    written.catch(() => {})
    return written
  }
  return {
    add: (line) => {
      // A copy: the row is a view of the connection's buffer.
      held.push(Buffer.from(line))
      size += line.length
      return size < GATHER_BYTES ? undefined : flush()
    },
    end: async () => {
      await flush()
      await handle.sync()
      await handle.close()
      closed()
      return { bytes, sha256: hash.digest('hex') }
    },
  }
}

function occupied(): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'There is something under that name already. Nothing was written; choose another folder or move it away.',
  )
}
