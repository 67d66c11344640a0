import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { atMost, type Finding, type SuiteResult } from '../report/result.ts'
import type { ManyTenants } from './many-tenants.ts'
import type { MemoryJob, MemorySample } from './memory-child.ts'

const MB = 2 ** 20

/** Heap and resident memory of a process that serves one tenant after the other, from one pool and from many. */
export async function memorySuite(tenants: ManyTenants): Promise<SuiteResult> {
  const { url, prefix, count } = tenants
  const samples = [0.1, 0.2, 0.5, 1].map((share) => Math.round(count * share))
  const ours = await inChild({ who: 'ours', url, prefix, samples })
  const pools = await inChild({ who: 'drizzle-multitenant', url, prefix, samples: samples.slice(0, 1) })
  const [first, last] = [ours[0], ours.at(-1)]
  if (!first || !last) throw new Error('the memory run gave no samples')
  const flat: Finding = {
    work: `heap after ${count.toLocaleString('en')} tenants on one pool`,
    reference: `heap after ${first.tenants.toLocaleString('en')}`,
    measured: last.heap / first.heap,
    target: atMost(1.05),
    note: `${((last.heap - first.heap) / (last.tenants - first.tenants)).toFixed(1)} bytes for each further tenant`,
  }
  return {
    suite: 'memory',
    findings: [flat],
    notes: [line('ours, one pool', ours), line('drizzle-multitenant', pools)],
  }
}

async function inChild(job: MemoryJob): Promise<MemorySample[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--conditions=@org/source',
    '--disable-warning=ExperimentalWarning',
    '--expose-gc',
    `${import.meta.dirname}/memory-child.ts`,
    JSON.stringify(job),
  ])
  return JSON.parse(stdout)
}

function line(who: string, samples: readonly MemorySample[]): string {
  const at = ({ tenants, heap, rss, connections, failures }: MemorySample) =>
    `${tenants.toLocaleString('en')} tenants: heap ${(heap / MB).toFixed(2)} MB, rss ${(rss / MB).toFixed(0)} MB, ` +
    `${connections} connections${failures ? `, ${failures} failed` : ''}`
  return `memory, ${who}: ${samples.map(at).join(' · ')}`
}
