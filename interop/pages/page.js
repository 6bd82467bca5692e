// What the pages have in common: their settings, and how they tell what came of each step.

export const settings = await (await fetch('/settings.json')).json();

/** Takes the steps one after the other; writes what each gave, or why it failed, and says so when all are done. */
export async function report(steps) {
  const result = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      result[name] = await step();
    } catch (error) {
      result[name] = String(error);
    }
  }
  const element = document.querySelector('#result');
  element.textContent = JSON.stringify(result);
  element.classList.add('is-done');
}
