import { PATH } from './types-sql.ts'

// Functions, operators, casts, aggregates and text search of a schema; parameters as in types-sql.ts.

const KIND_OF_FUNCTION = `case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end`
const NAMED = `${KIND_OF_FUNCTION} || format(' %I.%I(%s)', h.nspname, p.proname, pg_get_function_identity_arguments(p.oid))`

// PostgreSQL refuses to make a function with one of them where a role cannot be changed, as in the tenant's room.
const ROLE_SETTINGS = ['role', 'session_authorization'] as const

/** A definition without the line that sets it; where the same words stand elsewhere as well, the definition itself. */
const without = (name: (typeof ROLE_SETTINGS)[number], definition: string) => `(select
    case when s.line is not null and cardinality(string_to_array(d.text, s.line)) = 2 then replace(d.text, s.line, e'\\n') else d.text end
  from (select ${definition}) d (text), (select e'\\n SET ${name} TO ' || quote_literal(
    (select substr(c, ${name.length + 2}) from unnest(p.proconfig) c where starts_with(c, '${name}='))) || e'\\n') s (line))`
const DEFINITION = ROLE_SETTINGS.reduce((text, name) => without(name, text), 'pg_get_functiondef(p.oid)')

/** Their roles, by themselves; see restore/role-settings.ts. */
export const ROLES_OF_FUNCTIONS = `select 'role:' || p.oid || ':' || s.name as key, '{}'::text[] as also, 97 as phase,
    format('setting %s of %s', s.name, ${NAMED}) as what, format('alter %s set %s to %L', ${NAMED}, s.name, s.value) as sql
  from path, home h join pg_proc p on p.oid = any ($3::oid[]) and p.prokind <> 'a'
    cross join lateral (select split_part(c, '=', 1) as name, substr(c, strpos(c, '=') + 1) as value from unnest(p.proconfig) c) s
  where s.name in (${ROLE_SETTINGS.map((name) => `'${name}'`).join()})`

// $3 is kind, name and arguments as they read under the tenant's path, the schema's name quoted as in $4 (rename.ts).
export const FUNCTION_OF = `with ${PATH} select p.oid::text as oid from path, home h join pg_proc p on p.pronamespace = quote_ident($1)::regnamespace
  where ${KIND_OF_FUNCTION} || format(' %s.%I(%s)', $4::text, p.proname, pg_get_function_identity_arguments(p.oid)) = $3`

// $1 the function, $2 the setting, $3 its value. Under the pinned path types of the tenant are written with their schema.
export const SET_ROLE_OF = `select format('alter %s %I.%I(%s) set %I to %L', case prokind when 'p' then 'procedure' else 'function' end,
    nspname, proname, pg_get_function_identity_arguments(p.oid), $2::text, $3::text) as sql
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.oid = $1::oid`

export const FUNCTIONS = `select '1255:' || p.oid as key, '{}'::text[] as also, 15 as phase, ${NAMED} as what,
    rtrim(${DEFINITION}, e'\\n') as sql
  from path, home h join pg_proc p on p.oid = any ($3::oid[]) and p.prokind <> 'a'`

const FUNCTION = (of: string) =>
  `(select format('%I.%I', pn.nspname, pf.proname) from pg_proc pf join pg_namespace pn on pn.oid = pf.pronamespace where pf.oid = ${of}::oid)`
const OPERATOR = (of: string) =>
  `(select format('operator(%I.%s)', po.nspname, o2.oprname) from pg_operator o2 join pg_namespace po on po.oid = o2.oprnamespace where o2.oid = ${of})`

export const AGGREGATES = `select '1255:' || p.oid as key, '{}'::text[] as also, 15 as phase, ${NAMED} as what,
    format('create aggregate %I.%I(%s) (%s)', h.nspname, p.proname,
      coalesce(nullif(pg_get_function_arguments(p.oid), ''), '*'), concat_ws(', ',
      'sfunc = ' || ${FUNCTION('g.aggtransfn')}, 'stype = ' || format_type(g.aggtranstype, null),
      'sspace = ' || nullif(g.aggtransspace, 0), 'finalfunc = ' || ${FUNCTION('g.aggfinalfn')},
      case when g.aggfinalextra then 'finalfunc_extra' end,
      'finalfunc_modify = ' || case g.aggfinalmodify when 'r' then 'read_only' when 's' then 'shareable' else 'read_write' end,
      'combinefunc = ' || ${FUNCTION('g.aggcombinefn')}, 'serialfunc = ' || ${FUNCTION('g.aggserialfn')},
      'deserialfunc = ' || ${FUNCTION('g.aggdeserialfn')}, 'initcond = ' || quote_literal(g.agginitval),
      'msfunc = ' || ${FUNCTION('g.aggmtransfn')}, 'minvfunc = ' || ${FUNCTION('g.aggminvtransfn')},
      case when g.aggmtranstype <> 0 then 'mstype = ' || format_type(g.aggmtranstype, null) end,
      'msspace = ' || nullif(g.aggmtransspace, 0), 'mfinalfunc = ' || ${FUNCTION('g.aggmfinalfn')},
      case when g.aggmfinalextra then 'mfinalfunc_extra' end,
      case when g.aggmtranstype <> 0 then 'mfinalfunc_modify = ' ||
        case g.aggmfinalmodify when 'r' then 'read_only' when 's' then 'shareable' else 'read_write' end end,
      'minitcond = ' || quote_literal(g.aggminitval), 'sortop = ' || ${OPERATOR('g.aggsortop')},
      case g.aggkind when 'h' then 'hypothetical' end,
      'parallel = ' || case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end)) as sql
  from path, home h join pg_proc p on p.oid = any ($3::oid[]) and p.prokind = 'a' join pg_aggregate g on g.aggfnoid = p.oid`

