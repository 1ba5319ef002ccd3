export { Reference } from "./reference.ts";
export {
  REFERENCE_MARK,
  addressesIn,
  addressesInPieces,
  foundIn,
  packMessage,
  packValue,
  tryPack,
  unpackValue,
  type Packed,
} from "./value.ts";
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
export { TooLargeError } from "./record-writer.ts";
export { StreamDecoder, StreamEncoder } from "./stream.ts";
