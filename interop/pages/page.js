// What the pages have in common: their settings, and how they tell what came of each step.

export const settings = await (await fetch('/settings.json')).json();

/** Takes the steps one after the other; writes what each gave, or why it failed, and says so when all are done. */
export async function report(steps) {
  const element = document.querySelector('#result');
  element.classList.remove('is-done');
  const result = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      result[name] = await step();
    } catch (error) {
      result[name] = String(error);
    }
  }
  element.textContent = JSON.stringify(result);
  element.classList.add('is-done');
}

/** What a page in a frame tells this one before it has loaded, or is kept from loading. */
export async function messagesOfFrame(url) {
  const told = [];
  const listen = ({ data }) => told.push(data);
  addEventListener('message', listen);
  const frame = document.createElement('iframe');
  const loaded = new Promise((resolve) => (frame.onload = resolve));
  frame.src = url;
  document.body.append(frame);
  await loaded;
  // A message of our own comes behind those of the frame.
  await new Promise((resolve) => {
    addEventListener('message', ({ data }) => data === 'last' && resolve());
    postMessage('last', location.origin);
  });
  removeEventListener('message', listen);
  frame.remove();
  return told.filter((data) => data !== 'last');
}