// A commutator or negator that is not there yet is made as a shell and filled in when its own turn comes.
export const OPERATORS = `select '2617:' || o.oid as key, '{}'::text[] as also, 15 as phase,
    format('operator %I.%s (%s, %s)', h.nspname, o.oprname, case when o.oprleft = 0 then 'none' else format_type(o.oprleft, null) end,
      format_type(o.oprright, null)) as what,
    format('create operator %I.%s (%s)', h.nspname, o.oprname, concat_ws(', ', 'function = ' || ${FUNCTION('o.oprcode')},
      case when o.oprleft <> 0 then 'leftarg = ' || format_type(o.oprleft, null) end,
      'rightarg = ' || format_type(o.oprright, null),
      'commutator = ' || ${OPERATOR('o.oprcom')}, 'negator = ' || ${OPERATOR('o.oprnegate')},
      'restrict = ' || ${FUNCTION('o.oprrest')}, 'join = ' || ${FUNCTION('o.oprjoin')},
      case when o.oprcanhash then 'hashes' end, case when o.oprcanmerge then 'merges' end)) as sql
  from path, home h join pg_operator o on o.oid = any ($3::oid[]) and o.oprcode <> 0`

// A cast is in no schema: it goes with a type or function of the tenant.
export const CASTS = `select '2605:' || k.oid as key, '{}'::text[] as also, 15 as phase,
    format('cast (%s as %s)', format_type(k.castsource, null), format_type(k.casttarget, null)) as what,
    format('create cast (%s as %s) %s%s', format_type(k.castsource, null), format_type(k.casttarget, null),
      case k.castmethod when 'i' then 'with inout' when 'b' then 'without function' else
        (select format('with function %I.%I(%s)', pn.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
         from pg_proc p join pg_namespace pn on pn.oid = p.pronamespace where p.oid = k.castfunc) end,
      case k.castcontext when 'i' then ' as implicit' when 'a' then ' as assignment' else '' end) as sql
  from path, home h join pg_cast k on k.oid = any ($3::oid[])
  where k.castmethod <> 'b' and not exists (select from pg_range r where k.castsource = r.rngtypid and k.casttarget = r.rngmultitypid)`

export const DICTIONARIES = `select '3600:' || x.oid as key, '{}'::text[] as also, 15 as phase,
    format('text search dictionary %I.%I', h.nspname, x.dictname) as what,
    format('create text search dictionary %I.%I (template = %I.%I%s)', h.nspname, x.dictname, tn.nspname, t.tmplname,
      ', ' || x.dictinitoption) as sql
  from path, home h join pg_ts_dict x on x.oid = any ($3::oid[]) join pg_ts_template t on t.oid = x.dicttemplate
    join pg_namespace tn on tn.oid = t.tmplnamespace`

export const CONFIGURATIONS = `select '3602:' || x.oid as key, '{}'::text[] as also, 15 as phase,
    format('text search configuration %I.%I', h.nspname, x.cfgname) as what,
    format('create text search configuration %I.%I (parser = %I.%I)', h.nspname, x.cfgname, rn.nspname, r.prsname) ||
    coalesce((select string_agg(format('; alter text search configuration %I.%I add mapping for %I with %s', h.nspname, x.cfgname,
        m.alias, m.dicts), '' order by m.alias)
      from (select k.alias, string_agg(format('%I.%I', dn.nspname, d.dictname), ', ' order by m.mapseqno) as dicts
            from pg_ts_config_map m join ts_token_type(x.cfgparser) k on k.tokid = m.maptokentype
              join pg_ts_dict d on d.oid = m.mapdict join pg_namespace dn on dn.oid = d.dictnamespace
            where m.mapcfg = x.oid group by k.alias) m), '') as sql
  from path, home h join pg_ts_config x on x.oid = any ($3::oid[]) join pg_ts_parser r on r.oid = x.cfgparser
    join pg_namespace rn on rn.oid = r.prsnamespace`
