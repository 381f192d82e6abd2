/**
 * Gets runtimes that are missing: packages of the npm registry and of Debian. Everything lies in
 * `.installed/` beside this file; only browsers, which are many packages, become part of the system,
 * and only where this runs as root.
 */
import { execFile } from "node:child_process";
import { access, constants, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = fileURLToPath(new URL(".", import.meta.url));
const installed = join(here, ".installed");
/** Where runtimes may keep their caches. */
export const HOME = join(installed, "home");

const run = async (command, args, options) => (await promisify(execFile)(command, args, { maxBuffer: 2 ** 26, ...options })).stdout;

const npm = (args, cwd) =>
  run("npm", args, { cwd }).catch(({ stderr, message }) => {
    throw new Error(`npm ${args[0]} failed: ${/npm error code (\S+)/.exec(stderr)?.[1] ?? message}`);
  });

/** Path of a program, if there is one of these names. */
async function onPath(...names) {
  for (const name of names) {
    for (const folder of process.env.PATH.split(delimiter)) {
      const path = join(folder, name);
      if (await access(path, constants.X_OK).then(() => true, () => false)) return path;
    }
  }
  return undefined;
}

const gotten = new Map();
/** What one runtime waited for, or could not get, is there or not for the next one too. */
function once(name, get) {
  if (!gotten.has(name)) gotten.set(name, get());
  return gotten.get(name);
}

/** A folder in `.installed/`, filled as a whole or not at all, and anew when the stamp says something else. */
async function folder(name, stamp, fill) {
  const [ready, draft] = [join(installed, name), join(installed, `${name}.draft`)];
  const mark = join(ready, "stamp");
  if ((await readFile(mark, "utf8").catch(() => "")) === stamp) return ready;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  await fill(draft);
  await writeFile(join(draft, "stamp"), stamp);
  await rm(ready, { recursive: true, force: true });
  await rename(draft, ready);
  return ready;
}

/**
 * A binary of a package in packages/package.json, which is for Linux on x86-64.
 * @param path below node_modules
 */
export async function packaged(path) {
  const lock = await readFile(join(here, "packages/package-lock.json"), "utf8");
  const packages = await once("packages", () => folder("packages", lock, async (draft) => {
    for (const file of ["package.json", "package-lock.json"]) await copyFile(join(here, "packages", file), join(draft, file));
    await npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], draft);
  }));
  return join(packages, "node_modules", path);
}

/**
 * A browser of the system, installed where that is possible.
 * @param names under which it may be there already, the Debian package first
 */
export async function browser(...names) {
  return (await onPath(...names)) ?? (await systemPackages([names[0]], () => onPath(...names)));
}

/**
 * WebKitGTK's small browser, which is not on the path. It has no mode without a window, so it gets a screen in memory.
 * @returns the command's words
 */
export async function webkit() {
  const find = async () => {
    const libraries = (await readdir("/usr/lib").catch(() => [])).map((name) => `/usr/lib/${name}/webkit2gtk-4.1/MiniBrowser`);
    for (const path of libraries) if ((await access(path, constants.X_OK).then(() => true, () => false)) && (await onPath("xvfb-run"))) return ["xvfb-run", "--auto-servernum", path];
    return undefined;
  };
  return (await find()) ?? (await systemPackages(["webkit2gtk-driver", "xvfb", "xauth"], find));
}

/** Debian's packages become part of the system, and what was missing is found. */
async function systemPackages(names, find) {
  const remedy = `apt-get install ${names.join(" ")}`;
  if (!(await onPath("apt-get")) || process.getuid() !== 0) throw new Error(`not found; ${remedy}`);
  const apt = (...args) => run("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=300", ...args], { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
  await once("lists", () => apt("update").catch(() => {})); // a source of this machine may be out of reach; the install will tell
  await apt("install", "-y", "--no-install-recommends", ...names);
  return (await find()) ?? Promise.reject(new Error(`not found after ${remedy}`));
}

/** What an ARM64 program needs of a system. */
const LIBRARIES = ["libc6", "libstdc++6", "libgcc-s1", "libatomic1"];

/**
 * An ARM64 machine: an emulator with the libraries, and a Node to run in it.
 * @returns the command's words
 */
export async function emulated(alias) {
  if (process.platform !== "linux" || process.arch !== "x64") throw new Error(`the emulator is used on Linux on x86-64, not on ${process.platform} ${process.arch}`);
  if (!(await onPath("apt-get")) || !(await onPath("dpkg-deb"))) throw new Error("needs apt-get and dpkg-deb for qemu-user-static and the ARM64 libraries");
  const machine = await once("arm64", () => folder("arm64", "1", fillMachine));
  const lock = JSON.parse(await readFile(join(here, "packages/package-lock.json"), "utf8"));
  const { name, version, integrity } = lock.packages[`node_modules/${alias}`];
  const node = await folder(alias, integrity, (draft) => unpackPackage(draft, `${name}@${version}`, integrity));
  return [join(machine, "qemu"), "-L", join(machine, "arm64"), join(node, "package/bin/node")];
}

/** Debian's packages, unpacked and not installed: with an own list of packages, apt-get needs neither root nor the system's consent to a second architecture. */
async function fillMachine(draft) {
  const state = join(draft, "apt");
  for (const name of ["lists/partial", "archives/partial", "packages"]) await mkdir(join(state, name), { recursive: true });
  await writeFile(join(state, "status"), "");
  const settings = {
    "Dir::State": state, "Dir::State::Lists": join(state, "lists"), "Dir::State::status": join(state, "status"),
    "Dir::Cache": state, "Dir::Cache::archives": join(state, "archives"), "APT::Sandbox::User": "root", "Acquire::Languages": "none",
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`);
  await writeFile(join(state, "conf"), `${lines.join("")}APT::Architecture "amd64";\nAPT::Architectures { "amd64"; "arm64"; };\n`);
  const apt = (...args) => run("apt-get", ["-qq", ...args], { cwd: join(state, "packages"), env: { ...process.env, APT_CONFIG: join(state, "conf") } });
  await apt("update").catch(() => {}); // as above
  await apt("download", "qemu-user-static:amd64", ...LIBRARIES.map((name) => `${name}:arm64`));
  for (const name of await readdir(join(state, "packages"))) {
    await run("dpkg-deb", ["-x", join(state, "packages", name), join(draft, name.startsWith("qemu") ? "apt" : "arm64")]);
  }
  await rename(join(state, "usr/bin/qemu-aarch64-static"), join(draft, "qemu")); // one emulator of thirty
  await rm(state, { recursive: true });
}

/** npm installs no package of another architecture beside its own, but it fetches one; the lock file says what it must be. */
async function unpackPackage(draft, name, integrity) {
  const [packed] = JSON.parse(await npm(["pack", name, "--json"], draft));
  if (packed.integrity !== integrity) throw new Error(`${name} expected ${integrity}, got ${packed.integrity}`);
  await run("tar", ["-xzf", packed.filename, "package/bin/node"], { cwd: draft });
  await rm(join(draft, packed.filename));
}
