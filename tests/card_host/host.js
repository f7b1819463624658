// A host for cards: the official AppBridge between a real server and a real browser. One line of JSON on stdin is one
// request {do, …}; one line comes back for each. The page of a card lies in a frame of its own, with nothing but what
// the extension allows it by default.

import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { AppBridge } from "@modelcontextprotocol/ext-apps/app-bridge";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// The policy for a page that asks for nothing, in the words of the extension's specification.
const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "media-src 'self' data:; connect-src 'none'";
const HOST = "http://host.example/", CARD = "http://card.example/";
const EXTENSION = "io.modelcontextprotocol/ui";

let client, browser, html = "";
const cards = [];

class Card {
  told = []; // what the card gave to the model's context
  called = []; // the tools that the card called
  problems = []; // what the browser complained of, and requests that the card tried

  constructor(page, faults) {
    this.page = page;
    this.faults = faults;
  }

  get frame() {
    return this.page.frames().find((frame) => frame.url() === CARD);
  }

  // What a bridge needs of a transport: messages go into the frame, and those of the frame come back.
  async transport() {
    const transport = {
      start: async () => {},
      send: (message) => this.page.evaluate((sent) => window.toCard(sent), message),
      close: async () => {},
    };
    await this.page.exposeFunction("fromCard", (message) => transport.onmessage?.(message));
    return transport;
  }

  async call(params) {
    this.called.push(params.name);
    const fault = this.faults.find((one) => one.tool === params.name && one.times !== 0);
    if (fault) fault.times = (fault.times ?? 1) - 1;
    if (fault?.what === "silent") return new Promise(() => {});
    if (fault?.what === "answer") return fault.result;
    if (fault?.what === "refused") throw new Error("The host refused.");
    const answer = await client.callTool(params);
    if (fault?.what === "lost") return new Promise(() => {});
    return answer;
  }
}

