// What a page can try on a node: run in a page of the attacker's, with all that browsers let pages do to other origins.
import type { Page } from "playwright-core";

/** What came of it. */
export interface Loot {
  /** The names of all that was tried. */
  readonly tried: readonly string[];
  /** What the page could read, by name. */
  readonly read: Readonly<Record<string, string>>;
}

/**
 * Tries all on a node from a page that is loaded, and resolves when the browser has done its part of each.
 * @param target "https://host:port" of the node, as the page would name it
 */
export function attack(page: Page, target: string): Promise<Loot> {
  return page.evaluate(attempts, target);
}

// Runs in the page: uses nothing from outside itself.
async function attempts(target: string): Promise<Loot> {
  const read: Record<string, string> = {};
  const tried: string[] = [];
  const attempt = async (name: string, run: () => Promise<string>): Promise<void> => {
    tried.push(name);
    try {
      const text = await run();
      if (text !== "") read[name] = text;
    } catch {
      // The browser did not let it read.
    }
  };
  const json = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"value":"aGVsbG8="}' };
  const plain = { method: "POST", headers: { "Content-Type": "text/plain" }, body: json.body };
  const routes = ["/api", "/api/status", "/api/peers", "/api/ping", "/api/buckets", "/"];
  for (const path of routes) {
    await attempt(`GET ${path}`, async () => (await fetch(target + path)).text());
    await attempt(`GET ${path}, no-cors`, async () => (await fetch(target + path, { mode: "no-cors" })).text());
  }
  const call = `${target}/api/dswarm.v1.NodeService/PutValue`;
  await attempt("POST of JSON", async () => (await fetch(call, json)).text());
  await attempt("POST of JSON on the short route", async () => (await fetch(`${target}/api/values`, json)).text());
  await attempt("POST of text, no-cors", async () => (await fetch(call, { ...plain, mode: "no-cors" })).text());
  await attempt("PUT", async () => (await fetch(`${target}/api/values/x`, { ...json, method: "PUT" })).text());
  await attempt("beacon", async () => {
    navigator.sendBeacon(call, new Blob([json.body], { type: "text/plain" }));
    return "";
  });
  const element = (name: "img" | "script" | "link" | "iframe", address: string) =>
    attempt(`<${name}> of ${address}`, async () => {
      const made = document.createElement(name);
      if (made instanceof HTMLLinkElement) Object.assign(made, { rel: "stylesheet", href: address });
      else made.src = address;
      const settled = new Promise<string>((resolve) => {
        made.addEventListener("load", () => {
          // A frame "loads" errors, too: it matters what can be read of it.
          resolve(made instanceof HTMLIFrameElement ? (made.contentDocument?.body.textContent ?? "") : "loaded");
        });
        made.addEventListener("error", () => resolve(""));
      });
      document.body.append(made);
      return settled;
    });
  await element("img", `${target}/api/ping`);
  await element("img", `${target}/icon.svg`);
  await element("script", `${target}/api/ping`);
  await element("script", `${target}/dashboard.js`);
  await element("link", `${target}/style.css`);
  await element("iframe", `${target}/`);
  await element("iframe", `${target}/api/status`);
  await attempt("form", async () => {
    const frame = document.createElement("iframe");
    const form = document.createElement("form");
    const field = document.createElement("input");
    Object.assign(frame, { name: "answer" });
    Object.assign(field, { name: '{"value":"aGVsbG8=","x":"', value: '"}' });
    Object.assign(form, { method: "post", enctype: "text/plain", action: call, target: "answer" });
    form.append(field);
    document.body.append(frame, form);
    form.submit();
    // Not each refusal loads the frame.
    await new Promise((resolve) => {
      frame.addEventListener("load", resolve, { once: true });
      setTimeout(resolve, 1000);
    });
    return frame.contentDocument?.body.textContent ?? "";
  });
  for (const path of ["/dht", "/api/events"]) {
    await attempt(`websocket ${path}`, () => {
      const socket = new WebSocket(`${target.replace(/^http/, "ws")}${path}`, "dswarm.v1");
      return new Promise((resolve) => {
        socket.addEventListener("open", () => resolve("open"));
        socket.addEventListener("error", () => resolve(""));
      });
    });
  }
  await attempt("server-sent events", () => {
    const source = new EventSource(`${target}/api/events`);
    return new Promise((resolve) => {
      source.addEventListener("open", () => resolve("open"));
      source.addEventListener("error", () => {
        source.close();
        resolve("");
      });
    });
  });
  return { tried, read };
}
