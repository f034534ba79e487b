/// <reference path="./vedette-assert.d.ts" />
// Types of what a check finds. Use them with the language's own library and no other:
//
//   // tsconfig.json
//   { "compilerOptions": { "lib": ["ES2023"], "types": [], "strict": true }, "files": ["monitor.ts", "vedette.d.ts"] }
//
// Names and shapes are those of the web's standards; what is Vedette's own says so. The built-in module
// `vedette:assert` has a file of its own beside this one.

// ---------------------------------------------------------------- the check

/** What a check is called with. */
interface CheckInput {
  /** The script's parameters: any JSON object. */
  params: any;
  /** Variables of the organization, the project and the script. */
  readonly env: Readonly<Record<string, string>>;
}

/** What a check returns. Nothing else is accepted: no other member, no `null`, no `NaN`. */
interface Verdict {
  /** Whether the target is well. */
  success: boolean;
  /** Milliseconds; left out: the whole time of the last request that got a response. */
  latency?: number | undefined;
  /** For whoever is woken up: what was expected, and what came. */
  message?: string | undefined;
  /** Anything that JSON can hold. */
  data?: unknown;
}

/** The type of a check's default export. */
type Check = (input: CheckInput) => Verdict | Promise<Verdict>;

declare var params: any;
declare var env: Readonly<Record<string, string>>;

// ---------------------------------------------------------------- fetch

type HeadersInit = Headers | Record<string, string> | Iterable<readonly [string, string]> | string[][];

declare class Headers {
  constructor(init?: HeadersInit);
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(callback: (value: string, name: string, headers: Headers) => void, thisArg?: any): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}

type BufferSource = ArrayBuffer | ArrayBufferView;
type BodyInit = string | URLSearchParams | BufferSource | Blob | FormData | ReadableStream<Uint8Array>;

interface Body {
  /** The bytes as a stream; null when there is no body. */
  readonly body: ReadableStream<Uint8Array> | null;
  readonly bodyUsed: boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
  bytes(): Promise<Uint8Array>;
  formData(): Promise<FormData>;
  json(): Promise<any>;
  text(): Promise<string>;
}

type RequestRedirect = "follow" | "manual" | "error";
type RequestCredentials = "omit" | "same-origin" | "include";

interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  /** `manual` gives the redirect itself. */
  redirect?: RequestRedirect;
  /** `include` keeps the cookies of the run, and sends them. Otherwise none is kept or sent. */
  credentials?: RequestCredentials;
  signal?: AbortSignal | null;
  duplex?: "half";
}

interface Request extends Body {}
declare class Request {
  constructor(input: string | URL | Request, init?: RequestInit | null);
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly redirect: RequestRedirect;
  readonly credentials: RequestCredentials;
  readonly signal: AbortSignal;
  readonly cache: "default";
  readonly destination: "";
  readonly duplex: "half";
  readonly integrity: "";
  readonly keepalive: false;
  readonly mode: "cors";
  readonly referrer: string;
  readonly referrerPolicy: "";
  clone(): Request;
}

interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
}

/** Milliseconds, of the last hop but for `total`. Null: the phase did not happen. */
interface ResponseTimings {
  dns: number | null;
  connect: number | null;
  tls: number | null;
  ttfb: number;
  download: number;
  /** All hops together, to the last byte of the body. */
  total: number;
}

/** About the certificate; times in ISO 8601. */
interface ResponseTls {
  version: string;
  subject: string;
  issuer: string;
  not_before: string;
  not_after: string;
  /** The earliest end in the chain that the server sent. */
  chain_not_after: string;
  /** Whole days until `chain_not_after`. */
  days_remaining: number;
}

