export { Reference, packValue, unpackValue } from "./value.ts";
export {
  FLAG,
  FRAME_HEADER_BYTES,
  KIND,
  TRACEPARENT_BYTES,
  readFrameHeader,
  writeFrameHeader,
  type FrameHeader,
  type Kind,
} from "./frame.ts";
export { StreamDecoder, StreamEncoder } from "./stream.ts";
