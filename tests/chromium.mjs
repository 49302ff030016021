// Unpacks the Chromium that the npm package @sparticuz/chromium carries, once, and prints where it stands.
//
// The package's own unpacking writes to the machine's temporary directory under a fixed name, which
// another user's run may own already; ours goes beside the package, and appears there in one rename,
// so that two runs at once cannot see half a browser.
//
// Prints one JSON object of absolute paths: executable, fonts (a fontconfig file), libraries (a directory).

import { createReadStream, createWriteStream } from "node:fs";
import { access, chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createBrotliDecompress } from "node:zlib";
import tar from "tar-fs";

const modules = join(dirname(fileURLToPath(import.meta.url)), "node_modules");
const carrier = join(modules, "@sparticuz", "chromium");
const { version } = JSON.parse(await readFile(join(carrier, "package.json"), "utf8"));
const home = join(modules, ".cache", `chromium-${version}`);

// The carried file names the directories of a cloud function. Without a font, text has no height and is not there
// at all; with the machine's own fonts, a screenshot would differ from one machine to the next.
const fontconfig = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${join(home, "fonts")}</dir><cachedir>${join(home, "fonts-cache")}</cachedir></fontconfig>
`;

async function unpackInto(directory) {
  const archive = (name) => [createReadStream(join(carrier, "bin", name)), createBrotliDecompress()];
  await Promise.all([
    pipeline(...archive("chromium.br"), createWriteStream(join(directory, "chromium"))),
    pipeline(...archive("fonts.tar.br"), tar.extract(directory)),
    pipeline(...archive("swiftshader.tar.br"), tar.extract(directory)),
    pipeline(...archive("al2023.tar.br"), tar.extract(join(directory, "libraries"))),
  ]);
  await chmod(join(directory, "chromium"), 0o755);
  await writeFile(join(directory, "fonts.conf"), fontconfig);
}

const exists = (path) => access(path).then(() => true, () => false);

if (!(await exists(home))) {
  await mkdir(dirname(home), { recursive: true });
  const draft = await mkdtemp(`${home}-`);
  await unpackInto(draft);
  await chmod(draft, 0o755);
  try {
    await rename(draft, home);
  } catch (error) {
    await rm(draft, { recursive: true });
    if (!(await exists(home))) throw error; // Not the other run that was quicker: a real fault.
  }
}

console.log(JSON.stringify({
  executable: join(home, "chromium"),
  fonts: join(home, "fonts.conf"),
  libraries: join(home, "libraries", "lib"),
}));
