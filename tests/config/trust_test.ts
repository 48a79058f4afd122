import { assertEquals } from "../assert.ts";
import { distrust, type PathEntry } from "../../src/config/trust.ts";

const TRUSTED = { uids: [0, 1000], gids: [0, 1000] };

/** `drwxrwxrwt`-like words to an entry: kind, octal mode, owner, group. */
function entry(text: string): PathEntry {
  const [path, kind, mode, uid, gid] = text.split(" ");
  return {
    path: path!,
    kind: kind as PathEntry["kind"],
    mode: parseInt(mode!, 8),
    uid: Number(uid),
    gid: Number(gid ?? uid),
  };
}

const ROOT = "/ directory 755 0";
const GOOD: Readonly<Record<string, readonly string[]>> = {
  "root's own": [ROOT, "/etc directory 755 0", "/etc/t file 600 0"],
  "of who runs sudo, in their own home": [
    ROOT,
    "/home directory 755 0",
    "/home/a directory 700 1000",
    "/home/a/t file 644 1000",
  ],
  "as a umask of 002 makes it": [ROOT, "/a directory 775 1000", "/a/t file 664 1000"],
  "root's in a home": [ROOT, "/a directory 755 1000", "/a/t file 644 0"],
  "in a sticky directory": [ROOT, "/tmp directory 1777 0", "/tmp/t file 600 0"],
  "by a link, whose mode says nothing": [ROOT, "/l link 777 0", "/t file 644 0"],
  "open to root's group": [ROOT, "/t file 664 0"],
  "in a user namespace": ["/ directory 755 65534", "/etc directory 755 65534", "/etc/t file 644 0"],
};

for (const [name, texts] of Object.entries(GOOD)) {
  Deno.test(`trust: ${name}`, () => assertEquals(distrust(texts.map(entry), TRUSTED), undefined));
}

const BAD: readonly [name: string, texts: readonly string[], why: string, how: string][] = [
  [
    "another user's file",
    [ROOT, "/t file 644 1001"],
    "/t belongs to user 1001, who would decide what root does",
    "chown root",
  ],
  [
    "another user's file in a sticky directory",
    [ROOT, "/tmp directory 1777 0", "/tmp/t file 644 1001"],
    "/tmp/t belongs to user 1001, who would decide what root does",
    "chown root",
  ],
  [
    "another user's directory, whoever owns the file",
    [ROOT, "/a directory 755 1001", "/a/t file 644 0"],
    "/a belongs to user 1001, who would decide what root does",
    "chown root",
  ],
  [
    "another user's link",
    [ROOT, "/tmp directory 1777 0", "/tmp/l link 777 1001", "/t file 644 0"],
    "/tmp/l belongs to user 1001, who would decide what root does",
    "chown root",
  ],
  [
    "another user's sticky directory",
    [ROOT, "/a directory 1777 1001", "/a/t file 644 0"],
    "/a belongs to user 1001, who would decide what root does",
    "chown root",
  ],
  [
    "a file that all may write to",
    [ROOT, "/t file 666 0"],
    "everybody may write to /t: its mode is 0666",
    "chmod go-w /t",
  ],
  [
    "a sticky bit on a file means nothing",
    [ROOT, "/t file 1666 0"],
    "everybody may write to /t: its mode is 1666",
    "chmod go-w /t",
  ],
  [
    "a directory far up that all may write to",
    [ROOT, "/a directory 777 0", "/a/b directory 755 0", "/a/b/t file 644 0"],
    "everybody may write to /a: its mode is 0777",
    "chmod go-w /a",
  ],
  [
    "a directory of a group",
    [ROOT, "/a directory 2775 0 50", "/a/t file 644 0"],
    "group 50 may write to /a: its mode is 2775",
    "chmod go-w /a",
  ],
  [
    "a file of another group, though of who runs sudo",
    [ROOT, "/t file 664 1000 50"],
    "group 50 may write to /t: its mode is 0664",
    "chmod go-w /t",
  ],
];

for (const [name, texts, why, how] of BAD) {
  Deno.test(`trust: not ${name}`, () => {
    const found = distrust(texts.map(entry), TRUSTED);
    assertEquals(found?.why, why);
    assertEquals(found?.how.slice(0, how.length), how);
  });
}

Deno.test("trust: without sudo, nobody but root", () => {
  const entries = [ROOT, "/a directory 755 1000", "/a/t file 644 0"].map(entry);
  assertEquals(
    distrust(entries, { uids: [0], gids: [0] })?.why,
    "/a belongs to user 1000, who would decide what root does",
  );
});
