import { onEnded, resume, signIn, signOut } from './api.js'
import { showClusters } from './clusters.js'
import { $, guarded, onSubmit, say } from './page.js'
import { showQueue } from './queue.js'
import { showTenants } from './tenants.js'

const OUTSIDE = ['#sign-in', '#invitation']
const INSIDE = ['#sign-out', '#tenants', '#clusters', '#queue']

const invitation = new URLSearchParams(location.hash.slice(1)).get('invitation')
// Not left in the address bar, nor in the history.
if (invitation) history.replaceState(null, '', location.pathname)

onEnded(leave)
onSubmit($('#sign-in form'), async (given) => {
  await signIn('login', given).catch((error) => {
    // The API answers the same to everybody who is not signed in; here one has just tried to.
    if (error.code === 'UNAUTHORIZED') throw new Error('The e-mail or the password is not right.')
    throw error
  })
  await welcome()
})
onSubmit($('#invitation form'), async ({ password }) => {
  await signIn('invitation', { token: invitation, password })
  await welcome()
})
$('#sign-out').addEventListener('click', ({ target }) =>
  guarded(target, async () => {
    const told = await signOut().then(
      () => true,
      () => false,
    )
    leave()
    say(
      told
        ? 'You are signed out.'
        : 'You are signed out here. The hub could not be told: there the login ends by itself.',
    )
  }),
)
$('#again').addEventListener('click', ({ target }) => guarded(target, begin))

void guarded($('#again'), begin)

async function begin() {
  $('#again').hidden = true
  if (invitation) return leave('#invitation')
  try {
    if (await resume()) await welcome()
    else leave()
  } catch (error) {
    // The login is still good, it is the hub that was not there.
    if (error.code === 'UNREACHABLE') $('#again').hidden = false
    throw error
  }
}

/** What of the page is there: for whoever is outside, or inside. */
function show(parts) {
  for (const one of [...OUTSIDE, ...INSIDE, '#tenant']) $(one).hidden = !parts.includes(one)
}

function leave(to = '#sign-in') {
  show([to])
  for (const list of document.querySelectorAll('#tenants tbody, #tenant .panel, #clusters-list, #letters'))
    list.replaceChildren()
  $(`${to} input`).focus()
}

async function welcome() {
  for (const one of OUTSIDE) $(`${one} form`).reset()
  show(INSIDE)
  $('#tenants-title').focus()
  await Promise.all([showTenants(), showClusters(), showQueue()])
}
