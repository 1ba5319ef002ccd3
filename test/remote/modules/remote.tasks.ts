import { defineTasks, handler, type TaskContext } from "mcplusplus";

export default defineTasks({
  stretch: handler({ run: ({ text, times }: { text: string; times: number }) => text.repeat(times) }),
  measure: handler({ run: ({ text }: { text: string }) => ({ length: text.length }) }),
  linger: handler({
    run: (_input: unknown, { signal, progress }: TaskContext) => {
      progress(0.5);
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      });
    },
  }),
});
