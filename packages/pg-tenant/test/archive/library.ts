import type { IsolationLevel, Migration, Tenancy, TenancyOptions } from '../../src/index.ts'
import type { Setting } from '../levels/setting.ts'

/** References, a circle, a sequence, a generated column, and a table without rows. */
const OWN: Migration = {
  id: '1',
  sql: `create table author (id bigint generated always as identity primary key, name text not null, best bigint);
    create table book (id bigint generated always as identity primary key, title varchar(40) not null,
      author_id bigint not null references author, length int generated always as (length(title)) stored);
    alter table author add constraint fk_author_best foreign key (best) references book;
    create table nothing (id int primary key)`,
}
/** The same where tenants share their tables. */
const SHARED: Migration = {
  id: '1',
  sql: `create table author (tenant_id text not null, id bigint generated always as identity, name text not null,
      best bigint, primary key (tenant_id, id));
    create table book (tenant_id text not null, id bigint generated always as identity, title varchar(40) not null,
      author_id bigint not null, length int generated always as (length(title)) stored, primary key (tenant_id, id),
      constraint fk_book_author foreign key (tenant_id, author_id) references author (tenant_id, id));
    alter table author add constraint fk_author_best foreign key (tenant_id, best) references book (tenant_id, id);
    create table nothing (tenant_id text not null, id int, primary key (tenant_id, id))`,
}

/** Every level, those with tables of their own first. */
export const LEVELS: readonly IsolationLevel[] = ['schema', 'role', 'login', 'database', 'row']

export const libraryOf = (level: IsolationLevel): Migration => (level === 'row' ? SHARED : OWN)

/** A tenancy whose tenants keep authors and books. */
export const openLibrary = (
  setting: Setting,
  level: IsolationLevel,
  options: Partial<TenancyOptions> = {},
): Tenancy => setting.tenancy(level, { migrations: [libraryOf(level)], ...options })

/** Two rows that refer to each other, for each name. */
export async function write(tenancy: Tenancy, key: string, names: readonly string[]): Promise<void> {
  await tenancy.withTenant(key, async (db) => {
    for (const name of names) {
      const author = await db.query('insert into author (name) values ($1) returning id', [name])
      const book = await db.query('insert into book (title, author_id) values ($1, $2) returning id', [
        `${name}, a life`,
        author.rows[0]?.id,
      ])
      await db.query('update author set best = $1 where id = $2', [book.rows[0]?.id, author.rows[0]?.id])
    }
  })
}

const EVERYTHING = `select a.id, name, best, title, length, author_id from author a full join book b on b.author_id = a.id
  order by 1`

export const read = async (tenancy: Tenancy, key: string): Promise<Record<string, unknown>[]> =>
  (await tenancy.query(key, EVERYTHING)).rows
