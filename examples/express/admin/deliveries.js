import { ask } from './api.js'
import { $, button, element, moment, say, shows, table } from './page.js'

const COLUMNS = ['Event', 'Status', 'Attempts', 'Answer', 'Last attempt', 'Actions']

/** The last webhook deliveries of a tenant; one that failed can be sent again. */
export function showDeliveries(base) {
  return shows($('#deliveries'), async () => {
    const { data } = await ask('GET', `${base}/deliveries?limit=20`)
    if (data.length === 0) return [element('p', 'Nothing has been sent to a webhook.', 'quiet')]
    return [
      table(
        'The last 20',
        COLUMNS,
        data.map((one) => rowOf(base, one)),
      ),
    ]
  })
}

function rowOf(base, { id, type, status, attempts, responseStatus, error, lastAttemptAt }) {
  const again = button('Redeliver', `Redeliver ${type} of ${moment(lastAttemptAt)}`, async () => {
    await ask('POST', `${base}/deliveries/${id}/redeliver`, undefined, crypto.randomUUID())
    await showDeliveries(base)
    say(`${type} is sent again.`)
    $('#deliveries-title').focus()
  })
  const answer = responseStatus ?? error ?? '–'
  const shown = element('span', status, 'status')
  shown.dataset.status = status
  return [
    type,
    shown,
    String(attempts),
    String(answer),
    moment(lastAttemptAt),
    status === 'pending' ? '' : again,
  ]
}
