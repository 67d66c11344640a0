import { ask } from './api.js'
import { $, bytes, element, shows, table } from './page.js'

const COLUMNS = ['Cluster', 'Tenants', 'Suspended', 'Behind', 'Size', 'Connections', 'Oldest version']

/** How full each cluster is. */
export function showClusters() {
  return shows($('#clusters-list'), async () => {
    const { data: clusters } = await ask('GET', '/v1/clusters')
    return [table('Clusters', COLUMNS, clusters.map(rowOf))]
  })
}

function rowOf({
  name,
  tenants,
  suspended,
  behind,
  bytes: size,
  connections,
  maxConnections,
  oldestVersion,
}) {
  const used = document.createElement('span')
  const meter = document.createElement('meter')
  meter.max = maxConnections
  meter.high = maxConnections * 0.8
  meter.optimum = 0
  meter.value = connections
  meter.setAttribute('aria-label', `Connections of ${name}`)
  used.append(meter, ` ${connections} of ${maxConnections}`)
  const late = element('span', String(behind), behind > 0 ? 'error' : '')
  return [name, String(tenants), String(suspended), late, bytes(size), used, oldestVersion ?? '–']
}
