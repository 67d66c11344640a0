import { expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'

const ONE = '11111111-1111-1111-1111-111111111111'
const TWO = '22222222-2222-2222-2222-222222222222'
const world = useWorld([])

it('takes shared tables over where they are, in public', async () => {
  await world.root.query(`grant all on schema public to ${world.adminRole}; alter schema public owner to ${world.adminRole}; set role ${world.adminRole};
    create table public.invoices (id bigserial primary key, tenant_id uuid not null, total numeric);
    create index on public.invoices (tenant_id);
    insert into public.invoices (tenant_id, total) values ('${ONE}', 10), ('${TWO}', 20);
    grant select, insert, update, delete on public.invoices to ${world.appRole}; reset role`)
  const tenancy = world.tenancy({ isolation: 'row', migrations: [], row: { schema: 'public' } })
  // Before: the application reads everybody's.
  expect((await world.pool().query('select from public.invoices')).rowCount).toBe(2)
  await tenancy.provision(ONE)
  await tenancy.provision(TWO)
  expect((await tenancy.query(ONE, 'select total::int from invoices')).rows).toEqual([{ total: 10 }])
  expect((await tenancy.query(TWO, 'select total::int from public.invoices')).rows).toEqual([{ total: 20 }])
  expect((await world.pool().query('select from public.invoices')).rowCount).toBe(0)
  const { findings } = await tenancy.doctor()
  expect(findings.filter(({ code }) => !['ROW_UNIQUE_KEY', 'PUBLIC_PRIVILEGE'].includes(code))).toEqual([])
  expect((await tenancy.verify()).ok).toBe(true)
})
