import { codedControl, type Queryable, type Row } from '@org/core'

/** A connection of a pool. */
interface Lent extends Queryable {
  release(destroy?: boolean): void
}

/** A pool of `pg`, as opposed to one of its clients. */
interface Lending extends Queryable {
  connect(): Promise<Lent>
  readonly totalCount: number
}

const BEGIN = `begin; select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)`

/**
 * Runs an administrator's statements in one transaction with the catalogue as their only path: no function, operator or type
 * that somebody put into a schema of the administrator's path can stand in for one of PostgreSQL's. Tables are qualified.
 *
 * @internal
 * @param admin a pool, or a client outside a transaction; what can do no more than `query` is taken as it is
 * @param install as for {@link codedControl}
 */
export async function withOwnPath<T>(
  admin: Queryable,
  install: string,
  work: (admin: Queryable) => Promise<T>,
): Promise<T> {
  if (!isPool(admin)) {
    const session = codedControl(admin, install)
    return 'processID' in admin ? transaction(session, work) : work(session)
  }
  let client: Lent | undefined
  const connected: Queryable = {
    query: async <R extends object = Row>(text: string, values?: readonly unknown[]) => {
      client ??= await admin.connect()
      return client.query<R>(text, values)
    },
  }
  let sound = true
  try {
    return await transaction(codedControl(connected, install), work, () => {
      sound = false
    })
  } finally {
    client?.release(!sound)
  }
}

/** {@link withOwnPath} for each statement by itself. @internal */
export function pinnedControl(admin: Queryable, install: string): Queryable {
  return {
    query: <R extends object = Row>(text: string, values?: readonly unknown[]) =>
      withOwnPath(admin, install, (own) => own.query<R>(text, values)),
  }
}

async function transaction<T>(
  session: Queryable,
  work: (admin: Queryable) => Promise<T>,
  onBroken: () => void = () => {},
): Promise<T> {
  try {
    // guard: the administrator's own path
    await session.query(BEGIN)
    const value = await work(session)
    await session.query('commit')
    return value
  } catch (error) {
    await session.query('rollback').catch(onBroken)
    throw error
  }
}

const isPool = (admin: Queryable): admin is Lending =>
  typeof (admin as Partial<Lending>).connect === 'function' &&
  typeof (admin as Partial<Lending>).totalCount === 'number'
