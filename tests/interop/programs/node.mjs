// Sends a message by nodemailer, waits for it by imapflow's IDLE, and prints what it found. Told on standard input.

import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";

const told = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(told.modules);
const nodemailer = require("nodemailer");
const { ImapFlow } = require("imapflow");

const secure = told.tls === "implicit";
const tls = { ca: told.ca };

function imap(pass) {
    return new ImapFlow({
        host: "localhost", port: told.imap, secure, doSTARTTLS: told.tls === "starttls", tls,
        auth: { user: told.user, pass }, logger: false,
    });
}

async function send() {
    const transport = nodemailer.createTransport({
        host: "localhost", port: told.smtp, secure, requireTLS: told.tls === "starttls", tls,
        auth: { user: told.user, pass: told.password },
    });
    await transport.verify();
    await transport.sendMail({ envelope: { from: told.user, to: told.user }, raw: readFileSync(told.sent) });
}

async function isRefused() {
    const client = imap("wrong");
    try {
        await client.connect();
    } catch (error) {
        return error.authenticationFailed === true && error.serverResponseCode === "AUTHENTICATIONFAILED";
    } finally {
        client.close();
    }
    return false;
}

const refused = await isRefused();
const client = imap(told.password);
await client.connect();
await client.mailboxOpen("INBOX");
const arrival = new Promise((resolve) => client.once("exists", resolve));
// Ends with the next command.
client.idle().catch(() => {});
await send();
await arrival;
const [uid] = await client.search({ subject: told.subject }, { uid: true });
const { content } = await client.download(String(uid), undefined, { uid: true });
const pieces = [];
for await (const piece of content) {
    pieces.push(piece);
}
await writeFile(told.read, Buffer.concat(pieces));
await client.messageFlagsAdd(String(uid), ["\\Seen", "\\Flagged"], { uid: true });
await client.mailboxCreate(`Kept ${told.tls}`);
await client.messageMove(String(uid), `Kept ${told.tls}`, { uid: true });
await client.mailboxOpen(`Kept ${told.tls}`);
const kept = client.mailbox.exists;
const { flags } = await client.fetchOne("*", { flags: true });
await client.logout();
console.log(JSON.stringify({ refused, kept, flags: [...flags].filter((flag) => flag !== "\\Recent").sort() }));
