import type { CallToolResult, GetPromptResult, ReadResourceResult } from "@modelcontextprotocol/server";

/** The smallest pictures and sounds that are ones: a pixel, and a WAV file without a sample. */
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

type Content = CallToolResult["content"][number];

const image = { type: "image", data: PNG, mimeType: "image/png" } as const;
const audio = { type: "audio", data: WAV, mimeType: "audio/wav" } as const;
const said = (text: string) => ({ type: "text", text }) as const;
const embedded = (uri: string, mimeType: string, text: string) =>
  ({ type: "resource", resource: { uri, mimeType, text } }) as const;

/** What tools answer that always answer the same. */
export const CONTENTS: Readonly<Record<string, readonly Content[]>> = {
  test_image_content: [image],
  test_audio_content: [audio],
  test_embedded_resource: [embedded("test://embedded-resource", "text/plain", "An embedded resource.")],
  test_multiple_content_types: [
    said("Text, a picture and a resource:"),
    image,
    embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
  ],
  // What a handler logs is for the log of the server, and no message to its client.
  test_logging_tool: [said("Nothing was logged to the client.")],
};

type Arguments = Readonly<Record<string, string>>;

const promptOf = (...contents: readonly Content[]): GetPromptResult => ({
  messages: contents.map((content) => ({ role: "user", content })),
});

export const PROMPTS: Readonly<Record<string, (args: Arguments) => GetPromptResult>> = {
  test_simple_prompt: () => promptOf(said("This is a simple prompt for testing.")),
  test_prompt_with_arguments: ({ arg1 = "", arg2 = "" }) =>
    promptOf(said(`arg1 is ${arg1}, arg2 is ${arg2}`)),
  test_prompt_with_embedded_resource: ({ resourceUri = "" }) =>
    promptOf(embedded(resourceUri, "text/plain", "An embedded resource."), said("Read the resource.")),
  test_prompt_with_image: () => promptOf(image, said("Describe the picture.")),
};

const TEMPLATE = /^test:\/\/template\/([^/]+)\/data$/;

/** Undefined: none of the fixtures is called so. */
export function resourceOf(uri: string): ReadResourceResult | undefined {
  if (uri === "test://static-text")
    return { contents: [{ uri, mimeType: "text/plain", text: "A static text." }] };
  if (uri === "test://static-binary") return { contents: [{ uri, mimeType: "image/png", blob: PNG }] };
  const [, id] = TEMPLATE.exec(uri) ?? [];
  if (id === undefined) return undefined;
  const text = JSON.stringify({ id, templateTest: true, data: `Data of ${id}` });
  return { contents: [{ uri, mimeType: "application/json", text }] };
}
