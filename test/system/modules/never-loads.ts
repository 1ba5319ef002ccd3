/** A module of handlers whose import never ends. */
await new Promise(() => setInterval(() => undefined, 2 ** 30));
