import { ask } from './api.js'
import { $, button, dialogOf, element, fillIn, guarded, moment, say, shows, table } from './page.js'

const COLUMNS = ['Tenant', 'Event', 'Reason', 'Attempts', 'Died', 'Actions']

$('#look-again').addEventListener('click', ({ target }) => guarded(target, showQueue))

/** What waits to be done, and what had all its attempts. */
export function showQueue() {
  return shows($('#letters'), async () => {
    const [{ data: gauges }, { data: letters }] = await Promise.all([
      ask('GET', '/v1/queue'),
      ask('GET', '/v1/dead-letters?limit=50'),
    ])
    const lines = [element('p', inSentences(gauges), gauges.stuck > 0 ? 'error' : '')]
    if (letters.length === 0) return [...lines, element('p', 'There are no dead letters.', 'quiet')]
    return [...lines, table('Dead letters, the newest first', COLUMNS, letters.map(rowOf))]
  })
}

function inSentences({ ready, handling, waiting, dead, lagSeconds, stuck }) {
  const lag = ready > 0 ? `, the oldest for ${Math.round(lagSeconds)} s` : ''
  const worker = stuck > 0 ? ` ${stuck} were taken and not finished: is a worker running?` : ''
  return `${ready} ready${lag}; ${handling} being handled; ${waiting} of tenants not in service; ${dead} dead.${worker}`
}

function rowOf({ number, tenant, type, reason, attempts, diedAt }) {
  const actions = document.createElement('span')
  actions.className = 'actions'
  const named = `${type} of ${tenant}`
  actions.append(
    button('Try again', `Try again: ${named}`, () => settle('redrive', number, `${named} is tried again.`)),
    ' ',
    button('Discard', `Discard ${named}`, async () => {
      const dialog = dialogOf('#discard')
      $('h2', dialog).textContent = `Discard ${named}?`
      if (await fillIn(dialog)) await settle('discard', number, `${named} is gone.`)
    }),
  )
  return [tenant, type, reason, String(attempts), moment(diedAt), actions]
}

async function settle(what, number, done) {
  await ask('POST', `/v1/dead-letters/${what}`, { numbers: [number] }, crypto.randomUUID())
  await showQueue()
  say(done)
  $('#queue-title').focus()
}
