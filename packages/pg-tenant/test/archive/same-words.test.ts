// @module-tag slow: a whole schema of wordings; `constraints` and `random` have some of them
import { expect, test } from 'vitest'
import { useSetting } from '../levels/setting.ts'
import { useFolder } from './support.ts'

// What the server words in another way once it has read its own words, or in its statements (an aggregate of nothing): tenants that had one could be neither restored nor off-boarded.
const setting = useSetting()
const folder = useFolder()

const SCHEMA = `create domain short as varchar(9) check (value in ('a', 'b'));
create table orders (status varchar(20) check (status in ('open', 'closed')), n int check (n between 1 and 5 and n <> 3), short short,
  live boolean generated always as (status in ('open', 'new')) stored);
create table nothing_in_common (o int);
create index on orders (n, (- '7'::int), (- 1.5)) where status not in ('closed') and n not between 2 and 4;
create view live_orders as select * from orders natural left join nothing_in_common where status in ('open', 'new') and n between 1 and 2 and live;
create view all_orders as select * from (select status, n, current_date as d, n::numeric(5, 2) as m, null::short as short from orders
  union all select null, null, null, null, null union select status, extract('YEAR' from now())::int, (extract('Month' from now()) || '-01')::date, 1, 'a' from orders) o
  where exists (select null from orders) and extract('epoch' from now()) > 0;
create statistics of_orders on (status in ('open', 'new')), n from orders;
create function returned() returns void begin atomic insert into orders (n, short) select -1, 'a' where false; end;
create aggregate how_many(*) (sfunc = int8inc, stype = int8, initcond = '0');
comment on aggregate how_many(*) is 'all of them';
alter table orders enable row level security;
create policy shown on orders using (n between 1 and 5 and status in ('open', 'new'));
insert into orders values ('open', 1, 'a')`

test('a schema with IN of varchar, BETWEEN beside AND, a natural join of nothing comes back, and goes', async () => {
  const tenancy = setting.tenancy('role')
  await tenancy.provision('worded')
  for (const sql of SCHEMA.split(/;\n(?=create|comment|alter|insert)/)) await tenancy.query('worded', sql)
  const from = folder.path('worded')
  await tenancy.backup('worded', { to: from })
  await tenancy.restore('worded-copy', { from })
  expect((await tenancy.query('worded-copy', 'select * from live_orders')).rows).toHaveLength(1)
  const last = folder.path('worded-last')
  await expect(tenancy.offboard('worded', { confirm: 'worded', backup: { to: last } })).resolves.toBeDefined()
})