interface Response extends Body {}
declare class Response {
  constructor(body?: BodyInit | null, init?: ResponseInit | null);
  static error(): Response;
  static json(data: any, init?: ResponseInit | null): Response;
  static redirect(url: string | URL, status?: 301 | 302 | 303 | 307 | 308): Response;
  readonly headers: Headers;
  readonly ok: boolean;
  readonly redirected: boolean;
  readonly status: number;
  /** HTTP's own phrase for the status, whatever the server wrote there. */
  readonly statusText: string;
  readonly type: "basic" | "default" | "error";
  readonly url: string;
  clone(): Response;
  /** Vedette's own; null when the response was made by the script. */
  readonly timings: ResponseTimings;
  /** Vedette's own; null without TLS. */
  readonly tls: ResponseTls | null;
  /** Vedette's own: address and port that answered. */
  readonly remoteAddress: string | null;
  /** Vedette's own: `HTTP/1.1` or `HTTP/1.0`. */
  readonly httpVersion: string;
}

declare function fetch(input: string | URL | Request, init?: RequestInit | null): Promise<Response>;

/** What `fetch` rejects with. It has no global name: look at `name` and `code`. */
interface FetchError extends TypeError {
  readonly name: "FetchError";
  readonly code:
    | "dns" | "connection-refused" | "connection-reset" | "connect" | "tls" | "timeout" | "too-many-redirects"
    | "protocol" | "denied" | "limit" | "body-too-large" | "invalid-request";
}

// ---------------------------------------------------------------- blobs and forms

interface BlobPropertyBag {
  type?: string;
  endings?: "transparent" | "native";
}

type BlobPart = string | Blob | BufferSource;

declare class Blob {
  constructor(parts?: Iterable<BlobPart>, options?: BlobPropertyBag);
  readonly size: number;
  readonly type: string;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  slice(start?: number, end?: number, type?: string): Blob;
  stream(): ReadableStream<Uint8Array>;
  text(): Promise<string>;
}

declare class File extends Blob {
  constructor(parts: Iterable<BlobPart>, name: string, options?: BlobPropertyBag & { lastModified?: number });
  readonly name: string;
  readonly lastModified: number;
  readonly webkitRelativePath: "";
}

type FormDataEntryValue = string | File;

declare class FormData {
  append(name: string, value: string): void;
  append(name: string, value: Blob, filename?: string): void;
  delete(name: string): void;
  get(name: string): FormDataEntryValue | null;
  getAll(name: string): FormDataEntryValue[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  set(name: string, value: Blob, filename?: string): void;
  forEach(callback: (value: FormDataEntryValue, name: string, form: FormData) => void, thisArg?: any): void;
  entries(): IterableIterator<[string, FormDataEntryValue]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<FormDataEntryValue>;
  [Symbol.iterator](): IterableIterator<[string, FormDataEntryValue]>;
}

// ---------------------------------------------------------------- streams

interface UnderlyingSource<R> {
  start?(controller: ReadableStreamDefaultController<R>): any;
  pull?(controller: ReadableStreamDefaultController<R>): void | PromiseLike<void>;
  cancel?(reason?: any): void | PromiseLike<void>;
}

declare class ReadableStreamDefaultController<R = any> {
  private constructor();
  readonly desiredSize: number | null;
  close(): void;
  enqueue(chunk: R): void;
  error(reason?: any): void;
}

type ReadableStreamReadResult<R> = { done: false; value: R } | { done: true; value: undefined };

declare class ReadableStreamDefaultReader<R = any> {
  constructor(stream: ReadableStream<R>);
  readonly closed: Promise<void>;
  cancel(reason?: any): Promise<void>;
  read(): Promise<ReadableStreamReadResult<R>>;
  releaseLock(): void;
}

declare class ReadableStream<R = any> {
  constructor(source?: UnderlyingSource<R>, strategy?: { highWaterMark?: number });
  static from<R>(items: Iterable<R | PromiseLike<R>> | AsyncIterable<R>): ReadableStream<R>;
  readonly locked: boolean;
  cancel(reason?: any): Promise<void>;
  getReader(): ReadableStreamDefaultReader<R>;
  tee(): [ReadableStream<R>, ReadableStream<R>];
  values(options?: { preventCancel?: boolean }): AsyncIterableIterator<R>;
  [Symbol.asyncIterator](options?: { preventCancel?: boolean }): AsyncIterableIterator<R>;
}

// ---------------------------------------------------------------- events and signals

interface EventInit {
  bubbles?: boolean;
  cancelable?: boolean;
  composed?: boolean;
}

declare class Event {
  constructor(type: string, init?: EventInit);
  readonly bubbles: boolean;
  readonly cancelable: boolean;
  readonly composed: boolean;
  readonly currentTarget: EventTarget | null;
  readonly defaultPrevented: boolean;
  readonly eventPhase: number;
  readonly isTrusted: boolean;
  readonly target: EventTarget | null;
  readonly timeStamp: number;
  readonly type: string;
  composedPath(): EventTarget[];
  preventDefault(): void;
  stopImmediatePropagation(): void;
  stopPropagation(): void;
}

declare class CustomEvent<T = any> extends Event {
  constructor(type: string, init?: EventInit & { detail?: T });
  readonly detail: T;
}

type EventListenerOrObject = ((event: Event) => any) | { handleEvent(event: Event): any };

declare class EventTarget {
  addEventListener(
    type: string,
    listener: EventListenerOrObject | null,
    options?: boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal },
  ): void;
  dispatchEvent(event: Event): boolean;
  removeEventListener(type: string, listener: EventListenerOrObject | null, options?: boolean | { capture?: boolean }): void;
}

