// The page of a problem opens what was asked for as soon as it is there.

if (document.querySelector('[data-again]')) {
  document.getElementById('again').hidden = false
  setInterval(async () => {
    if (document.hidden) return
    try {
      const answer = await fetch(location.href, { method: 'GET', cache: 'no-store', headers: { Accept: 'text/html' } })
      if (answer.status !== 503) location.reload()
    } catch {
      // Still away.
    }
  }, 3_000)
}
