interface Run {
  readonly workflowId: string;
}

/** A page that is a line of text, prints, and throws for a run whose id says so. */
export default async ({ run, outputs }: { run: Run; outputs: Record<string, unknown> }) => {
  console.log("printed by the page");
  if (run.workflowId.startsWith("throws")) throw new Error("this page\ncannot be made");
  if (run.workflowId.startsWith("escapes")) return { file: "../page.html", html: "" };
  return { file: "page.html", html: JSON.stringify(outputs) };
};
