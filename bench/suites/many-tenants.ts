import pg from 'pg'
import type { Bench } from '../server.ts'

/** Tenants created in one transaction; each takes a few dozen locks. */
const BATCH = 200

export interface ManyTenants {
  readonly url: string
  /** Of schemas and of roles alike. */
  readonly prefix: string
  readonly count: number
}

export const manyKey = (at: number): string => `m${at}`

/**
 * Thousands of tenants with plain SQL, in a fraction of the time `provision` takes. Each has a role that the
 * application may switch to; the application may read the schemas directly as well, so that both levels serve the
 * same tables.
 */
export async function createManyTenants(bench: Bench, count: number): Promise<ManyTenants> {
  const { applicationUrl, adminUrl } = await bench.database()
  const prefix = bench.prefix('m')
  const admin = new pg.Client(adminUrl)
  await admin.connect()
  const membership = bench.server.version >= 160_000 ? ' with inherit false, set true' : ''
  for (let from = 1; from <= count; from += BATCH) {
    const to = Math.min(from + BATCH - 1, count)
    await admin.query(batch(from, to, prefix, bench.role, membership))
  }
  await admin.query('vacuum analyze')
  await admin.end()
  return { url: applicationUrl, prefix, count }
}

// What `provision` makes, written as one template: %1$I schema and role, %2$L key, %3$I marker.
const batch = (from: number, to: number, prefix: string, role: string, membership: string): string => `
  do $$ begin
    for n in ${from}..${to} loop
      execute format('
        create role %1$I nologin noinherit;
        grant %1$I to ${role}${membership};
        create schema %1$I;
        create table %1$I.%3$I (key text primary key, created_at timestamptz not null default now());
        insert into %1$I.%3$I (key) values (%2$L);
        create table %1$I.notes (id integer primary key, body text not null);
        insert into %1$I.notes values (1, ''a note'');
        grant usage on schema %1$I to %1$I, ${role};
        grant select on all tables in schema %1$I to %1$I, ${role}',
        '${prefix}m' || n, 'm' || n, '_tenant_${prefix}');
    end loop;
  end $$`