declare class AbortSignal extends EventTarget {
  private constructor();
  static abort(reason?: any): AbortSignal;
  static any(signals: Iterable<AbortSignal>): AbortSignal;
  static timeout(ms: number): AbortSignal;
  readonly aborted: boolean;
  onabort: ((this: AbortSignal, event: Event) => any) | null;
  readonly reason: any;
  throwIfAborted(): void;
}

declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: any): void;
}

declare class DOMException extends Error {
  constructor(message?: string, name?: string);
  readonly name: string;
  readonly code: number;
}

declare function reportError(error: any): void;

// ---------------------------------------------------------------- URLs

declare class URL {
  constructor(url: string | URL, base?: string | URL);
  static canParse(url: string | URL, base?: string | URL): boolean;
  static parse(url: string | URL, base?: string | URL): URL | null;
  hash: string;
  host: string;
  hostname: string;
  href: string;
  readonly origin: string;
  password: string;
  pathname: string;
  port: string;
  protocol: string;
  search: string;
  readonly searchParams: URLSearchParams;
  username: string;
  toJSON(): string;
  toString(): string;
}

declare class URLSearchParams {
  constructor(init?: string | URLSearchParams | Record<string, string> | Iterable<readonly [string, string]> | string[][]);
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  toString(): string;
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, thisArg?: any): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}

// ---------------------------------------------------------------- text

declare class TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array;
  encodeInto(source: string, target: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  /** UTF-8, UTF-16 (either order) and windows-1252, by any of their labels. */
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(input?: BufferSource, options?: { stream?: boolean }): string;
}

declare function atob(text: string): string;
declare function btoa(text: string): string;

// ---------------------------------------------------------------- time, tasks and the rest

declare function setTimeout<A extends any[]>(callback: (...args: A) => void, ms?: number, ...args: A): number;
declare function setInterval<A extends any[]>(callback: (...args: A) => void, ms?: number, ...args: A): number;
declare function clearTimeout(id: number | undefined): void;
declare function clearInterval(id: number | undefined): void;
declare function queueMicrotask(callback: () => void): void;
declare function structuredClone<T>(value: T, options?: { transfer?: Iterable<ArrayBuffer> }): T;

declare var self: typeof globalThis;
declare var navigator: { readonly userAgent: string };
declare var performance: {
  /** Whole milliseconds since the run began. */
  now(): number;
  readonly timeOrigin: number;
};

