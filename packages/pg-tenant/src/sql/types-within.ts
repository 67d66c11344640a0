/** What a domain is in the end, behind however many other domains (`pg_basetype` of PostgreSQL 17). @param type an expression, its oid */
export const baseTypeOf = (type: string): string =>
  `(with recursive base (oid, below) as (
    select b.oid, b.typbasetype from pg_catalog.pg_type b where b.oid = ${type}
    union all select b.oid, b.typbasetype from base d join pg_catalog.pg_type b on b.oid = d.below) select oid from base where below = 0)`

/** The types a type is made of, itself among them: a query. @param type an expression, its oid */
export const typesWithin = (type: string): string => `with recursive part (type) as (
      select ${type} union select x.type from part p join pg_type t on t.oid = p.type cross join lateral (
        select t.typelem where t.typelem <> 0
        union all select t.typbasetype where t.typtype = 'd'
        union all select b.atttypid from pg_attribute b where b.attrelid = t.typrelid and t.typtype = 'c' and b.attnum > 0 and not b.attisdropped
        union all select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
        union all select r.rngtypid from pg_range r where r.rngmultitypid = t.oid) x (type))
    select type from part`
