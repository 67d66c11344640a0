import { quoteLiteral } from './identifier.ts'

/**
 * A statement that takes from everybody but their owner what default privileges gave of tables (ALTER DEFAULT PRIVILEGES FOR the
 * administrator …), which are often meant for the tables of migrations: the registry and the markers are nobody's to write.
 *
 * @param tables qualified and quoted
 */
export const ownersAlone = (tables: readonly string[]): string =>
  `do ${quoteLiteral(`declare taken pg_catalog.text; begin
    for taken in select distinct pg_catalog.format('revoke all on table %s from %s', c.oid::pg_catalog.regclass,
        case a.grantee when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) end)
      from pg_catalog.pg_class c cross join lateral pg_catalog.aclexplode(c.relacl) a
      where c.oid = any (array[${tables.map(quoteLiteral).join()}]::pg_catalog.regclass[]::pg_catalog.oid[]) and a.grantee <> c.relowner
    loop execute taken; end loop; end`)}`