const commands = {
  async start({ server, name, elicitation, chromiumPath }) {
    const capabilities = { extensions: { [EXTENSION]: { mimeTypes: ["text/html;profile=mcp-app"] } } };
    if (elicitation) capabilities.elicitation = { form: {} };
    client = new Client({ name: name ?? "card host", version: "1" }, { capabilities });
    await client.connect(new StdioClientTransport({ ...server, stderr: "ignore" }));
    const tools = (await client.listTools()).tools;
    html = (await client.readResource({ uri: "ui://cleanlist/card" })).contents[0].text;
    browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] });
    return { tools: tools.map((tool) => tool.name), bytes: Buffer.byteLength(html) };
  },

  // The model's own call.
  model: ({ name, arguments: given }) => client.callTool({ name, arguments: given }),

  // Shows a card for a result: given, or that of a call.
  async card(options) {
    const { result, scale = 2, input, context = {}, capabilities = {}, faults = [], width = 720, clock, motion } = options;
    const locale = context.locale ?? "en-US";
    const page = await browser.newPage({
      viewport: { width, height: 640 }, locale, timezoneId: "UTC", deviceScaleFactor: scale,
      colorScheme: context.theme ?? "light", reducedMotion: motion ?? "no-preference",
    });
    const card = new Card(page, faults);
    page.on("console", (line) => ["error", "warning"].includes(line.type()) && card.problems.push(line.text()));
    page.on("pageerror", (error) => card.problems.push(String(error)));
    await page.route("**/*", (route) => {
      const url = route.request().url();
      if (url === HOST) return route.fulfill({ contentType: "text/html", body: hostPage(context.theme) });
      if (url === CARD)
        return route.fulfill({ contentType: "text/html; charset=utf-8", headers: { "content-security-policy": POLICY }, body: html });
      if (!url.endsWith("/favicon.ico")) card.problems.push("request to " + url);
      return route.abort();
    });
    if (clock) await page.clock.install();
    const shows = { serverTools: {}, updateModelContext: { text: {} }, ...capabilities };
    for (const [name, value] of Object.entries(shows)) if (!value) delete shows[name];
    const bridge = new AppBridge(null, { name: "card host", version: "1" }, shows, { hostContext: { theme: "light", locale, ...context } });
    bridge.oncalltool = (params) => card.call(params);
    bridge.onupdatemodelcontext = async (params) => (card.told.push(params.content[0].text), {});
    bridge.onsizechange = ({ height }) => page.evaluate((tall) => window.resize(tall), height).catch(() => 0);
    const ready = new Promise((done) => (bridge.oninitialized = done));
    const transport = await card.transport();
    card.bridge = bridge;
    await bridge.connect(transport);
    await page.goto(HOST);
    if (options.mute) await page.evaluate(() => (window.fromCard = () => 0)); // a host that never answers the page
    await page.evaluate((address) => window.open_(address), CARD);
    if (!options.mute) await ready;
    else await page.waitForTimeout(300);
    if (input) await bridge.sendToolInput({ arguments: input });
    if (result) await bridge.sendToolResult(result);
    cards.push(card);
    return { card: cards.length - 1 };
  },

  // Shows another result in the same card.
  async show({ card, result, input = {}, faults = [] }) {
    cards[card].faults = faults;
    await cards[card].bridge.sendToolInput({ arguments: input });
    await cards[card].bridge.sendToolResult(result);
  },
  async look({ card, theme, width }) {
    const { page, bridge } = cards[card];
    if (width) await page.setViewportSize({ width, height: 640 });
    if (theme) await bridge.sendHostContextChange({ theme });
  },
  // Waits until the card says something, and returns all that it shows.
  async text({ card, until }) {
    const { frame } = cards[card];
    if (until) await frame.waitForFunction((words) => document.body.innerText.includes(words), until, { timeout: 15000 });
    return { text: await frame.evaluate(() => document.body.innerText) };
  },
  async press({ card, name, role = "button", times = 1, exact = true }) {
    const found = cards[card].frame.getByRole(role, { name, exact });
    if (times === 1) await found.click({ timeout: 10000 });
    else await found.dblclick({ timeout: 10000 });
  },
  async count({ card, name, role = "button" }) {
    return { count: await cards[card].frame.getByRole(role, name ? { name, exact: true } : {}).count() };
  },
  async fill({ card, name, value, role = "textbox" }) {
    await cards[card].frame.getByRole(role, { name, exact: true }).fill(value);
  },
  async key({ card, key }) {
    await cards[card].page.keyboard.press(key);
  },
  async evaluate({ card, script }) {
    return { value: await cards[card].frame.evaluate(script) };
  },
  // Lets time pass as a closed lid does, or as a wall clock that somebody sets.
  async sleep({ card, seconds }) {
    await cards[card].page.clock.fastForward(seconds * 1000);
  },
  async run({ card, seconds }) {
    await cards[card].page.clock.runFor(seconds * 1000);
  },
  async axe({ card }) {
    const { frame } = cards[card];
    await frame.evaluate(AXE);
    const found = await frame.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    return { violations: found.violations.map((one) => `${one.id}: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`) };
  },
  async picture({ card, path }) {
    const { page, frame } = cards[card];
    const height = await frame.evaluate(() => Math.ceil(document.body.getBoundingClientRect().height));
    await page.setViewportSize({ width: page.viewportSize().width, height: Math.max(height, 100) });
    await page.evaluate((tall) => window.resize(tall), height);
    await page.waitForTimeout(200); // until it is painted
    await page.screenshot({ path });
  },
  facts: ({ card }) => ({ told: cards[card].told, called: cards[card].called, problems: cards[card].problems }),
  async close({ card }) {
    await cards[card].page.close();
  },
};

const hostPage = (theme) => `<!doctype html><html style="color-scheme:${theme ?? "light"}"><title>Host</title>
<style>body{margin:0}iframe{border:0;width:100%;height:200px;display:block}</style><body><script>
let frame;
window.open_=address=>{frame=document.createElement("iframe");frame.sandbox="allow-scripts";frame.src=address;document.body.append(frame);
return new Promise(done=>frame.onload=done)};
window.toCard=message=>frame.contentWindow.postMessage(message,"*");
window.resize=tall=>frame.style.height=tall+"px";
addEventListener("message",event=>{if(frame&&event.source===frame.contentWindow)window.fromCard(event.data)});
</script>`;

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = (await commands[request.do](request)) ?? {};
  } catch (error) {
    answer = { thrown: String(error?.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser?.close();
await client?.close();
