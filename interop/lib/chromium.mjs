// A real browser, Debian's Chromium by WebDriver, with a profile of its own that is gone with it.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser as Name, Builder, By, until } from 'selenium-webdriver';
import chrome from 'selenium-webdriver/chrome.js';

// Both programs are named, and nothing is fetched in their place.
process.env.SE_OFFLINE = 'true';
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const CHROMEDRIVER = process.env.CHROMEDRIVER ?? '/usr/bin/chromedriver';

const AXE = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** How long a page may take to come. */
const PATIENCE = 20_000;

/** Where screenshots are kept. */
const SCREENSHOTS = process.env.SCREENSHOTS ?? new URL('../../target/screenshots/', import.meta.url).pathname;

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

export class Chromium {
  #driver;
  #profile;
  #shots = 0;

  /** Starts a browser that takes the certificate of a local org. */
  static async start() {
    const browser = new Chromium();
    browser.#profile = await mkdtemp(join(tmpdir(), 'keybound-browser-'));
    await mkdir(SCREENSHOTS, { recursive: true });
    const options = new chrome.Options().setBinaryPath(CHROMIUM).setAcceptInsecureCerts(true);
    // As browsers are by default that let pages of other sites have cookies.
    options.setUserPreferences({ 'profile.cookie_controls_mode': 0, 'profile.block_third_party_cookies': false });
    options.addArguments(
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      `--user-data-dir=${browser.#profile}`,
    );
    browser.#driver = await new Builder()
      .forBrowser(Name.CHROME)
      .setChromeOptions(options)
      .setChromeService(new chrome.ServiceBuilder(CHROMEDRIVER))
      .build();
    return browser;
  }

  open(url) {
    return this.#driver.get(url);
  }

  get title() {
    return this.#driver.getTitle();
  }

  get url() {
    return this.#driver.getCurrentUrl();
  }

  /** The text of the one thing that a selector of CSS finds. */
  async text(selector) {
    return (await this.#driver.findElement(By.css(selector))).getText();
  }

  /** What a text area or a `pre` holds, line breaks and all. */
  async content(selector) {
    return (await this.#driver.findElement(By.css(selector))).getProperty('textContent');
  }

  /** Whether a selector finds something. */
  async has(selector) {
    return (await this.#driver.findElements(By.css(selector))).length > 0;
  }

  /** Clicks a link by its text; the page that it leads to is there then. */
  follow(text) {
    return this.#toNextPage(By.linkText(text));
  }

  /** Clicks the first link that a selector of CSS finds. */
  openFirst(selector) {
    return this.#toNextPage(By.css(selector));
  }

  /** Presses a button by its accessible name, or its text; the answer to its form is there then. */
  press(name) {
    const quoted = JSON.stringify(name);
    return this.#toNextPage(
      By.xpath(`//button[@aria-label=${quoted} or (not(@aria-label) and normalize-space()=${quoted})]`),
    );
  }

  /** Clicks what a selector of CSS finds, and waits until another one finds something, on whatever page. */
  async click(selector, awaited) {
    await this.#driver.findElement(By.css(selector)).click();
    await this.find(awaited);
  }

  /** Waits until a selector of CSS finds something. */
  find(awaited) {
    return this.#driver.wait(until.elementLocated(By.css(awaited)), PATIENCE);
  }

  /** Opens what is folded away under a text. */
  async unfold(text) {
    await this.#driver.findElement(By.xpath(`//summary[normalize-space()=${JSON.stringify(text)}]`)).click();
  }

  /** Types into the field of this label. */
  async type(label, text) {
    const field = await this.#field(label);
    await field.clear();
    await field.sendKeys(text);
  }

  /** Checks the box, or chooses the option of a group, that this label has. */
  async check(label, isChecked = true) {
    const field = await this.#driver.findElement(
      By.xpath(`//label[contains(normalize-space(), ${JSON.stringify(label)})]//input`),
    );
    if ((await field.isSelected()) !== isChecked) await field.click();
  }

  /** Chooses from the list of this label. */
  async choose(label, option) {
    const list = await this.#field(label);
    await list.findElement(By.xpath(`./option[normalize-space()=${JSON.stringify(option)}]`)).click();
  }

  async #field(label) {
    const found = await this.#driver.findElement(By.xpath(`//label[normalize-space()=${JSON.stringify(label)}]`));
    return this.#driver.findElement(By.id(await found.getAttribute('for')));
  }

  /** Clicks, and waits for the page that it leads to. */
  async #toNextPage(locator) {
    await this.#driver.executeScript('window.isBefore = true');
    await this.#driver.findElement(locator).click();
    const hasCome = async () => {
      try {
        return await this.#driver.executeScript('return !window.isBefore && document.readyState === "complete"');
      } catch {
        return false; // between two pages
      }
    };
    await this.#driver.wait(hasCome, PATIENCE);
  }

  /** Presses a key in whatever has the focus. */
  async key(...keys) {
    await this.#driver
      .actions()
      .sendKeys(...keys)
      .perform();
  }

  /** What has the focus: its text. */
  async focused() {
    return (await this.#driver.switchTo().activeElement()).getText();
  }

  /** Keeps the whole page as a picture, by daylight and in the dark, and at the width of a phone. */
  async keep(name) {
    const number = String(++this.#shots).padStart(2, '0');
    for (const [way, scheme, size] of [
      ['light', 'light', DESKTOP],
      ['dark', 'dark', DESKTOP],
      ['phone', 'light', PHONE],
    ]) {
      await this.#show(scheme, size);
      await writeFile(join(SCREENSHOTS, `${number}-${name}-${way}.png`), await this.#picture(), 'base64');
    }
    await this.#show('light', DESKTOP);
  }

  /** What axe finds wrong with the page, in both colour schemes and at both widths: a line for each. */
  async barriers() {
    const found = new Set();
    for (const [scheme, size] of [
      ['light', DESKTOP],
      ['dark', DESKTOP],
      ['light', PHONE],
    ]) {
      await this.#show(scheme, size);
      for (const { id, help, nodes } of await this.#axe()) {
        for (const { html } of nodes) found.add(`${id} (${scheme}, ${size.width} px): ${help}: ${html}`);
      }
      if (await this.#driver.executeScript('return document.documentElement.scrollWidth > window.innerWidth')) {
        found.add(`wider than the window of ${size.width} px`);
      }
    }
    await this.#show('light', DESKTOP);
    return [...found];
  }

  async #axe() {
    // WebDriver's scripts are not the page's: its policy allows none.
    await this.#driver.executeScript(AXE);
    const run = `const done = arguments[0];
      axe.run(document).then(({ violations }) => done(violations), (error) => done([{ id: String(error), nodes: [{}] }]))`;
    return this.#driver.executeAsyncScript(run);
  }

  async #show(scheme, { width, height }) {
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await this.#driver.sendDevToolsCommand('Emulation.setEmulatedMedia', { features });
    const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.#driver.sendDevToolsCommand('Emulation.setDeviceMetricsOverride', metrics);
  }

  /** The whole page, also what is below the window. */
  async #picture() {
    const command = ['Page.captureScreenshot', { captureBeyondViewport: true }];
    return (await this.#driver.sendAndGetDevToolsCommand(...command)).data;
  }

  async stop() {
    await this.#driver?.quit();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
