import { TestPostgresError } from './error.ts'

/** Speed for data that nobody keeps; what tests can observe (`synchronous_commit`) stays as in production. */
export const TEST_SETTINGS: Readonly<Record<string, string>> = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'on',
  max_connections: '200',
}

/** @throws TestPostgresError `INVALID_OPTION` */
export function checkedKey(name: string): string {
  if (/^[a-z_][a-z0-9_.]*$/i.test(name)) return name
  throw new TestPostgresError('INVALID_OPTION', `${JSON.stringify(name)} is not the name of a setting`)
}
