// Types of the built-in module `vedette:assert`. What each name does is told in
// docs/writing-checks.md, section "Assertions and steps".

declare module 'vedette:assert' {
  /**
   * States something about the target. The run goes on; if one of its checks did not pass, it ends as
   * `failure`, whatever the script returns. Gives `passed`.
   */
  export function check(name: string, passed: boolean): boolean;

  /** Runs a part of the check, timed and recorded under its name. Always `await` it. */
  export function step<T>(name: string, run: () => T | PromiseLike<T>): Promise<T>;

  /**
   * What the matchers say ends the run as `failure` if it does not hold, unless the script catches it.
   * The label names the value in the message.
   */
  export function expect<T>(actual: T, label?: string): Matchers<T>;

  /** JSON Schema, draft 2020-12. A keyword that is not listed is an error, `x-…` apart. */
  export type JsonSchema = boolean | JsonSchemaObject;

  export type JsonType = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object';

  export interface JsonSchemaObject {
    $ref?: string;
    $defs?: Record<string, JsonSchema>;
    definitions?: Record<string, JsonSchema>;
    // Any text, because a schema in a constant has no narrower type; the engine knows the words.
    type?: JsonType | (string & {}) | readonly string[];
    enum?: readonly unknown[];
    const?: unknown;
    minimum?: number;
    maximum?: number;
    exclusiveMinimum?: number;
    exclusiveMaximum?: number;
    multipleOf?: number;
    minLength?: number;
    maxLength?: number;
    pattern?: string;
    format?: JsonFormat | (string & {});
    items?: JsonSchema;
    prefixItems?: readonly JsonSchema[];
    contains?: JsonSchema;
    minContains?: number;
    maxContains?: number;
    minItems?: number;
    maxItems?: number;
    uniqueItems?: boolean;
    properties?: Record<string, JsonSchema>;
    patternProperties?: Record<string, JsonSchema>;
    additionalProperties?: JsonSchema;
    propertyNames?: JsonSchema;
    required?: readonly string[];
    dependentRequired?: Record<string, readonly string[]>;
    dependentSchemas?: Record<string, JsonSchema>;
    minProperties?: number;
    maxProperties?: number;
    allOf?: readonly JsonSchema[];
    anyOf?: readonly JsonSchema[];
    oneOf?: readonly JsonSchema[];
    not?: JsonSchema;
    if?: JsonSchema;
    then?: JsonSchema;
    else?: JsonSchema;
    $schema?: string;
    $id?: string;
    $comment?: string;
    title?: string;
    description?: string;
    default?: unknown;
    example?: unknown;
    examples?: readonly unknown[];
    deprecated?: boolean;
    readOnly?: boolean;
    writeOnly?: boolean;
    contentEncoding?: string;
    contentMediaType?: string;
    contentSchema?: JsonSchema;
    [extension: `x-${string}`]: unknown;
  }

  export type JsonFormat =
    | 'date-time' | 'date' | 'time' | 'duration' | 'email' | 'hostname' | 'ipv4' | 'ipv6'
    | 'uri' | 'uri-reference' | 'uuid' | 'json-pointer' | 'regex';

  /** What is thrown when an expectation is not met. */
  type Thrown = string | RegExp | (abstract new (...given: never[]) => unknown);

  export interface Matchers<T> {
    /** The opposite. A value of a kind that cannot be judged fails both ways. */
    readonly not: Matchers<T>;
    /** `Object.is` */
    toBe(expected: unknown): void;
    /** Deep; members that are undefined count as absent. */
    toEqual(expected: unknown): void;
    /** Deep; prototypes and members that are undefined count. */
    toStrictEqual(expected: unknown): void;
    /** Deep; members that are not expected are let pass. */
    toMatchObject(expected: object): void;
    /** A text that has the pattern in it. */
    toMatch(pattern: string | RegExp): void;
    /** A text with this text in it, or a list with this element. */
    toContain(item: unknown): void;
    toHaveLength(length: number): void;
    /** The path is `a.b[0]`, or an array of keys. */
    toHaveProperty(path: string | readonly PropertyKey[], value?: unknown): void;
    toBeTruthy(): void;
    toBeFalsy(): void;
    toBeNull(): void;
    toBeUndefined(): void;
    toBeDefined(): void;
    toBeNaN(): void;
    toBeLessThan(limit: number | bigint): void;
    toBeLessThanOrEqual(limit: number | bigint): void;
    toBeGreaterThan(limit: number | bigint): void;
    toBeGreaterThanOrEqual(limit: number | bigint): void;
    /** Nearer than half a unit of the last digit; 2 digits by default. */
    toBeCloseTo(expected: number, digits?: number): void;
    toBeInstanceOf(type: abstract new (...given: never[]) => unknown): void;
    toBeOneOf(list: readonly unknown[]): void;
    /** Of a function or a promise. Where a promise is involved, `await` what it gives. */
    toThrow(expected?: Thrown): T extends () => PromiseLike<unknown> ? Promise<void>
      : T extends PromiseLike<unknown> ? Promise<void> : void;
    toMatchSchema(schema: JsonSchema): void;
  }

  type Bytes = ArrayBuffer | ArrayBufferView;
  type Hash = 'sha1' | 'sha256' | 'sha384' | 'sha512' | 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512';

  /** The HMAC of the data; SHA-256 in hex by default. */
  export function hmacSign(
    secret: string | Bytes,
    data: string | Bytes,
    options?: { hash?: Hash; encoding?: 'hex' | 'base64' | 'base64url' },
  ): Promise<string>;

  /** A one-time password (RFC 6238) of a secret in base32. */
  export function totp(
    secret: string,
    options?: {
      /** 6 to 10; 6 by default. */
      digits?: number;
      /** Seconds; 30 by default. */
      period?: number;
      /** SHA-1 by default. */
      algorithm?: Hash;
      /** Milliseconds since 1970; now by default. */
      time?: number | Date;
    },
  ): Promise<string>;

  export interface JwtOptions {
    alg: 'HS256' | 'RS256' | 'ES256';
    kid?: string;
    /** Further members of the header. */
    header?: Record<string, unknown>;
    /** Seconds from `issuedAt`. */
    expiresIn?: number;
    /** Seconds from `issuedAt`. */
    notBefore?: number;
    /** Seconds since 1970; now by default. */
    issuedAt?: number;
    issuer?: string;
    subject?: string;
    audience?: string | readonly string[];
    jwtId?: string;
  }

  export const jwt: {
    /**
     * A signed token. The key is a text or bytes for HS256, PEM text of a PKCS #8 key for the others, or
     * a JWK.
     */
    sign(payload: Record<string, unknown>, key: string | Bytes | Jwk, options: JwtOptions): Promise<string>;
  };

  export interface Jwk {
    kty: string;
    [member: string]: unknown;
  }

  /** The value of the first `input`, or the content of the first `meta`, of that name. */
  export function formToken(html: string, name: string): string;

  /**
   * The inputs of a form, as a browser would send them. The selector is `form`, `#id`, `.class` or
   * `[action="…"]` (also `id`, `name`, `class`, `method`); the first form by default.
   */
  export function formFields(html: string, selector?: string): Record<string, string>;

  /** The text of the first element at a path such as `/a/b[2]`, or the attribute at `/a/b/@c`. */
  export function xmlValue(xml: string, path: string): string;
}
