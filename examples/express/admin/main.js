import { signIn, signOut } from './api.js'
import { $, guarded, onSubmit } from './page.js'
import { showTenants } from './tenants.js'

const invitation = new URLSearchParams(location.hash.slice(1)).get('invitation')
if (invitation) {
  // Not left in the address bar, nor in the history.
  history.replaceState(null, '', location.pathname)
  $('#sign-in').hidden = true
  $('#invitation').hidden = false
}

onSubmit($('#sign-in form'), async (given) => {
  await signIn('login', given)
  await welcome()
})
onSubmit($('#invitation form'), async ({ password }) => {
  await signIn('invitation', { token: invitation, password })
  await welcome()
})
$('#sign-out').addEventListener('click', (event) =>
  guarded(event.target, async () => {
    await signOut()
    location.reload()
  }),
)

async function welcome() {
  for (const one of ['#sign-in', '#invitation']) {
    $(one).hidden = true
    $(`${one} form`).reset()
  }
  $('#sign-out').hidden = false
  await showTenants()
}
