import { assert, assertEquals, assertMatch } from "../assert.ts";
import { CHROMIUM, Chromium } from "./chromium.ts";
import { Bed, until } from "./harness.ts";

const URL_OF_PAGE = "http://127.0.0.1:9309/";
/** How long a loaded machine may take. */
const PATIENCE_MS = 60_000;

const has = new Deno.Command(CHROMIUM, { args: ["--version"], stdout: "null", stderr: "null" });
const installed = await has.output().then(({ success }) => success, () => false);
if (!installed) console.warn(`SKIPPED: the status page in a browser: there is no ${CHROMIUM} here`);

/** Text of the element that a selector finds; empty if it finds none. */
function text(browser: Chromium, selector: string): Promise<string> {
  return browser.evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`);
}

/** Addresses of everything that the page has asked for. */
function requested(browser: Chromium): string[] {
  return browser.events.filter(({ method }) => method === "Network.requestWillBeSent")
    .map(({ params }) => (params.request as { url: string }).url);
}

/** Complaints in the browser's console. */
function complaints(browser: Chromium): string[] {
  const names = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
  return browser.events.filter(({ method }) => names.includes(method))
    .map(({ params }) => JSON.stringify(params));
}

Deno.test({
  name: "page: live numbers in a browser, no complaint, nothing asked of anybody else",
  ignore: !installed,
  async fn(t) {
    await using bed = await Bed.create({ nodes: 3 });
    const yaml = `${bed.dir}/tunnet.yaml`;
    const [a] = await Promise.all([
      bed.start(0, ["-c", yaml, "--http", "127.0.0.1:9309"]),
      bed.start(1),
    ]);
    assertMatch(a.log, /"http":"http:\/\/127\.0\.0\.1:9309"/);
    await bed.reachable(0, 1, 20_000);
    await using browser = await Chromium.launch(bed.node(0).namespace);
    await browser.call("Emulation.setDeviceMetricsOverride", {
      ...{ width: 1200, height: 900, deviceScaleFactor: 1, mobile: false },
    });
    await browser.call("Page.navigate", { url: URL_OF_PAGE });
    const peer = '[data-peer="node-b"]';

    await t.step("shows the node and its peers", async () => {
      await until(
        "node-b is up",
        PATIENCE_MS,
        async () => await text(browser, `${peer} .state`) === "up",
      );
      assertEquals(await text(browser, "h1"), "node-a");
      assertMatch(await text(browser, "#facts"), /tunnet0 \(tun, MTU 1472\)/);
      assertEquals(await browser.evaluate("document.querySelectorAll('.card').length"), 2);
      assertEquals(await text(browser, "#tile-up"), "1 of 2");
      const drawn = await browser.evaluate<string>(
        "document.getElementById('topology').textContent",
      );
      for (const name of ["node-a", "node-b", "node-c"]) assert(drawn.includes(name), name);
    });

    await t.step("follows a transfer", async () => {
      const look = async () => ({
        tile: await text(browser, "#tile-out"),
        rate: await text(browser, `${peer} .rates .out b`),
        sent: await text(browser, `${peer} dl`),
        chart: await browser.evaluate<string>(
          `document.querySelector('${peer} path.out:not(.fill)').getAttribute('d')`,
        ),
        flow: await browser.evaluate<number>(
          "Number(document.getElementById('out-0').getAttribute('stroke-width'))",
        ),
      });
      await until("it is quiet", PATIENCE_MS, async () => (await look()).rate === "0 bit/s");
      const before = await look();
      assertEquals(before.flow, 0);
      const { path } = await bed.randomFile(30_000_000);
      let during = before;
      let ended = false;
      const transfer = async () => {
        // Until it was seen, however slow the browser is.
        for (let i = 0; i < 50 && during.rate === before.rate; i++) await bed.transfer(0, 1, path);
        ended = true;
      };
      const watching = until("the rate has moved", PATIENCE_MS, async () => {
        const now = await look();
        // The page may be drawn anew between two of these questions.
        const moves = [now.rate, now.tile].every((rate) => /[kMG]bit/.test(rate)) && now.flow > 0;
        if (moves && now.chart !== before.chart) during = now;
        return during !== before;
      });
      await Promise.all([transfer(), watching]);
      assert(ended);
      assertMatch(during.rate, /^[\d.]+ [kMG]bit\/s$/);
      assertMatch(during.tile, /^[\d.]+ [kMG]bit\/s$/);
      for (const key of ["sent", "chart"] as const) assert(during[key] !== before[key], key);
    });

    await t.step("shows drops", async () => {
      assertEquals((await bed.inPod(0, "ping", "-c", "1", "-W", "1", "172.99.0.1")).code, 1);
      await until(
        "the drop is shown",
        PATIENCE_MS,
        async () => /no route/.test(await text(browser, "#drops")),
      );
    });

    await t.step("light and dark, narrow and wide: fits, and differs", async () => {
      const keep = Deno.env.get("TUNNET_SCREENSHOTS") ?? bed.dir;
      const pictures = new Set<string>();
      for (const scheme of ["light", "dark"]) {
        const features = [{ name: "prefers-color-scheme", value: scheme }];
        await browser.call("Emulation.setEmulatedMedia", { features });
        for (const width of [1200, 390]) {
          await browser.call("Emulation.setDeviceMetricsOverride", {
            ...{ width, height: 900, deviceScaleFactor: 1, mobile: width < 600 },
          });
          const wide = await browser.evaluate<number>("document.documentElement.scrollWidth");
          assert(wide <= width, `${wide} px at a width of ${width} px`);
          const file = `${keep}/page-${scheme}-${width}.png`;
          await browser.screenshot(file);
          const colour = await browser.evaluate<string>(
            "getComputedStyle(document.body).backgroundColor",
          );
          pictures.add(`${width} ${colour}`);
          assert(Deno.statSync(file).size > 10_000, `${file} is blank`);
        }
      }
      assertEquals(pictures.size, 4);
    });

    await t.step("has asked for nothing but its own, and has no complaint", () => {
      const urls = new Set(requested(browser));
      const paths = ["", "events.json", "findings.json", "history.json?span=300", "status.json"];
      const own = paths.map((path) => URL_OF_PAGE + path);
      assertEquals([...urls].filter((url) => !url.startsWith("data:")).sort(), own);
      assertEquals(complaints(browser), []);
    });

    await t.step("its policy keeps it from asking others", async () => {
      const asked = await browser.evaluate<string>(
        "fetch('http://192.168.0.7:9309/').then(() => 'answered', () => 'refused')",
      );
      assertEquals(asked, "refused");
      assert(complaints(browser).some((text) => text.includes("Content Security Policy")));
      assertEquals(await browser.evaluate("typeof globalThis.injected"), "undefined");
      await browser.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), " +
          "{ textContent: 'globalThis.injected = 1' }))",
      );
      assertEquals(await browser.evaluate("typeof globalThis.injected"), "undefined");
    });

    await t.step("says so when the node is gone", async () => {
      await a.stop();
      await until(
        "the alarm is shown",
        PATIENCE_MS,
        () => browser.evaluate<boolean>("!document.getElementById('alarm').hidden"),
      );
      assertMatch(await text(browser, "#alarm"), /does not answer/);
    });
  },
});
