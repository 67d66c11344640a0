import type pg from 'pg'

const LOCK = 'select pg_advisory_xact_lock(hashtextextended($1, 0))'

/** Runs `work` while nobody else, in this process or another, works under the same name. */
export type OneAtATime = <T>(name: string, work: () => Promise<T>) => Promise<T>

/**
 * An advisory lock on a connection of `control`, held while the work uses others. In one process all take turns, so that
 * at most one connection is ever held by somebody who waits for another: a pool cannot run dry of it.
 */
export function oneAtATime(control: pg.Pool): OneAtATime {
  let last: Promise<unknown> = Promise.resolve()
  return (name, work) => {
    const turn = last.then(() => locked(control, name, work))
    last = turn.catch(() => undefined)
    return turn
  }
}

async function locked<T>(control: pg.Pool, name: string, work: () => Promise<T>): Promise<T> {
  const client = await control.connect()
  let broken: Error | undefined
  try {
    await client.query('begin')
    await client.query(LOCK, [`hub.${name}`])
    return await work()
  } finally {
    await client.query('rollback').catch((error: Error) => {
      broken = error
    })
    client.release(broken)
  }
}