interface Console {
  assert(condition?: boolean, ...values: any[]): void;
  count(label?: string): void;
  countReset(label?: string): void;
  debug(...values: any[]): void;
  dir(value?: any, options?: any): void;
  dirxml(...values: any[]): void;
  error(...values: any[]): void;
  group(...values: any[]): void;
  groupCollapsed(...values: any[]): void;
  groupEnd(): void;
  info(...values: any[]): void;
  log(...values: any[]): void;
  table(rows?: any, columns?: string[]): void;
  time(label?: string): void;
  timeEnd(label?: string): void;
  timeLog(label?: string, ...values: any[]): void;
  trace(...values: any[]): void;
  warn(...values: any[]): void;
}
declare var console: Console;

// ---------------------------------------------------------------- crypto

type HashName = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";
type HashIdentifier = HashName | { name: HashName };
type KeyFormat = "raw" | "pkcs8" | "spki" | "jwk";
type KeyUsage = "encrypt" | "decrypt" | "sign" | "verify" | "deriveBits" | "deriveKey" | "wrapKey" | "unwrapKey";
type AlgorithmIdentifier = string | { name: string; [member: string]: any };

interface JsonWebKey {
  alg?: string;
  crv?: string;
  d?: string;
  dp?: string;
  dq?: string;
  e?: string;
  ext?: boolean;
  k?: string;
  key_ops?: string[];
  kty?: string;
  n?: string;
  p?: string;
  q?: string;
  qi?: string;
  use?: string;
  x?: string;
  y?: string;
}

declare class CryptoKey {
  private constructor();
  readonly algorithm: { name: string; [member: string]: any };
  readonly extractable: boolean;
  readonly type: "public" | "private" | "secret";
  readonly usages: KeyUsage[];
}

declare class SubtleCrypto {
  private constructor();
  decrypt(algorithm: AlgorithmIdentifier, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  deriveBits(algorithm: AlgorithmIdentifier, key: CryptoKey, length?: number | null): Promise<ArrayBuffer>;
  deriveKey(algorithm: AlgorithmIdentifier, key: CryptoKey, derived: AlgorithmIdentifier, extractable: boolean, usages: KeyUsage[]): Promise<CryptoKey>;
  digest(algorithm: HashIdentifier, data: BufferSource): Promise<ArrayBuffer>;
  encrypt(algorithm: AlgorithmIdentifier, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  exportKey(format: "jwk", key: CryptoKey): Promise<JsonWebKey>;
  exportKey(format: "raw" | "pkcs8" | "spki", key: CryptoKey): Promise<ArrayBuffer>;
  generateKey(algorithm: AlgorithmIdentifier, extractable: boolean, usages: KeyUsage[]): Promise<CryptoKey | { publicKey: CryptoKey; privateKey: CryptoKey }>;
  importKey(format: "jwk", data: JsonWebKey, algorithm: AlgorithmIdentifier, extractable: boolean, usages: KeyUsage[]): Promise<CryptoKey>;
  importKey(format: "raw" | "pkcs8" | "spki", data: BufferSource, algorithm: AlgorithmIdentifier, extractable: boolean, usages: KeyUsage[]): Promise<CryptoKey>;
  sign(algorithm: AlgorithmIdentifier, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  unwrapKey(
    format: KeyFormat, wrapped: BufferSource, wrappingKey: CryptoKey, wrapAlgorithm: AlgorithmIdentifier,
    keyAlgorithm: AlgorithmIdentifier, extractable: boolean, usages: KeyUsage[],
  ): Promise<CryptoKey>;
  verify(algorithm: AlgorithmIdentifier, key: CryptoKey, signature: BufferSource, data: BufferSource): Promise<boolean>;
  wrapKey(format: KeyFormat, key: CryptoKey, wrappingKey: CryptoKey, wrapAlgorithm: AlgorithmIdentifier): Promise<ArrayBuffer>;
}

declare class Crypto {
  private constructor();
  /** At most 64 KiB a call. */
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): string;
  readonly subtle: SubtleCrypto;
}
declare var crypto: Crypto;
