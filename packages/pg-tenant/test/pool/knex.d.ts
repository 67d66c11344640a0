declare module 'knex/lib/dialects/postgres/index.js' {
  import knex from 'knex'
  /** A dialect whose driver can be another. */
  export default class Postgres extends knex.Client {}
}
