import { connectPostgres } from '../postgres/attach.ts'
import { startPostgres } from '../postgres/start.ts'
import type { PostgresServer } from '../postgres/types.ts'

const known = new Map<string | undefined, Promise<PostgresServer>>()

/** The server at a URL, else one that this process starts at the first call and that ends with it. Each is asked once who it is. */
export async function serverOf(url: string | undefined): Promise<PostgresServer> {
  const found = known.get(url) ?? (url === undefined ? startPostgres() : connectPostgres(url))
  known.set(url, found)
  try {
    return await found
  } catch (error) {
    known.delete(url) // The next call tries again.
    throw error
  }
}
