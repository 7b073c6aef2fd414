// Copyright 2026 the Hangup authors. MIT license.
//
// Certificates made on the fly: an authority and what it issues for this machine's own addresses.
// No tool, and no file with a key in it.
import { Buffer } from "node:buffer";
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** What a TLS server needs. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** SHA-256 of the public key, in base64: what Chromium can be told to trust. */
  readonly spki: string;
}

/** A tag, a length and a content: the whole of DER. */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
const bits = (bytes: Uint8Array) => der(0x03, Buffer.from([0]), bytes);
const name = (text: string) => sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(text)))));
const time = (date: Date) => der(0x17, Buffer.from(date.toISOString().slice(2, 19).replace(/[-T:]/g, "") + "Z"));
const extension = (id: string, critical: boolean, value: Uint8Array) =>
  sequence(oid(id), ...(critical ? [der(0x01, Buffer.from([255]))] : []), der(0x04, value));

const ECDSA_SHA256 = sequence(oid("2a8648ce3d040302"));
const DAY = 24 * 60 * 60 * 1000;
let serial = 0;

function issue(
  issuer: string,
  key: KeyObject,
  subject: string,
  publicKey: KeyObject,
  extensions: Uint8Array[],
): string {
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([++serial])),
    ECDSA_SHA256,
    name(issuer),
    sequence(time(new Date(Date.now() - DAY)), time(new Date(Date.now() + DAY))),
    name(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions)),
  );
  const base64 = sequence(body, ECDSA_SHA256, bits(sign("sha256", body, key))).toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

/**
 * Makes an authority, and a certificate that it (or nobody) issued for `localhost`, `127.0.0.1` and
 * `::1`.
 */
export function makeCertificate(authority: string, selfSigned = false): { ca: string; certificate: Certificate } {
  const root = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ca = issue(authority, root.privateKey, authority, root.publicKey, [
    extension("551d13", true, sequence(der(0x01, Buffer.from([255])))), // an authority
    extension("551d0f", true, der(0x03, Buffer.from([2, 0x04]))), // that signs certificates
  ]);
  const names = sequence(
    der(0x82, Buffer.from("localhost")),
    der(0x87, Buffer.from([127, 0, 0, 1])),
    der(0x87, Buffer.from([...new Uint8Array(15), 1])),
  );
  const subject = "Hangup counting server";
  const [issuer, key] = selfSigned ? [subject, own.privateKey] : [authority, root.privateKey];
  const cert = issue(issuer, key, subject, own.publicKey, [
    extension("551d11", false, names),
    extension("551d25", false, sequence(oid("2b06010505070301"))), // for servers
  ]);
  const spki = createHash("sha256").update(own.publicKey.export({ type: "spki", format: "der" })).digest("base64");
  return { ca, certificate: { key: own.privateKey.export({ type: "pkcs8", format: "pem" }) as string, cert, spki } };
}
