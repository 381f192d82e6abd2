// seedrandom's types describe its main file only.
declare module "seedrandom/lib/alea.js" {
  import seedrandom from "seedrandom";
  const alea: typeof seedrandom.alea;
  export default alea;
}
