import { expect, test } from "vitest";
import { random } from "../../src/kernels/random.ts";
import { SimulatedDisk } from "./disk.ts";

const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);
/** What is seen of a file after many crashes: each outcome once. */
async function outcomes(make: () => Promise<SimulatedDisk>, see: (disk: SimulatedDisk) => unknown, draws = 300): Promise<Set<string>> {
  const disk = await make();
  return new Set(Array.from({ length: draws }, (_, draw) => JSON.stringify(see(disk.after(random(draw, "disk"))))));
}
const lengthOf = (path: string) => (disk: SimulatedDisk) => disk.files().get(path)?.length ?? "none";

test("what is synced, with its name, survives every crash", async () => {
  const found = await outcomes(async () => {
    const disk = new SimulatedDisk();
    const mount = disk.mount();
    await mount.append("a", [bytes(700, 1)]);
    await mount.append("a", [bytes(900, 2)]);
    await mount.sync("a");
    await mount.syncFolder("");
    return disk;
  }, (disk) => [...disk.files().get("a")!].filter((value, index) => value !== (index < 700 ? 1 : 2)).length);
  expect([...found]).toEqual(["0"]);
});

test("without a sync of the folder a name may be missing, and without one of the file its bytes", async () => {
  const make = (path: string, synced: boolean) => async () => {
    const disk = new SimulatedDisk();
    const mount = disk.mount();
    await mount.append(path, [bytes(2000, 1)]);
    if (synced) await mount.sync(path);
    else await mount.syncFolder(path.includes("/") ? "deep" : "");
    await mount.syncFolder(path.includes("/") ? "" : "deep"); // the wrong folder
    return disk;
  };
  for (const path of ["a", "deep/a"]) expect([...(await outcomes(make(path, true), lengthOf(path)))].sort()).toEqual(['"none"', "2000"]);
  const lengths = [...(await outcomes(async () => (await make("deep/a", false)()), lengthOf("deep/a")))].map(Number);
  expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([0, 2000]);
  expect(lengths.length).toBeGreaterThan(10);
});

test("sectors that were not synced are kept, lost or garbage, each for itself", async () => {
  const found = await outcomes(async () => {
    const disk = new SimulatedDisk();
    const mount = disk.mount();
    await mount.write("a", bytes(2048, 1));
    await mount.sync("a");
    await mount.syncFolder("");
    await mount.write("a", bytes(2048, 2));
    return disk;
  }, (disk) => {
    const file = disk.files().get("a")!;
    return [0, 512, 1024, 1536].map((at) => {
      const kinds = new Set(file.subarray(at, at + 512));
      return kinds.size > 1 ? "torn" : kinds.has(1) ? "old" : "new";
    });
  }, 2000);
  expect(found.size).toBe(81);
});

test("a sector that is half durable may be spoiled by a write to its other half", async () => {
  const found = await outcomes(async () => {
    const disk = new SimulatedDisk();
    const mount = disk.mount();
    await mount.append("a", [bytes(100, 1)]);
    await mount.sync("a");
    await mount.syncFolder("");
    await mount.append("a", [bytes(100, 2)]);
    return disk;
  }, (disk) => disk.files().get("a")!.subarray(0, 100).every((value) => value === 1));
  expect([...found].sort()).toEqual(["false", "true"]);
});

test("a sync that failed loses its bytes, says so once, and no later sync brings them back", async () => {
  const found = await outcomes(async () => {
    const disk = new SimulatedDisk();
    const mount = disk.mount();
    await mount.append("a", [bytes(512, 1)]);
    await mount.syncFolder("");
    disk.fault = (operation) => (operation === "sync" ? "EIO" : undefined);
    await expect(mount.sync("a")).rejects.toMatchObject({ code: "EIO" });
    disk.fault = undefined;
    await mount.append("a", [bytes(512, 2)]);
    await mount.sync("a");
    expect((await mount.read("a"))![0]).toBe(1);
    return disk;
  }, (disk) => [disk.files().get("a")![0] === 1, disk.files().get("a")!.subarray(512).every((value) => value === 2)]);
  expect([...found].sort()).toEqual(["[false,true]", "[true,true]"]);
});

test("a rename leaves the old file or the new, and a process that has died does nothing more", async () => {
  const disk = new SimulatedDisk();
  const mount = disk.mount();
  for (const [path, value] of [["a", 1], ["b", 2]] as const) {
    await mount.write(path, bytes(10, value));
    await mount.sync(path);
  }
  await mount.syncFolder("");
  await mount.rename("b", "a");
  const found = await outcomes(async () => disk, (disk) => [...disk.files()].map(([path, file]) => path + file[0]));
  expect([...found].sort()).toEqual(['["a1","b2"]', '["a2"]']);
  disk.kill();
  await expect(mount.append("a", [bytes(1, 1)])).rejects.toThrow(/by a process that is dead/);
  expect((await disk.mount().read("a"))![0]).toBe(2);
  disk.crash(random(1));
  expect(disk.counts.rename).toBe(1);
});

test("a write that fails for want of space has done half of its work", async () => {
  const disk = new SimulatedDisk();
  disk.fault = () => "ENOSPC";
  await expect(disk.mount().append("a", [bytes(10, 1), bytes(10, 2)])).rejects.toMatchObject({ code: "ENOSPC" });
  expect([...disk.files().get("a")!]).toEqual(Array(10).fill(1));
});
