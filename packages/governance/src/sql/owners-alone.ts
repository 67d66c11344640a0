/**
 * In PL/pgSQL, with a variable `taken`: takes from everybody but its owner what default privileges gave of a table (ALTER DEFAULT
 * PRIVILEGES FOR the administrator …), which are meant for the tables of migrations. A partition would be read past the policies of its table.
 *
 * @internal
 * @param made says which tables, of `c`
 */
export const ownersAlone = (made: string): string => `for taken in
    select distinct pg_catalog.format('revoke all on table %s from %s', c.oid::pg_catalog.regclass,
      case when a.grantee operator(pg_catalog.=) 0::pg_catalog.oid then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) end)
    from pg_catalog.pg_class c cross join lateral pg_catalog.aclexplode(c.relacl) a
    where ${made} and c.relkind operator(pg_catalog.=) any (array['r', 'p']::pg_catalog."char"[]) and a.grantee operator(pg_catalog.<>) c.relowner
  loop execute taken; end loop;`
