/** One element of the page. Text goes in by `textContent` only: nothing a tenant wrote is ever markup. */
export const $ = (selector, root = document) => root.querySelector(selector)

/** An element with a text. */
export function element(name, text, className = '') {
  const made = document.createElement(name)
  made.textContent = text
  made.className = className
  return made
}

/** Says something to everybody, screen readers included. */
export function say(text, isError = false) {
  const message = $('#message')
  message.textContent = text
  message.classList.toggle('error', isError)
}

/** Runs `work` when the form is sent; the button waits for it, and what goes wrong is said. */
export function onSubmit(form, work) {
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void guarded($('button', form), () => work(Object.fromEntries(new FormData(form))))
  })
}

export async function guarded(button, work) {
  button.disabled = true
  say('')
  try {
    await work()
  } catch (error) {
    const { field, reason, action } = error.details ?? {}
    const more = [field, reason, action].filter(Boolean).join(', ')
    say(more ? `${error.message} (${more})` : error.message, true)
  } finally {
    button.disabled = false
  }
}

export function bytes(count) {
  if (count === null || count === undefined) return '–'
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3))
  return `${(count / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
